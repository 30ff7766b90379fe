/// What a status response tells the program (RFC 9051, 7.1; RFC 5530; RFC 4315; RFC 6154; RFC 4469; RFC 8474;
/// RFC 5464).
public enum ResponseCode: Hashable, Sendable {
    case alert
    case alreadyExists
    /// UIDVALIDITY of the mailbox, and the new message's identifier.
    case appendUID(validity: UInt32, SequenceSet)
    case authenticationFailed
    case authorizationFailed
    /// The events that NOTIFY can tell of (RFC 5465, 3.1).
    case badEvent([String])
    /// The URL that CATENATE could not take, as the client wrote it (RFC 4469, 4.1).
    case badURL(String)
    /// The charsets that are supported; may be empty.
    case badCharset([String])
    case cannot
    case capability([Capability])
    case clientBug
    case closed
    /// The octets are compressed already (RFC 4978, 3).
    case compressionActive
    case contactAdmin
    /// UIDVALIDITY of the target, what was copied, and in the same order what it became.
    case copyUID(validity: UInt32, source: SequenceSet, target: SequenceSet)
    case corruption
    case expired
    case expungeIssued
    case hasChildren
    /// Everything of the mailbox up to this modification sequence has been told (RFC 7162, 3.1.2.1).
    case highestModificationSequence(UInt64)
    /// The command of this tag is still at work: how much is done, of how much (RFC 9585).
    case inProgress(tag: String?, done: UInt32?, goal: UInt32?)
    case inUse
    case limit
    /// No more than so many messages are dealt with by one command; the lowest of them, from which the client goes on
    /// (RFC 9738, 3.1).
    case messageLimit(UInt32, lowest: UInt32?)
    /// The messages that a conditional STORE left alone (RFC 7162, 3.1.3).
    case modified(SequenceSet)
    case nonExistent
    /// The mailbox keeps no modification sequences (RFC 7162, 3.1.2.2).
    case noModificationSequences
    case noPermission
    case notSaved
    /// NOTIFY is not carried out any more (RFC 5465, 5.8).
    case notificationOverflow
    case overQuota
    case parse
    case permanentFlags([Flag])
    case privacyRequired
    case readOnly
    case readWrite
    case serverBug
    /// A literal that is larger than the server takes (RFC 4469, 4.2; RFC 7889).
    case tooBig
    /// Batches of fewer messages than the server makes (RFC 10022, 3.1.3.2).
    case tooFew
    /// More batches than the server makes (RFC 10022, 3.1.7).
    case tooMany
    case tryCreate
    case uidNext(UInt32)
    case uidNotSticky
    /// The command names messages by sequence number, after ENABLE UIDONLY (RFC 9586, 3).
    case uidRequired
    case uidValidity(UInt32)
    case unavailable
    case unknownCTE
    /// The first unseen message, IMAP4rev1 (RFC 3501, 7.1).
    case unseen(UInt32)
    /// The mechanisms besides INTERNAL that URLs are authorized with in the mailbox, with what belongs to them
    /// (RFC 4467, 8).
    case urlMechanisms([String])
    /// A special use that the server does not give (RFC 6154, 3).
    case useAttribute
    /// The identifier of the mailbox that was made or opened (RFC 8474, 4).
    case mailboxID(ObjectID)
    /// RFC 5464, 5
    case metadata(MetadataCode)
    /// The tag of the search whose result is not kept up to date (RFC 5267, 4.3.1).
    case noUpdate(String)
    /// The filter that a search names and that is not there (RFC 5466, 3.1).
    case undefinedFilter(String)
    /// Any other: its name in upper case, and what follows it.
    case other(String, String?)
}

extension ResponseCode {
    /// Codes without arguments, by name.
    static let bare: [String: ResponseCode] = [
        "ALERT": .alert, "ALREADYEXISTS": .alreadyExists, "AUTHENTICATIONFAILED": .authenticationFailed,
        "AUTHORIZATIONFAILED": .authorizationFailed, "CANNOT": .cannot, "CLIENTBUG": .clientBug, "CLOSED": .closed,
        "COMPRESSIONACTIVE": .compressionActive,
        "CONTACTADMIN": .contactAdmin, "CORRUPTION": .corruption, "EXPIRED": .expired,
        "EXPUNGEISSUED": .expungeIssued, "HASCHILDREN": .hasChildren, "INUSE": .inUse, "LIMIT": .limit,
        "NOMODSEQ": .noModificationSequences, "NONEXISTENT": .nonExistent, "NOPERM": .noPermission,
        "NOTSAVED": .notSaved, "NOTIFICATIONOVERFLOW": .notificationOverflow, "OVERQUOTA": .overQuota,
        "PARSE": .parse, "PRIVACYREQUIRED": .privacyRequired, "READ-ONLY": .readOnly, "READ-WRITE": .readWrite,
        "SERVERBUG": .serverBug, "TOOBIG": .tooBig, "TOOFEW": .tooFew, "TOOMANY": .tooMany,
        "TRYCREATE": .tryCreate, "UIDNOTSTICKY": .uidNotSticky,
        "UIDREQUIRED": .uidRequired, "UNAVAILABLE": .unavailable, "UNKNOWN-CTE": .unknownCTE, "USEATTR": .useAttribute,
    ]

    private static let names = Dictionary(uniqueKeysWithValues: bare.map { ($0.value, $0.key) })

    /// The name of a code without arguments; nil for one that has them.
    var bareName: String? { ResponseCode.names[self] }
}

extension ResponseCode {
    /// `resp-text-code` without its brackets
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ResponseCode {
        let name = uppercasedASCII(try cursor.atom("a response code"))
        if let code = bare[name] {
            _ = cursor.codeText()
            return code
        }
        switch name {
        case "APPENDUID":
            try cursor.space()
            let validity = try cursor.nonZeroNumber()
            try cursor.space()
            return .appendUID(validity: validity, try cursor.sequenceSet())
        case "COPYUID":
            try cursor.space()
            let validity = try cursor.nonZeroNumber()
            try cursor.space()
            let source = try cursor.sequenceSet()
            try cursor.space()
            return .copyUID(validity: validity, source: source, target: try cursor.sequenceSet())
        case "BADEVENT":
            try cursor.space()
            return .badEvent(try cursor.list { cursor throws(SyntaxError) in try cursor.atom("an event") })
        case "BADURL":
            try cursor.space()
            return .badURL(cursor.codeText())
        case "BADCHARSET":
            guard cursor.skip(0x20) else { return .badCharset([]) }
            return .badCharset(try cursor.list { cursor throws(SyntaxError) in try cursor.astringText() })
        case "CAPABILITY":
            var capabilities: [Capability] = []
            while cursor.skip(0x20) { capabilities.append(try cursor.capability()) }
            return .capability(capabilities)
        case "HIGHESTMODSEQ":
            try cursor.space()
            return .highestModificationSequence(try cursor.modificationSequence())
        case "INPROGRESS":
            guard cursor.skip(0x20) else { return .inProgress(tag: nil, done: nil, goal: nil) }
            try cursor.openParenthesis()
            let tag = try cursor.nilOrString().map { String(buffer: $0) }
            try cursor.space()
            let done = try cursor.nilOrNumber()
            try cursor.space()
            let goal = try cursor.nilOrNumber()
            try cursor.closeParenthesis()
            return .inProgress(tag: tag, done: done, goal: goal)
        case "MESSAGELIMIT":
            try cursor.space()
            let limit = try cursor.nonZeroNumber()
            return try .messageLimit(limit, lowest: cursor.skip(0x20) ? cursor.nonZeroNumber() : nil)
        case "MODIFIED":
            try cursor.space()
            return .modified(try cursor.sequenceSet())
        case "PERMANENTFLAGS":
            try cursor.space()
            return .permanentFlags(try cursor.flagList())
        case "UIDNEXT":
            try cursor.space()
            return .uidNext(try cursor.nonZeroNumber())
        case "UIDVALIDITY":
            try cursor.space()
            return .uidValidity(try cursor.nonZeroNumber())
        case "UNSEEN":
            try cursor.space()
            return .unseen(try cursor.nonZeroNumber())
        case "URLMECH":
            try cursor.space()
            guard cursor.skip(word: "INTERNAL") else { throw cursor.failure("INTERNAL") }
            var mechanisms: [String] = []
            while cursor.skip(0x20) { mechanisms.append(try cursor.atom("a mechanism")) }
            return .urlMechanisms(mechanisms)
        case "METADATA": return .metadata(try cursor.metadataCode())
        case "NOUPDATE":
            try cursor.space()
            return .noUpdate(try cursor.stringText())
        case "UNDEFINED-FILTER":
            try cursor.space()
            return .undefinedFilter(try cursor.filterName())
        case "MAILBOXID":
            try cursor.space()
            return .mailboxID(try cursor.listedObjectID())
        default: return .other(name, cursor.skip(0x20) ? cursor.codeText() : nil)
        }
    }
}

extension ByteCursor {
    /// `number / nil`
    fileprivate mutating func nilOrNumber() throws(SyntaxError) -> UInt32? {
        skip(word: "NIL") ? nil : try number()
    }

    /// What stands before the `]` that ends a code.
    mutating func codeText() -> String {
        let start = position
        while let octet = peek(), octet != UInt8(ascii: "]"), octet != 0x0D, octet != 0x0A { advance() }
        return text(start..<position)
    }
}
