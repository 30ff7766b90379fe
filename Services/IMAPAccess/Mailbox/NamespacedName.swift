import Contracts
import IMAPSyntax

/// Where a mailbox's name leads (RFC 2342): into the user's own account, or into another one.
///
/// `Other Users/bob@example.test/INBOX` is a mailbox of bob, `Shared/office@example.test/Plans` one of an account that is
/// nobody's. What follows the prefix is an address, which always has an "@": names of the user's own that look similar,
/// `Shared/old` say, stay his own.
enum NamespacedName: Sendable, Equatable {
    case own(MailboxName)
    /// Of the account of this address: the name that the mailbox has there; empty for the root of the account.
    case foreign(address: String, isShared: Bool, name: String)

    static let otherUsers = "Other Users/"
    static let shared = "Shared/"

    init(_ name: MailboxName) {
        for (prefix, isShared) in [(Self.otherUsers, false), (Self.shared, true)] where name.value.hasPrefix(prefix) {
            let rest = name.value.dropFirst(prefix.count)
            let owner = rest.prefix { $0 != "/" }
            guard owner.contains("@") else { continue }
            self = .foreign(
                address: Self.unescaped(owner).lowercased(), isShared: isShared,
                name: MailboxName(String(rest.dropFirst(owner.count + 1))).value)
            return
        }
        self = .own(name)
    }

    /// By what name a user calls a mailbox of another account.
    static func name(of mailbox: Mailbox) -> String {
        (mailbox.owner.shared ? shared : otherUsers) + escaped(mailbox.owner.address) + "/" + mailbox.name
    }

    /// Whether a name only holds what is below it: the root of a namespace, or of an account in one.
    static func isRoot(_ name: MailboxName) -> Bool {
        switch NamespacedName(name) {
        case .own(let name): name.value + "/" == otherUsers || name.value + "/" == shared
        case .foreign(_, _, let name): name.isEmpty
        }
    }

    /// Whether a name lies in the namespaces of others. There the user makes no mailbox of his own.
    static func isReserved(_ name: MailboxName) -> Bool {
        [otherUsers, shared].contains { (name.value + "/").hasPrefix($0) }
    }

    var isForeign: Bool {
        switch self {
        case .own: false
        case .foreign: true
        }
    }

    // MARK: Addresses as one level of a name

    /// What a local part may hold (RFC 5321, 4.1.2) and a level of a name may not, or LIST would take for a pattern.
    private static let special: Set<Character> = ["/", "*", "%", "="]

    private static func escaped(_ address: String) -> String {
        guard address.contains(where: special.contains) else { return address }
        return address.reduce(into: "") { text, character in
            guard special.contains(character), let octet = character.asciiValue else { return text.append(character) }
            text += "=" + (octet < 16 ? "0" : "") + String(octet, radix: 16, uppercase: true)
        }
    }

    private static func unescaped(_ level: Substring) -> String {
        guard level.contains("=") else { return String(level) }
        var text = ""
        var rest = level
        while let character = rest.popFirst() {
            let digits = rest.prefix(2)
            if character == "=", digits.count == 2, let octet = UInt8(digits, radix: 16),
                special.contains(Character(UnicodeScalar(octet)))
            {
                text.append(Character(UnicodeScalar(octet)))
                rest = rest.dropFirst(2)
            } else {
                text.append(character)
            }
        }
        return text
    }
}

extension ListMailboxesReply {
    /// All in one list: those of others under the names by which the user calls them, subscribed when he is.
    func underOneRoof() -> ListMailboxesReply {
        guard !others.isEmpty else { return self }
        var list = self
        list.others = []
        var strays = Set(subscribedWithoutMailbox)
        for var mailbox in others where mailbox.hasOwner {
            mailbox.name = NamespacedName.name(of: mailbox)
            mailbox.subscribed = strays.remove(mailbox.name) != nil
            list.mailboxes.append(mailbox)
        }
        list.subscribedWithoutMailbox = subscribedWithoutMailbox.filter(strays.contains)
        return list
    }
}

extension Mailbox {
    /// Annotations of somebody else's mailbox are for those who have l and one of r, s, w, i, p (RFC 5464, 3.3), and the
    /// private ones are the owner's alone.
    var showsAnnotations: Bool {
        permissions.contains(.lookup)
            && !permissions.isDisjoint(with: [.read, .keepSeen, .writeFlags, .insert, .post])
    }
}
