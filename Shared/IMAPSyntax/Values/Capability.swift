/// What a server can do, or a client enables (RFC 9051, 6.1.1): a name in upper case, such as `IMAP4rev2` or
/// `AUTH=PLAIN`.
public struct Capability: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name as it is printed.
    public let name: String

    /// A capability by name. Case does not matter; known names get their usual case, others upper case.
    public init(_ name: String) {
        self.name = Capability.mixedCase.first { equalIgnoringASCIICase($0, name) } ?? uppercasedASCII(name)
    }

    /// A capability written in the program.
    public init(stringLiteral value: String) { self.init(value) }

    /// `AUTH=` and the name of a SASL mechanism.
    public static func authentication(_ mechanism: String) -> Capability { Capability("AUTH=" + mechanism) }

    /// The SASL mechanism that this capability offers, if it is one of `AUTH=`.
    public var authenticationMechanism: String? { name.hasPrefix("AUTH=") ? String(name.dropFirst(5)) : nil }

    /// The name.
    public var description: String { name }

    private static let mixedCase = ["IMAP4rev1", "IMAP4rev2"]

    /// RFC 3501
    public static let imap4rev1: Capability = "IMAP4rev1"
    /// RFC 9051
    public static let imap4rev2: Capability = "IMAP4rev2"
    /// RFC 9051, 6.2.1
    public static let startTLS: Capability = "STARTTLS"
    /// RFC 9051, 6.2.3
    public static let loginDisabled: Capability = "LOGINDISABLED"
    /// RFC 2177
    public static let idle: Capability = "IDLE"
    /// RFC 2342
    public static let namespace: Capability = "NAMESPACE"
    /// RFC 2971
    public static let id: Capability = "ID"
    /// RFC 3348
    public static let children: Capability = "CHILDREN"
    /// RFC 3516
    public static let binary: Capability = "BINARY"
    /// RFC 3691
    public static let unselect: Capability = "UNSELECT"
    /// RFC 4315
    public static let uidPlus: Capability = "UIDPLUS"
    /// RFC 4731
    public static let eSearch: Capability = "ESEARCH"
    /// RFC 4959
    public static let saslIR: Capability = "SASL-IR"
    /// RFC 5161
    public static let enable: Capability = "ENABLE"
    /// RFC 5182
    public static let searchRes: Capability = "SEARCHRES"
    /// RFC 5258
    public static let listExtended: Capability = "LIST-EXTENDED"
    /// RFC 5465
    public static let notify: Capability = "NOTIFY"
    /// RFC 5819
    public static let listStatus: Capability = "LIST-STATUS"
    /// RFC 6154
    public static let specialUse: Capability = "SPECIAL-USE"
    /// RFC 6154
    public static let createSpecialUse: Capability = "CREATE-SPECIAL-USE"
    /// RFC 6851
    public static let move: Capability = "MOVE"
    /// RFC 6855
    public static let utf8Accept: Capability = "UTF8=ACCEPT"
    /// RFC 7162
    public static let condStore: Capability = "CONDSTORE"
    /// RFC 7162
    public static let qResync: Capability = "QRESYNC"
    /// RFC 7888
    public static let literalPlus: Capability = "LITERAL+"
    /// RFC 7888
    public static let literalMinus: Capability = "LITERAL-"
    /// RFC 9585
    public static let inProgress: Capability = "INPROGRESS"
    /// RFC 8438
    public static let statusSize: Capability = "STATUS=SIZE"
}
