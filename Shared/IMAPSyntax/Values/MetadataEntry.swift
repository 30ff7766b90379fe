import NIOCore

/// The name of an annotation of a mailbox or of the server (RFC 5464, 3.2): components behind slashes, of which the
/// first is `private` or `shared`. Case does not matter; it is kept in lower case.
public struct MetadataEntry: Hashable, Sendable, CustomStringConvertible {
    /// The name in lower case.
    public let name: String

    /// Octets of a name, which the RFC leaves open.
    public static let octetLimit = 255

    /// A name, or the name above others that are asked for; nil when it is neither (RFC 5464, 3.2).
    public init?(_ name: String) {
        let octets = name.utf8.map(lowercased)
        guard octets.count <= MetadataEntry.octetLimit, octets.allSatisfy(MetadataEntry.allows) else { return nil }
        let components = octets.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard components.count > 1, components[0].isEmpty, components.dropFirst().allSatisfy({ !$0.isEmpty }),
            components[1].elementsEqual("private".utf8) || components[1].elementsEqual("shared".utf8)
        else { return nil }
        self.name = String(decoding: octets, as: UTF8.self)
    }

    private init(known name: String) { self.name = name }

    /// A user's own note (RFC 5464, 3.2.1.2).
    public static let privateComment = MetadataEntry(known: "/private/comment")
    /// A note for all who may see the mailbox (RFC 5464, 3.2.1.2).
    public static let sharedComment = MetadataEntry(known: "/shared/comment")
    /// The special uses of a mailbox (RFC 6154, 4).
    public static let specialUse = MetadataEntry(known: "/private/specialuse")

    /// Whether each user has a value of his own.
    public var isPrivate: Bool { components.first == "private" }

    /// Whether a value may have this name: it has two components at least, below `vendor` four.
    public var isComplete: Bool { components.count >= (components.dropFirst().first == "vendor" ? 4 : 2) }

    private var components: [Substring] { name.split(separator: "/") }

    /// The name.
    public var description: String { name }

    /// Printable ASCII without the wildcards.
    private static func allows(_ octet: UInt8) -> Bool {
        (0x20...0x7E).contains(octet) && octet != UInt8(ascii: "*") && octet != UInt8(ascii: "%")
    }
}

/// An annotation with what it says.
public struct MetadataValue: Hashable, Sendable {
    /// Its name.
    public var entry: MetadataEntry
    /// Any octets, NUL too; nil for none: NIL.
    public var value: ByteBuffer?

    /// An annotation with what it says.
    public init(_ entry: MetadataEntry, _ value: ByteBuffer?) {
        self.entry = entry
        self.value = value
    }
}

/// What a response code says of annotations (RFC 5464, 5).
public enum MetadataCode: Hashable, Sendable {
    /// The largest value that was asked for and was larger than MAXSIZE allowed.
    case longEntries(UInt64)
    /// How large a value may be.
    case maxSize(UInt64)
    case tooMany
    case noPrivate
}

extension ByteCursor {
    /// `entry`
    mutating func metadataEntry() throws(SyntaxError) -> MetadataEntry {
        let start = position
        guard let entry = MetadataEntry(try astringText("an entry")) else {
            throw failure("an entry below /private or /shared", at: start)
        }
        return entry
    }

    /// `entries`
    mutating func metadataEntries() throws(SyntaxError) -> [MetadataEntry] {
        guard isNext(UInt8(ascii: "(")) else { return [try metadataEntry()] }
        return try list { cursor throws(SyntaxError) in try cursor.metadataEntry() }
    }

    /// `entry-value`
    mutating func metadataValue() throws(SyntaxError) -> MetadataValue {
        let entry = try metadataEntry()
        try space()
        let isLiteral8 = isNext(UInt8(ascii: "~"))
        return MetadataValue(entry, isLiteral8 ? try literal(allowsBinary: true) : try nilOrString())
    }

    /// What follows `METADATA` in a response code.
    mutating func metadataCode() throws(SyntaxError) -> MetadataCode {
        try space()
        let start = position
        switch try word("what is wrong with metadata") {
        case "LONGENTRIES":
            try space()
            return .longEntries(try number64())
        case "MAXSIZE":
            try space()
            return .maxSize(try number64())
        case "TOOMANY": return .tooMany
        case "NOPRIVATE": return .noPrivate
        default: throw failure("LONGENTRIES, MAXSIZE, TOOMANY or NOPRIVATE", at: start)
        }
    }
}

extension SyntaxWriter {
    mutating func metadataEntries(_ entries: [MetadataEntry]) { list(entries) { $0.astring($1.name) } }

    /// `entry-value`; octets with NUL go as a literal8.
    mutating func metadataValue(_ value: MetadataValue) {
        astring(value.entry.name)
        space()
        guard let octets = value.value, octets.readableBytesView.contains(0) else { return nilOrString(value.value) }
        octet(UInt8(ascii: "~"))
        literal(octets)
    }

    mutating func metadataCode(_ code: MetadataCode) {
        text("METADATA ")
        switch code {
        case .longEntries(let octets):
            text("LONGENTRIES ")
            number(octets)
        case .maxSize(let octets):
            text("MAXSIZE ")
            number(octets)
        case .tooMany: text("TOOMANY")
        case .noPrivate: text("NOPRIVATE")
        }
    }
}

extension ResponsePrinter {
    /// `* METADATA INBOX (/private/comment "My own comment")`; an empty name is the server (RFC 5464, 4.4.1).
    public mutating func metadata(of mailbox: MailboxName, _ values: [MetadataValue]) {
        text("* METADATA ")
        self.mailbox(mailbox)
        space()
        list(values) { $0.metadataValue($1) }
        endOfLine()
    }

    /// `* METADATA INBOX /private/comment`: these have changed (RFC 5464, 4.4.2).
    mutating func metadataChanged(of mailbox: MailboxName, _ entries: [MetadataEntry]) {
        text("* METADATA ")
        self.mailbox(mailbox)
        for entry in entries {
            space()
            astring(entry.name)
        }
        endOfLine()
    }
}

extension ResponseGrammar {
    /// `SP mailbox SP (entry-values / entry-list)`
    static func metadata(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        if cursor.isNext(UInt8(ascii: "(")) {
            return .metadata(
                mailbox, try cursor.list { cursor throws(SyntaxError) in try cursor.metadataValue() })
        }
        var entries = [try cursor.metadataEntry()]
        while cursor.skip(0x20) {
            guard entries.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            entries.append(try cursor.metadataEntry())
        }
        return .metadataChanged(mailbox, entries)
    }
}
