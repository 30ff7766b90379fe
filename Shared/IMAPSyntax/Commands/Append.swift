/// APPEND up to the octets of its message (RFC 9051, 6.3.12; RFC 3516, 4.4 for literal8).
public struct AppendCommand: Hashable, Sendable {
    /// The command's tag.
    public var tag: String
    /// Where the message goes.
    public var mailbox: MailboxName
    /// The message's flags, date and size.
    public var message: AppendMessage

    /// The head of APPEND.
    public init(tag: String, mailbox: MailboxName, message: AppendMessage) {
        self.tag = tag
        self.mailbox = mailbox
        self.message = message
    }
}

/// What precedes the octets of a message that is appended.
public struct AppendMessage: Hashable, Sendable {
    /// The flags; none when they were left out.
    public var flags: [Flag]
    /// The internal date; nil for now.
    public var internalDate: DateTime?
    /// The announced octets.
    public var literal: LiteralHeader

    /// The head of a message that is appended.
    public init(flags: [Flag] = [], internalDate: DateTime? = nil, literal: LiteralHeader) {
        self.flags = flags
        self.internalDate = internalDate
        self.literal = literal
    }
}

/// The braces before a literal's octets: `{310}`, `{310+}` or `~{310}` (RFC 9051, 4.3; RFC 7888; RFC 3516).
public struct LiteralHeader: Hashable, Sendable {
    /// How many octets follow.
    public var octets: Int
    /// The client waits for a continuation request before it sends them.
    public var isSynchronizing: Bool
    /// literal8: the octets may hold NUL.
    public var isBinary: Bool

    /// A literal's header.
    public init(octets: Int, isSynchronizing: Bool = true, isBinary: Bool = false) {
        self.octets = octets
        self.isSynchronizing = isSynchronizing
        self.isBinary = isBinary
    }
}

extension AppendCommand {
    /// APPEND from its tag to the CRLF that follows the braces of its message. While the mailbox is still a literal to
    /// come, the octets end early.
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> AppendCommand {
        let tag = try CommandGrammar.tag(&cursor)
        try cursor.space()
        guard cursor.skip(word: "APPEND") else { throw cursor.failure("APPEND") }
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        let message = try AppendMessage.parse(&cursor)
        guard cursor.isAtEnd else { throw cursor.failure("the octets of a message") }
        return AppendCommand(tag: tag, mailbox: mailbox, message: message)
    }
}

extension AppendMessage {
    /// `[flag-list SP] [date-time SP]` and the braces.
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> AppendMessage {
        var flags: [Flag] = []
        if cursor.isNext(UInt8(ascii: "(")) {
            flags = try cursor.flagList()
            try cursor.space()
        }
        var internalDate: DateTime?
        if cursor.isNext(UInt8(ascii: "\"")) {
            internalDate = try cursor.dateTime()
            try cursor.space()
        }
        return AppendMessage(flags: flags, internalDate: internalDate, literal: try cursor.literalHeader())
    }
}
