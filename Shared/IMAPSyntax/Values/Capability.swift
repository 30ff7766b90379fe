/// What a server can do, or a client enables (RFC 9051, 6.1.1): a name in upper case, such as `IMAP4rev2` or
/// `AUTH=PLAIN`.
public struct Capability: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name as it is printed.
    public let name: String

    /// A capability by name. Case does not matter; known names get their usual case, others upper case.
    public init(_ name: String) {
        let upperCase = uppercasedASCII(name)
        // Rights are letters in lower case (RFC 4314, 7).
        self.name =
            Capability.mixedCase.first { equalIgnoringASCIICase($0, name) }
            ?? (upperCase.hasPrefix("RIGHTS=") ? "RIGHTS=" + name.dropFirst(7).lowercased() : upperCase)
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
    /// RFC 3502
    public static let multiAppend: Capability = "MULTIAPPEND"
    /// RFC 3516
    public static let binary: Capability = "BINARY"
    /// RFC 3691
    public static let unselect: Capability = "UNSELECT"
    /// RFC 4315
    public static let uidPlus: Capability = "UIDPLUS"
    /// RFC 4467
    public static let urlAuth: Capability = "URLAUTH"
    /// RFC 4469
    public static let catenate: Capability = "CATENATE"
    /// RFC 5550
    public static let urlPartial: Capability = "URL-PARTIAL"
    /// RFC 4731
    public static let eSearch: Capability = "ESEARCH"
    /// RFC 4959
    public static let saslIR: Capability = "SASL-IR"
    /// RFC 5032
    public static let within: Capability = "WITHIN"
    /// RFC 4978
    public static let compressDeflate: Capability = "COMPRESS=DEFLATE"
    /// RFC 5161
    public static let enable: Capability = "ENABLE"
    /// RFC 5182
    public static let searchRes: Capability = "SEARCHRES"
    /// RFC 5255
    public static let i18nLevel1: Capability = "I18NLEVEL=1"
    /// RFC 5256
    public static let sort: Capability = "SORT"

    /// `THREAD=` and the name of an algorithm (RFC 5256, 1).
    public static func threading(_ algorithm: ThreadAlgorithm) -> Capability {
        Capability("THREAD=" + algorithm.rawValue)
    }

    /// RFC 5258
    public static let listExtended: Capability = "LIST-EXTENDED"
    /// RFC 5465
    public static let notify: Capability = "NOTIFY"
    /// RFC 5267, 3
    public static let eSort: Capability = "ESORT"
    /// RFC 5819
    public static let listStatus: Capability = "LIST-STATUS"
    /// RFC 5957
    public static let sortDisplay: Capability = "SORT=DISPLAY"
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
    /// RFC 9394
    public static let partial: Capability = "PARTIAL"
    /// RFC 9586
    public static let uidOnly: Capability = "UIDONLY"
    /// RFC 10022
    public static let uidBatches: Capability = "UIDBATCHES"
    /// RFC 9585
    public static let inProgress: Capability = "INPROGRESS"
    /// RFC 8437
    public static let unauthenticate: Capability = "UNAUTHENTICATE"
    /// RFC 8508
    public static let replace: Capability = "REPLACE"
    /// RFC 8438
    public static let statusSize: Capability = "STATUS=SIZE"
    /// `APPENDLIMIT=` and the octets of the largest message that APPEND takes (RFC 7889, 2).
    public static func appendLimit(_ octets: UInt32) -> Capability { Capability("APPENDLIMIT=\(octets)") }
    /// RFC 4314
    public static let acl: Capability = "ACL"
    /// The rights that are newer than the extension (RFC 4314, 2.2).
    public static let rights: Capability = "RIGHTS=texk"
    /// RFC 8440
    public static let listMyRights: Capability = "LIST-MYRIGHTS"
    /// `MESSAGELIMIT=` and how many messages one command may name (RFC 9738, 3).
    public static func messageLimit(_ messages: UInt32) -> Capability { Capability("MESSAGELIMIT=\(messages)") }
    /// RFC 8474
    public static let objectID: Capability = "OBJECTID"
    /// RFC 8514
    public static let saveDate: Capability = "SAVEDATE"
    /// RFC 5267, 4
    public static let contextSearch: Capability = "CONTEXT=SEARCH"
    /// RFC 5267, 4
    public static let contextSort: Capability = "CONTEXT=SORT"
    /// RFC 5466
    public static let filters: Capability = "FILTERS"
    /// RFC 6203
    public static let searchFuzzy: Capability = "SEARCH=FUZZY"
    /// RFC 7377
    public static let multiSearch: Capability = "MULTISEARCH"
    /// RFC 8970
    public static let preview: Capability = "PREVIEW"
    /// RFC 5464
    public static let metadata: Capability = "METADATA"
    /// RFC 9590
    public static let listMetadata: Capability = "LIST-METADATA"
    /// RFC 9208
    public static let quota: Capability = "QUOTA"

    /// `QUOTA=RES-` and a resource that is limited (RFC 9208, 3.1).
    public static func quota(of resource: QuotaResource) -> Capability { Capability("QUOTA=RES-" + resource.name) }
}
