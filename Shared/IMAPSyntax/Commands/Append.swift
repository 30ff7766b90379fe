/// APPEND up to the octets of its message (RFC 9051, 6.3.12; RFC 3516, 4.4 for literal8; RFC 6855, 4 for UTF8), or
/// REPLACE, which is the same and removes another message (RFC 8508).
public struct AppendCommand: Hashable, Sendable {
    /// The command's tag.
    public var tag: String
    /// The message that goes when the new one is there: set for REPLACE and UID REPLACE.
    public var replaced: ReplacedMessage?
    /// Where the message goes.
    public var mailbox: MailboxName
    /// The message's flags, date and size.
    public var message: AppendMessage

    /// The head of APPEND.
    public init(tag: String, replaced: ReplacedMessage? = nil, mailbox: MailboxName, message: AppendMessage) {
        self.tag = tag
        self.replaced = replaced
        self.mailbox = mailbox
        self.message = message
    }

    /// The command's name in upper case, with UID where it has it: for logs, metrics and texts.
    public var name: String {
        switch replaced?.numbering {
        case nil: "APPEND"
        case .sequenceNumbers: "REPLACE"
        case .uids: "UID REPLACE"
        }
    }
}

/// The one message of the selected mailbox that REPLACE removes (RFC 8508, 3.2 and 3.3).
public struct ReplacedMessage: Hashable, Sendable {
    /// What the number is.
    public var numbering: Numbering
    /// Its number, or `*` for the last message.
    public var number: SequenceNumber

    /// A message by its number.
    public init(numbering: Numbering, number: SequenceNumber) {
        self.numbering = numbering
        self.number = number
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
    /// `UTF8 (~{310}`: the client says that the message has UTF-8 in its header (RFC 6855, 4). The literal is a literal8,
    /// and ")" follows its octets.
    public var isUTF8: Bool

    /// The head of a message that is appended.
    public init(flags: [Flag] = [], internalDate: DateTime? = nil, literal: LiteralHeader, isUTF8: Bool = false) {
        self.flags = flags
        self.internalDate = internalDate
        self.literal = literal
        self.isUTF8 = isUTF8
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
    /// APPEND or REPLACE from its tag to the CRLF that follows the braces of its message. While the mailbox is still a
    /// literal to come, the octets end early.
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> AppendCommand {
        let tag = try CommandGrammar.tag(&cursor)
        try cursor.space()
        let replaced = cursor.skip(word: "APPEND") ? nil : try ReplacedMessage.parse(&cursor)
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        let message = try AppendMessage.parseNext(&cursor)
        return AppendCommand(tag: tag, replaced: replaced, mailbox: mailbox, message: message)
    }

    /// Whether the words behind a tag are those of APPEND, REPLACE or UID REPLACE.
    static func begins(_ octets: some Collection<UInt8>) -> Bool {
        ["APPEND ", "REPLACE ", "UID REPLACE "].contains { (name: String) in
            octets.prefix(name.utf8.count).elementsEqual(name.utf8, by: { uppercased($0) == $1 })
        }
    }

    func write(to writer: inout CommandWriter) {
        writer.text(name)
        writer.space()
        if let replaced {
            writer.sequenceSet(SequenceSet(SequenceRange(replaced.number)))
            writer.space()
        }
        writer.mailbox(mailbox)
        writer.space()
        message.write(to: &writer)
    }
}

extension ReplacedMessage {
    /// `["UID" SP] "REPLACE" SP seq-number`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ReplacedMessage {
        var numbering = Numbering.sequenceNumbers
        if cursor.skip(word: "UID") {
            try cursor.space()
            numbering = .uids
        }
        guard cursor.skip(word: "REPLACE") else { throw cursor.failure("APPEND or REPLACE") }
        try cursor.space()
        return ReplacedMessage(numbering: numbering, number: try cursor.sequenceNumber("the number of a message"))
    }
}

extension AppendMessage {
    /// `[flag-list SP] [date-time SP]` and the braces, or `UTF8 (` and the braces.
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
        guard cursor.skip(word: "UTF8") else {
            return AppendMessage(flags: flags, internalDate: internalDate, literal: try cursor.literalHeader())
        }
        try cursor.space()
        try cursor.openParenthesis()
        let start = cursor.position
        let literal = try cursor.literalHeader()
        guard literal.isBinary else { throw cursor.failure("\"~\" before the literal of UTF8", at: start) }
        return AppendMessage(flags: flags, internalDate: internalDate, literal: literal, isUTF8: true)
    }

    /// The head of another message of the same APPEND, to the CRLF that follows its braces (RFC 3502).
    static func parseNext(_ cursor: inout ByteCursor) throws(SyntaxError) -> AppendMessage {
        let message = try parse(&cursor)
        guard cursor.isAtEnd else { throw cursor.failure("the octets of a message") }
        return message
    }

    func write(to writer: inout CommandWriter) {
        if !flags.isEmpty {
            writer.flags(flags)
            writer.space()
        }
        if let internalDate {
            writer.dateTime(internalDate)
            writer.space()
        }
        if isUTF8 { writer.text("UTF8 (") }
        writer.header(literal)
    }
}
