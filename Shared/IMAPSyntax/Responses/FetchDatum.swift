import NIOCore

/// What a FETCH response tells of a message (RFC 9051, 7.5.2). Octets are kept as they came.
public enum FetchDatum: Hashable, Sendable {
    case flags([Flag])
    case uid(UInt32)
    case internalDate(DateTime)
    case rfc822Size(UInt64)
    /// The parenthesised list in IMAP's syntax, not taken apart.
    case envelope(ByteBuffer)
    /// The parenthesised list of `BODY`, not taken apart.
    case body(ByteBuffer)
    /// The parenthesised list of `BODYSTRUCTURE`, not taken apart.
    case bodyStructure(ByteBuffer)
    /// Octets of a section; `origin` is set when the client asked for a part of it; nil octets for NIL.
    case section(BodySection, origin: UInt64?, ByteBuffer?)
    case rfc822(ByteBuffer?)
    case rfc822Header(ByteBuffer?)
    case rfc822Text(ByteBuffer?)
    case binary(part: [UInt32], origin: UInt64?, ByteBuffer?)
    case binarySize(part: [UInt32], UInt64)
    /// The change counter of the message (RFC 7162, 3.1.4.1).
    case modificationSequence(UInt64)
    /// RFC 8474, 5.3
    case emailID(ObjectID)
    /// RFC 8474, 5.3; nil for NIL: the server does not know which messages belong together.
    case threadID(ObjectID?)
    /// RFC 8514, 4.2; nil for NIL: it is not known.
    case saveDate(DateTime?)
    /// UTF-8; nil for NIL: it was not at hand (RFC 8970, 3.2).
    case preview(ByteBuffer?)
    /// An item of an extension that is not known here: its name in upper case, and its value as it stands.
    case other(String, ByteBuffer)
}

extension FetchDatum {
    /// `msg-att-dynamic / msg-att-static`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> FetchDatum {
        let name = try cursor.word("a fetch item")
        let hasSection = cursor.isNext(UInt8(ascii: "["))
        switch name {
        case "BODY" where hasSection:
            let section = try cursor.section()
            let origin = try origin(&cursor)
            try cursor.space()
            return .section(section, origin: origin, try cursor.nilOrString())
        case "BINARY":
            let part = try cursor.binarySection()
            let origin = try origin(&cursor)
            try cursor.space()
            let isLiteral8 = cursor.isNext(UInt8(ascii: "~"))
            return .binary(
                part: part, origin: origin,
                isLiteral8 ? try cursor.literal(allowsBinary: true) : try cursor.nilOrString())
        case "BINARY.SIZE":
            let part = try cursor.binarySection()
            try cursor.space()
            return .binarySize(part: part, try cursor.number64())
        default: break
        }
        try cursor.space()
        switch name {
        case "FLAGS": return .flags(try cursor.flagList())
        case "UID": return .uid(try cursor.nonZeroNumber())
        case "INTERNALDATE": return .internalDate(try cursor.dateTime())
        case "RFC822.SIZE": return .rfc822Size(try cursor.number64())
        case "ENVELOPE": return .envelope(try cursor.rawValue())
        case "BODY": return .body(try cursor.rawValue())
        case "BODYSTRUCTURE": return .bodyStructure(try cursor.rawValue())
        case "RFC822": return .rfc822(try cursor.nilOrString())
        case "RFC822.HEADER": return .rfc822Header(try cursor.nilOrString())
        case "RFC822.TEXT": return .rfc822Text(try cursor.nilOrString())
        case "MODSEQ":
            try cursor.openParenthesis()
            let value = try cursor.number64()
            try cursor.closeParenthesis()
            return .modificationSequence(value)
        case "EMAILID": return .emailID(try cursor.listedObjectID())
        case "THREADID": return .threadID(cursor.skip(word: "NIL") ? nil : try cursor.listedObjectID())
        case "SAVEDATE": return .saveDate(cursor.skip(word: "NIL") ? nil : try cursor.dateTime())
        case "PREVIEW": return .preview(try cursor.nilOrString())
        default: return .other(name, try cursor.rawValue())
        }
    }

    /// `["<" number ">"]`
    private static func origin(_ cursor: inout ByteCursor) throws(SyntaxError) -> UInt64? {
        guard cursor.skip(UInt8(ascii: "<")) else { return nil }
        let origin = try cursor.number64()
        try cursor.expect(UInt8(ascii: ">"), "\">\"")
        return origin
    }
}
