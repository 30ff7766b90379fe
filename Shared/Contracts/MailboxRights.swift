/// What somebody may do with a mailbox (RFC 4314, 2.1), as requests and replies carry it: bits of `MailboxRight`.
public struct MailboxRights: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt32

    /// Rights by their bits; what is no right is left out.
    public init(rawValue: UInt32) { self.rawValue = rawValue & 0x7FF }

    private init(_ right: MailboxRight) { self.init(rawValue: UInt32(clamping: right.rawValue)) }

    /// `l`: the mailbox is listed.
    public static let lookup = MailboxRights(.lookup)
    /// `r`: it can be selected, its messages read.
    public static let read = MailboxRights(.read)
    /// `s`: `\Seen` can be set and taken away.
    public static let keepSeen = MailboxRights(.keepSeen)
    /// `w`: so can all flags but `\Seen` and `\Deleted`.
    public static let writeFlags = MailboxRights(.writeFlags)
    /// `i`: messages can be put into it.
    public static let insert = MailboxRights(.insert)
    /// `p`: mail can be sent to it. IMAP does not enforce it, and nobody else does.
    public static let post = MailboxRights(.post)
    /// `k`: mailboxes can be made below it.
    public static let createMailboxes = MailboxRights(.createMailboxes)
    /// `x`: it can be deleted and renamed.
    public static let deleteMailbox = MailboxRights(.deleteMailbox)
    /// `t`: `\Deleted` can be set and taken away.
    public static let deleteMessages = MailboxRights(.deleteMessages)
    /// `e`: messages can be expunged.
    public static let expunge = MailboxRights(.expunge)
    /// `a`: rights can be given and taken away.
    public static let administer = MailboxRights(.administer)

    /// What the owner of a mailbox has.
    public static let all = MailboxRights(rawValue: .max)
    /// Who has none of these does not learn that there is a mailbox (RFC 4314, 4: MYRIGHTS).
    public static let anyToKnow: MailboxRights = [
        .lookup, .read, .insert, .createMailboxes, .deleteMailbox, .administer,
    ]

    private static let letters: [(letter: Character, right: MailboxRights)] = [
        ("l", .lookup), ("r", .read), ("s", .keepSeen), ("w", .writeFlags), ("i", .insert), ("p", .post),
        ("k", .createMailboxes), ("x", .deleteMailbox), ("t", .deleteMessages), ("e", .expunge), ("a", .administer),
    ]

    /// Rights as RFC 4314 writes them; nil for a letter that is none. `c` and `d` of its predecessor stand for `kx` and
    /// `et` (RFC 4314, 2.1.1).
    public init?(letters: String) {
        self = []
        for letter in letters {
            switch letter {
            case "c": formUnion([.createMailboxes, .deleteMailbox])
            case "d": formUnion([.expunge, .deleteMessages])
            default:
                guard let known = Self.letters.first(where: { $0.letter == letter }) else { return nil }
                insert(known.right)
            }
        }
    }

    /// As RFC 4314 writes them, without `c` and `d`.
    public var letters: String { String(Self.letters.filter { contains($0.right) }.map { $0.letter }) }
}

extension Mailbox {
    /// What who asked may do with it: everything when it is his own.
    public var permissions: MailboxRights { hasOwner ? MailboxRights(rawValue: rights) : .all }
}
