import Contracts
import IMAPSyntax

/// Of what a client wants to hear (RFC 5465), made ready to be asked for one event after another.
struct NotificationRules: Sendable {
    /// Of the selected mailbox; nil when it wants to hear nothing of its messages.
    private(set) var selected: SelectedEvents?
    /// Of all others: every group that a mailbox belongs to adds its events.
    private let groups: [NotifyGroup]

    static let nothing = NotificationRules()

    private init() { groups = [] }

    /// Refuses events that this server cannot tell (RFC 5465, 3.1).
    init(_ groups: [NotifyGroup]) throws(Refusal) {
        guard groups.allSatisfy({ $0.events.allSatisfy(Self.isSupported) }) else {
            throw Refusal(
                .no, .badEvent(Self.supported), "These events are told: \(Self.supported.joined(separator: ", "))")
        }
        self.groups = groups.filter { !$0.mailboxes.isSelected }
        selected = groups.first(where: \.mailboxes.isSelected).flatMap(SelectedEvents.init)
    }

    private static let supported = [
        "MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange", "MailboxMetadataChange",
        "ServerMetadataChange",
    ]

    private static func isSupported(_ event: NotifyEvent) -> Bool { supported.contains(event.name) }

    /// Whether anything of mailboxes that are not selected is to be told.
    var watchesOthers: Bool { groups.contains { !$0.events.isEmpty } }

    /// Whether mailboxes of other accounts can be among those that are watched.
    var reachOtherAccounts: Bool { groups.contains { !$0.events.isEmpty && $0.mailboxes.reachOtherAccounts } }

    /// Whether annotations of the account itself are to be told, whatever mailboxes the group names (RFC 5465, 5.7).
    var wantsServerMetadata: Bool { groups.contains { $0.events.contains(.serverMetadataChange) } }

    /// Whether this event of a mailbox is to be told; the attributes of MessageNew do not matter.
    func wants(_ event: NotifyEvent, of name: String, isSubscribed: Bool) -> Bool {
        groups.contains { group in
            group.events.contains { $0.name == event.name } && group.mailboxes.include(name, isSubscribed: isSubscribed)
        }
    }
}

/// What of the selected mailbox is told without being asked (RFC 5465, 5 and 6.1).
struct SelectedEvents: Sendable, Equatable {
    /// What is fetched of each new message.
    var newAttributes: [FetchAttribute] = []
    var flags = true
    /// Expunges wait for a command that may tell them.
    var delaysExpunges = false

    /// Before NOTIFY: everything, at the end of commands.
    static let all = SelectedEvents()

    private init() {}

    /// Nil for NONE.
    init?(_ group: NotifyGroup) {
        guard !group.events.isEmpty else { return nil }
        for event in group.events {
            if case .messageNew(let attributes) = event { newAttributes = attributes }
        }
        flags = group.events.contains(.flagChange)
        delaysExpunges = group.mailboxes == .selectedDelayed
    }
}

extension NotifyMailboxes {
    /// Whether a mailbox that is not selected is among these (RFC 5465, 6).
    fileprivate func include(_ name: String, isSubscribed: Bool) -> Bool {
        switch self {
        case .selected, .selectedDelayed: false
        // Sieve may put mail anywhere (RFC 5465, 6.3), but into the user's own mailboxes only.
        case .inboxes, .personal: !NamespacedName(MailboxName(name)).isForeign
        case .subscribed: isSubscribed
        case .subtree(let roots): roots.contains { name == $0.value || name.hasPrefix($0.value + "/") }
        case .mailboxes(let names): names.contains { name == $0.value }
        }
    }

    fileprivate var reachOtherAccounts: Bool {
        switch self {
        case .selected, .selectedDelayed, .inboxes, .personal: false
        case .subscribed: true
        case .subtree(let names), .mailboxes(let names): names.contains(where: NamespacedName.isReserved)
        }
    }

    /// The names that the client gave, and whether those below them are meant as well.
    var names: (names: [MailboxName], below: Bool) {
        switch self {
        case .selected, .selectedDelayed, .inboxes, .personal, .subscribed: ([], false)
        case .subtree(let names): (names, true)
        case .mailboxes(let names): (names, false)
        }
    }
}
