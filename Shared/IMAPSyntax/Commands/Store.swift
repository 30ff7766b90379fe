/// STORE and UID STORE (RFC 9051, 6.4.6).
public struct StoreCommand: Hashable, Sendable {
    /// UID STORE or STORE.
    public var numbering: Numbering
    /// Which messages.
    public var messages: MessageSet
    /// Whether the flags replace, join or leave those that are set.
    public var operation: StoreOperation
    /// `.SILENT`: the client does not want to be told of the result.
    public var isSilent: Bool
    /// The flags; may be empty, to remove all.
    public var flags: [Flag]
    /// UNCHANGEDSINCE: only of messages whose modification sequence is not greater (RFC 7162, 3.1.3).
    public var unchangedSince: UInt64?

    /// The arguments of STORE.
    public init(
        numbering: Numbering, messages: MessageSet, operation: StoreOperation, isSilent: Bool = false, flags: [Flag],
        unchangedSince: UInt64? = nil
    ) {
        self.numbering = numbering
        self.messages = messages
        self.operation = operation
        self.isSilent = isSilent
        self.flags = flags
        self.unchangedSince = unchangedSince
    }
}

/// What STORE does with its flags: `FLAGS`, `+FLAGS`, `-FLAGS`.
public enum StoreOperation: Hashable, Sendable, CaseIterable {
    case replace
    case add
    case remove
}

/// COPY, MOVE and their UID forms (RFC 9051, 6.4.7 and 6.4.8; RFC 6851).
public struct CopyCommand: Hashable, Sendable {
    /// By unique identifier or by sequence number.
    public var numbering: Numbering
    /// Which messages.
    public var messages: MessageSet
    /// Where they go.
    public var mailbox: MailboxName

    /// The arguments of COPY and MOVE.
    public init(numbering: Numbering, messages: MessageSet, mailbox: MailboxName) {
        self.numbering = numbering
        self.messages = messages
        self.mailbox = mailbox
    }
}

extension StoreCommand {
    static func parse(_ cursor: inout ByteCursor, _ numbering: Numbering) throws(SyntaxError) -> StoreCommand {
        try cursor.space()
        let messages = try cursor.messageSet()
        try cursor.space()
        let unchangedSince = try modifiers(&cursor)
        let operation: StoreOperation
        if cursor.skip(UInt8(ascii: "+")) {
            operation = .add
        } else {
            operation = cursor.skip(UInt8(ascii: "-")) ? .remove : .replace
        }
        let isSilent = cursor.skip(word: "FLAGS.SILENT")
        guard isSilent || cursor.skip(word: "FLAGS") else { throw cursor.failure("FLAGS or FLAGS.SILENT") }
        try cursor.space()
        return StoreCommand(
            numbering: numbering, messages: messages, operation: operation, isSilent: isSilent,
            flags: try flags(&cursor), unchangedSince: unchangedSince)
    }

    /// `["(" store-modifier ")" SP]` (RFC 4466, 2.5): there is one, and it may stand once.
    private static func modifiers(_ cursor: inout ByteCursor) throws(SyntaxError) -> UInt64? {
        guard cursor.skip(UInt8(ascii: "(")) else { return nil }
        guard cursor.skip(word: "UNCHANGEDSINCE") else { throw cursor.failure("UNCHANGEDSINCE") }
        try cursor.space()
        let value = try cursor.modificationSequence()
        try cursor.closeParenthesis()
        try cursor.space()
        return value
    }

    /// `flag-list / (flag *(SP flag))`
    private static func flags(_ cursor: inout ByteCursor) throws(SyntaxError) -> [Flag] {
        if cursor.isNext(UInt8(ascii: "(")) { return try cursor.flagList() }
        var flags = [try cursor.flag()]
        while cursor.skip(0x20) {
            guard flags.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            flags.append(try cursor.flag())
        }
        return flags
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.messageSet(messages)
        if let unchangedSince {
            writer.text(" (UNCHANGEDSINCE ")
            writer.number(unchangedSince)
            writer.text(")")
        }
        switch operation {
        case .replace: writer.text(" ")
        case .add: writer.text(" +")
        case .remove: writer.text(" -")
        }
        writer.text(isSilent ? "FLAGS.SILENT " as StaticString : "FLAGS ")
        writer.flags(flags)
    }
}

extension CopyCommand {
    static func parse(_ cursor: inout ByteCursor, _ numbering: Numbering) throws(SyntaxError) -> CopyCommand {
        try cursor.space()
        let messages = try cursor.messageSet()
        try cursor.space()
        return CopyCommand(numbering: numbering, messages: messages, mailbox: try cursor.mailbox())
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.messageSet(messages)
        writer.space()
        writer.mailbox(mailbox)
    }
}
