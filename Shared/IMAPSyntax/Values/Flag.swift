/// A message flag: a system flag such as `\Seen`, a keyword, or a flag extension (RFC 9051, 2.3.2).
/// Flags are compared without regard to ASCII case and keep the case in which they were written.
public struct Flag: Sendable, CustomStringConvertible {
    /// The flag as it is written, with the backslash of a system flag.
    public let name: String

    /// A flag by its name; system flags get their usual case. Whether the name may be sent is the parser's business.
    public init(_ name: String) {
        self.name = Flag.systemFlags.first { equalIgnoringASCIICase($0.name, name) }?.name ?? name
    }

    private init(system name: String) { self.name = name }

    /// `\Seen`
    public static let seen = Flag(system: "\\Seen")
    /// `\Answered`
    public static let answered = Flag(system: "\\Answered")
    /// `\Flagged`
    public static let flagged = Flag(system: "\\Flagged")
    /// `\Deleted`
    public static let deleted = Flag(system: "\\Deleted")
    /// `\Draft`
    public static let draft = Flag(system: "\\Draft")
    /// `\Recent`, which only IMAP4rev1 knows and only servers send (RFC 3501, 2.3.2).
    public static let recent = Flag(system: "\\Recent")
    /// `\*` in PERMANENTFLAGS: new keywords may be made.
    public static let wildcard = Flag(system: "\\*")

    private static let systemFlags: [Flag] = [.seen, .answered, .flagged, .deleted, .draft, .recent]

    /// Whether the name begins with a backslash.
    public var isSystem: Bool { name.utf8.first == UInt8(ascii: "\\") }

    /// The name.
    public var description: String { name }
}

extension Flag: Hashable {
    /// Case does not matter (RFC 9051, 2.3.2).
    public static func == (left: Flag, right: Flag) -> Bool { equalIgnoringASCIICase(left.name, right.name) }

    /// Equal flags in different case hash alike.
    public func hash(into hasher: inout Hasher) {
        for octet in name.utf8 { hasher.combine(lowercased(octet)) }
    }
}

/// The system flags as bits, equal to those of the mail store's views, for printing without names in between.
public struct SystemFlags: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt8

    /// Any bits; those without a meaning are not printed.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `\Seen`
    public static let seen = SystemFlags(rawValue: 1)
    /// `\Answered`
    public static let answered = SystemFlags(rawValue: 2)
    /// `\Flagged`
    public static let flagged = SystemFlags(rawValue: 4)
    /// `\Deleted`
    public static let deleted = SystemFlags(rawValue: 8)
    /// `\Draft`
    public static let draft = SystemFlags(rawValue: 16)
    /// `\Recent`: the session's own knowledge, never stored.
    public static let recent = SystemFlags(rawValue: 32)
}
