/// FETCH and UID FETCH (RFC 9051, 6.4.5).
public struct FetchCommand: Hashable, Sendable {
    /// UID FETCH or FETCH.
    public var numbering: Numbering
    /// Which messages.
    public var messages: MessageSet
    /// What of them, in the client's order; macros are replaced by what they stand for.
    public var attributes: [FetchAttribute]
    /// CHANGEDSINCE: only of messages whose modification sequence is greater (RFC 7162, 3.1.4.1).
    public var changedSince: UInt64?
    /// VANISHED: also which of the messages have been expunged since; only with UID and CHANGEDSINCE (RFC 7162, 3.2.6).
    public var wantsVanished: Bool
    /// PARTIAL: only of this part of the messages that the set names; only with UID (RFC 9394, 3.3).
    public var part: ResultPartial?

    /// The arguments of FETCH.
    public init(
        numbering: Numbering, messages: MessageSet, attributes: [FetchAttribute], changedSince: UInt64? = nil,
        wantsVanished: Bool = false, part: ResultPartial? = nil
    ) {
        self.numbering = numbering
        self.messages = messages
        self.attributes = attributes
        self.changedSince = changedSince
        self.wantsVanished = wantsVanished
        self.part = part
    }
}

/// One thing to fetch (RFC 9051, 6.4.5; RFC 3501, 6.4.5; RFC 3516, 4; RFC 8474, 5.3; RFC 8514, 4.2; RFC 8970, 3).
public enum FetchAttribute: Hashable, Sendable {
    case envelope
    case flags
    case internalDate
    case uid
    /// `RFC822`, IMAP4rev1: like `BODY[]`, answered as RFC822.
    case rfc822
    /// `RFC822.HEADER`, IMAP4rev1: like `BODY.PEEK[HEADER]`.
    case rfc822Header
    /// `RFC822.TEXT`, IMAP4rev1: like `BODY[TEXT]`.
    case rfc822Text
    case rfc822Size
    /// `BODY` without a section: the structure without extension data.
    case body
    case bodyStructure
    case section(BodySection, peek: Bool, partial: PartialRange?)
    case binary(part: [UInt32], peek: Bool, partial: PartialRange?)
    case binarySize(part: [UInt32])
    /// `MODSEQ` (RFC 7162, 3.1.4.2).
    case modificationSequence
    /// What identifies the content of the message (RFC 8474, 5.1).
    case emailID
    /// What identifies the messages that belong together (RFC 8474, 5.2).
    case threadID
    /// When the message was saved in its mailbox (RFC 8514, 4.2).
    case saveDate
    /// The beginning of the text; `lazy` for only when it is at hand (RFC 8970, 4).
    case preview(lazy: Bool)

    /// The macro ALL (RFC 9051, 6.4.5).
    public static let all: [FetchAttribute] = [.flags, .internalDate, .rfc822Size, .envelope]
    /// The macro FAST.
    public static let fast: [FetchAttribute] = [.flags, .internalDate, .rfc822Size]
    /// The macro FULL.
    public static let full: [FetchAttribute] = [.flags, .internalDate, .rfc822Size, .envelope, .body]

    /// Whether fetching this sets `\Seen`.
    public var setsSeen: Bool {
        switch self {
        case .rfc822, .rfc822Text: true
        case .section(_, let peek, _), .binary(_, let peek, _): !peek
        case .envelope, .flags, .internalDate, .uid, .rfc822Header, .rfc822Size, .body, .bodyStructure, .binarySize,
            .modificationSequence, .emailID, .threadID, .saveDate, .preview:
            false
        }
    }
}

extension FetchCommand {
    static func parse(_ cursor: inout ByteCursor, _ numbering: Numbering) throws(SyntaxError) -> FetchCommand {
        try cursor.space()
        let messages = try cursor.messageSet()
        try cursor.space()
        var command = FetchCommand(numbering: numbering, messages: messages, attributes: try attributes(&cursor))
        if cursor.skip(0x20) { try command.modifiers(&cursor) }
        return command
    }

    /// `"(" fetch-modifier *(SP fetch-modifier) ")"` (RFC 4466, 2.4)
    private mutating func modifiers(_ cursor: inout ByteCursor) throws(SyntaxError) {
        let start = cursor.position
        _ = try cursor.list { cursor throws(SyntaxError) in
            let start = cursor.position
            switch try cursor.word("a modifier of FETCH") {
            case "CHANGEDSINCE" where changedSince == nil:
                try cursor.space()
                changedSince = try cursor.modificationSequence()
            case "VANISHED" where numbering == .uids && !wantsVanished: wantsVanished = true
            case "PARTIAL" where numbering == .uids && part == nil:
                try cursor.space()
                part = try cursor.resultPartial()
            default: throw cursor.failure("CHANGEDSINCE or, with UID, VANISHED or PARTIAL, each once", at: start)
            }
        }
        guard changedSince != nil || !wantsVanished else {
            throw cursor.failure("CHANGEDSINCE together with VANISHED", at: start)
        }
    }

    private static func attributes(_ cursor: inout ByteCursor) throws(SyntaxError) -> [FetchAttribute] {
        if cursor.isNext(UInt8(ascii: "(")) {
            return try cursor.list { cursor throws(SyntaxError) in try FetchAttribute.parse(&cursor) }
        }
        if cursor.skip(word: "ALL") { return FetchAttribute.all }
        if cursor.skip(word: "FAST") { return FetchAttribute.fast }
        if cursor.skip(word: "FULL") { return FetchAttribute.full }
        return [try FetchAttribute.parse(&cursor)]
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.messageSet(messages)
        writer.space()
        if attributes.count == 1, let attribute = attributes.first {
            attribute.write(to: &writer)
        } else {
            writer.list(attributes) { writer, attribute in attribute.write(to: &writer) }
        }
        guard changedSince != nil || part != nil else { return }
        writer.text(" (")
        if let part {
            writer.text("PARTIAL ")
            writer.resultPartial(part)
            if changedSince != nil { writer.space() }
        }
        if let changedSince {
            writer.text("CHANGEDSINCE ")
            writer.number(changedSince)
            if wantsVanished { writer.text(" VANISHED") }
        }
        writer.text(")")
    }
}

extension FetchAttribute {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> FetchAttribute {
        let start = cursor.position
        switch try cursor.word("a fetch attribute") {
        case "ENVELOPE": return .envelope
        case "FLAGS": return .flags
        case "INTERNALDATE": return .internalDate
        case "UID": return .uid
        case "RFC822": return .rfc822
        case "RFC822.HEADER": return .rfc822Header
        case "RFC822.TEXT": return .rfc822Text
        case "RFC822.SIZE": return .rfc822Size
        case "BODYSTRUCTURE": return .bodyStructure
        case "BODY" where !cursor.isNext(UInt8(ascii: "[")): return .body
        case "BODY": return try section(&cursor, peek: false)
        case "BODY.PEEK": return try section(&cursor, peek: true)
        case "BINARY": return try binary(&cursor, peek: false)
        case "BINARY.PEEK": return try binary(&cursor, peek: true)
        case "BINARY.SIZE": return .binarySize(part: try cursor.binarySection())
        case "MODSEQ": return .modificationSequence
        case "EMAILID": return .emailID
        case "THREADID": return .threadID
        case "SAVEDATE": return .saveDate
        case "PREVIEW": return .preview(lazy: try cursor.skipPreviewModifiers())
        default: throw cursor.failure("a fetch attribute", at: start)
        }
    }

    private static func section(_ cursor: inout ByteCursor, peek: Bool) throws(SyntaxError) -> FetchAttribute {
        .section(try cursor.section(), peek: peek, partial: try cursor.partialIfNext())
    }

    private static func binary(_ cursor: inout ByteCursor, peek: Bool) throws(SyntaxError) -> FetchAttribute {
        .binary(part: try cursor.binarySection(), peek: peek, partial: try cursor.partialIfNext())
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .envelope: writer.text("ENVELOPE")
        case .flags: writer.text("FLAGS")
        case .internalDate: writer.text("INTERNALDATE")
        case .uid: writer.text("UID")
        case .rfc822: writer.text("RFC822")
        case .rfc822Header: writer.text("RFC822.HEADER")
        case .rfc822Text: writer.text("RFC822.TEXT")
        case .rfc822Size: writer.text("RFC822.SIZE")
        case .body: writer.text("BODY")
        case .bodyStructure: writer.text("BODYSTRUCTURE")
        case .section(let section, let peek, let partial):
            writer.text(peek ? "BODY.PEEK" as StaticString : "BODY")
            writer.section(section)
            writer.partial(partial)
        case .binary(let part, let peek, let partial):
            writer.text(peek ? "BINARY.PEEK" as StaticString : "BINARY")
            writer.binarySection(part)
            writer.partial(partial)
        case .binarySize(let part):
            writer.text("BINARY.SIZE")
            writer.binarySection(part)
        case .modificationSequence: writer.text("MODSEQ")
        case .emailID: writer.text("EMAILID")
        case .threadID: writer.text("THREADID")
        case .saveDate: writer.text("SAVEDATE")
        case .preview(let lazy): writer.text(lazy ? "PREVIEW (LAZY)" as StaticString : "PREVIEW")
        }
    }
}
