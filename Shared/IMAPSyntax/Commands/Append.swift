/// APPEND up to the octets of its message (RFC 9051, 6.3.12; RFC 3516, 4.4 for literal8; RFC 6855, 4 for UTF8), or to
/// the parts that it is put together from (RFC 4469); or REPLACE, which is the same and removes another message (RFC 8508).
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
    /// What the message is made of.
    public var content: AppendContent

    /// The head of a message that is appended.
    public init(flags: [Flag] = [], internalDate: DateTime? = nil, content: AppendContent) {
        self.flags = flags
        self.internalDate = internalDate
        self.content = content
    }

    /// The head of a message whose octets follow as one literal.
    public init(flags: [Flag] = [], internalDate: DateTime? = nil, literal: LiteralHeader, isUTF8: Bool = false) {
        self.init(flags: flags, internalDate: internalDate, content: .literal(literal, isUTF8: isUTF8))
    }
}

/// What a message is made of that is appended.
public enum AppendContent: Hashable, Sendable {
    /// The announced octets. With `UTF8 (~{310}` the client says that the message has UTF-8 in its header (RFC 6855, 4):
    /// the literal is a literal8, and ")" follows its octets.
    case literal(LiteralHeader, isUTF8: Bool)
    /// `CATENATE (`: parts follow, and ")" (RFC 4469).
    case parts
}

/// One of the parts that CATENATE puts a message together from (RFC 4469, 5: `cat-part`; RFC 6855, 4).
public enum AppendPart: Hashable, Sendable {
    /// What an IMAP URL names, as the client wrote it: nobody has read it yet.
    case url(String)
    /// The announced octets, with UTF8 as in `AppendContent.literal`.
    case text(LiteralHeader, isUTF8: Bool)
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
    /// APPEND or REPLACE from its tag to the CRLF that follows the braces of its message, or to the parenthesis before its
    /// parts. While the mailbox is still a literal to come, the octets end early.
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
    /// `[flag-list SP] [date-time SP]` and the braces, `UTF8 (` and the braces, or `CATENATE (`.
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
        guard cursor.skip(word: "CATENATE") else {
            let (literal, isUTF8) = try cursor.messageLiteral()
            return AppendMessage(flags: flags, internalDate: internalDate, literal: literal, isUTF8: isUTF8)
        }
        try cursor.space()
        try cursor.openParenthesis()
        return AppendMessage(flags: flags, internalDate: internalDate, content: .parts)
    }

    /// The head of another message of the same APPEND, to the CRLF that follows its braces (RFC 3502), or to its parts.
    static func parseNext(_ cursor: inout ByteCursor) throws(SyntaxError) -> AppendMessage {
        let message = try parse(&cursor)
        guard message.content == .parts || cursor.isAtEnd else { throw cursor.failure("the octets of a message") }
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
        switch content {
        case .literal(let literal, let isUTF8): writer.messageLiteral(literal, isUTF8: isUTF8)
        case .parts: writer.text("CATENATE (")
        }
    }
}

extension AppendPart {
    /// What stands next in the parentheses of CATENATE.
    enum Step: Hashable, Sendable {
        case part(AppendPart)
        /// The octets of a URL follow as a literal.
        case urlLiteral(LiteralHeader)
        /// The parentheses are closed.
        case end
    }

    /// A part with the space before it, to the CRLF of its braces when it has some; or ")". One part there must be.
    static func parseStep(_ cursor: inout ByteCursor, isFirst: Bool) throws(SyntaxError) -> Step {
        if !isFirst {
            if cursor.skip(UInt8(ascii: ")")) { return .end }
            guard cursor.skip(0x20) else { throw cursor.failure("a space or \")\" behind a part") }
        }
        if cursor.skip(word: "URL") {
            try cursor.space()
            if cursor.isNext(UInt8(ascii: "{")) { return .urlLiteral(try cursor.literalHeader()) }
            return .part(.url(try cursor.astringText("a URL")))
        }
        let start = cursor.position
        if cursor.skip(word: "TEXT") {
            try cursor.space()
            return .part(.text(try cursor.literalHeader(), isUTF8: false))
        }
        if cursor.skip(word: "UTF8") { return .part(.text(try cursor.utf8Literal(), isUTF8: true)) }
        throw cursor.failure("URL, TEXT or UTF8", at: start)
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .url(let url):
            writer.text("URL ")
            writer.astring(url)
        case .text(let literal, isUTF8: true): writer.messageLiteral(literal, isUTF8: true)
        case .text(let literal, isUTF8: false):
            writer.text("TEXT ")
            writer.header(literal)
        }
    }
}

extension ByteCursor {
    /// The braces of a message, or `UTF8 (` and the braces (RFC 6855, 4).
    fileprivate mutating func messageLiteral() throws(SyntaxError) -> (LiteralHeader, isUTF8: Bool) {
        guard skip(word: "UTF8") else { return (try literalHeader(), false) }
        return (try utf8Literal(), true)
    }

    /// What follows UTF8.
    fileprivate mutating func utf8Literal() throws(SyntaxError) -> LiteralHeader {
        try space()
        try openParenthesis()
        let start = position
        let literal = try literalHeader()
        guard literal.isBinary else { throw failure("\"~\" before the literal of UTF8", at: start) }
        return literal
    }
}

extension CommandWriter {
    fileprivate mutating func messageLiteral(_ literal: LiteralHeader, isUTF8: Bool) {
        if isUTF8 { text("UTF8 (") }
        header(literal)
    }
}
