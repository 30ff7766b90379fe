import Contracts
import IMAPSyntax

/// The mailboxes of an account as a client with NOTIFY was last told of them, and what it is to be told of those that
/// are not selected when they have changed (RFC 5465, 5).
struct NotifiedMailboxes: Sendable {
    /// A line to the client.
    enum Notice: Sendable, Equatable {
        case status(Mailbox, [StatusItem])
        case list(MailboxListing)
        case metadata(MailboxName, [MetadataEntry])
    }

    /// What decides besides the rules.
    struct Circumstances: Sendable {
        var rules: NotificationRules
        /// Of the selected mailbox the client hears otherwise.
        var selectedID: Int64?
        /// RFC 7162 is in use, so that HIGHESTMODSEQ is told.
        var tellsModificationSequences: Bool
    }

    private var mailboxes: [Int64: Mailbox]
    private var subscribedWithoutMailbox: Set<String>
    /// Names that the client itself has touched: what became of them it knows.
    private var ownNames: Set<String> = []

    init(_ reply: ListMailboxesReply) {
        mailboxes = Dictionary(reply.mailboxes.map { ($0.mailboxID, $0) }) { $1 }
        subscribedWithoutMailbox = Set(reply.subscribedWithoutMailbox)
    }

    /// A mailbox as the client was last told of it.
    subscript(mailboxID: Int64) -> Mailbox? { mailboxes[mailboxID] }

    /// Mailboxes that the client names and may see, but not read: nothing of them is told, and that is said at once
    /// (RFC 5465, 3.1).
    func inaccessible(_ groups: [NotifyGroup]) -> [Notice] {
        let named = groups.filter { !$0.events.isEmpty }.map(\.mailboxes.names)
        return mailboxes.values.sorted { $0.name < $1.name }.compactMap { mailbox in
            guard mailbox.hasOwner, !mailbox.permissions.contains(.read) else { return nil }
            let isNamed = named.contains { names, below in
                names.contains { mailbox.name == $0.value || below && mailbox.name.hasPrefix($0.value + "/") }
            }
            return isNamed
                ? .list(MailboxListing(attributes: ["\\NoAccess"], mailbox: MailboxName(mailbox.name))) : nil
        }
    }

    /// The client itself has made, deleted, renamed or subscribed one of this name.
    mutating func touched(_ name: MailboxName) {
        // Each is taken out again by the news of it.
        if ownNames.count >= 1000 { ownNames.removeAll() }
        ownNames.insert(name.value)
        if let parent = name.value.parent { ownNames.insert(parent) }
    }

    /// The client itself has put these messages into a mailbox.
    mutating func stored(_ uids: [UInt32], in mailboxID: Int64) {
        guard let next = mailboxes[mailboxID]?.uidNext, let last = uids.max(), last >= next, last < .max else { return }
        mailboxes[mailboxID]?.messageCount += UInt32(clamping: uids.count { $0 >= next })
        mailboxes[mailboxID]?.uidNext = last + 1
    }

    // MARK: Messages

    /// The state of each mailbox whose messages are watched, for NOTIFY SET STATUS (RFC 5465, 3.1).
    func overview(_ circumstances: Circumstances) -> [Notice] {
        mailboxes.values.sorted { $0.name < $1.name }.compactMap { mailbox in
            guard mailbox.selectable, mailbox.mailboxID != circumstances.selectedID else { return nil }
            var items: [StatusItem] = []
            if circumstances.wants(.messageNew([]), mailbox) {
                items += [.messages, .uidNext, .uidValidity]
            }
            if circumstances.wants(.flagChange, mailbox), circumstances.tellsModificationSequences {
                items.append(.highestModificationSequence)
            }
            return items.isEmpty ? nil : .status(mailbox, items)
        }
    }

    /// What is to be told of the messages of one mailbox, now that it is like this.
    mutating func update(_ mailbox: Mailbox, _ circumstances: Circumstances) -> Notice? {
        guard let before = mailboxes.updateValue(mailbox, forKey: mailbox.mailboxID), mailbox.selectable,
            mailbox.mailboxID != circumstances.selectedID, before.highestModseq != mailbox.highestModseq
        else { return nil }
        let arrived = Int64(mailbox.uidNext) - Int64(before.uidNext)
        let isOther = arrived != 0 || before.messageCount != mailbox.messageCount
        if isOther, circumstances.wants(.messageNew([]), mailbox) {
            let more: [StatusItem] = circumstances.tellsModificationSequences ? [.highestModificationSequence] : []
            return .status(mailbox, [.uidNext, .messages] + more)
        }
        guard circumstances.wants(.flagChange, mailbox) else { return nil }
        if circumstances.tellsModificationSequences {
            return .status(mailbox, [.uidValidity, .highestModificationSequence, .unseen])
        }
        return before.unseenCount == mailbox.unseenCount ? nil : .status(mailbox, [.uidValidity, .unseen])
    }

    // MARK: Annotations

    /// What is to be told of annotations that have changed; those of the account itself have no mailbox (RFC 5465, 5.6 and
    /// 5.7).
    func annotationsChanged(_ names: [String], of mailboxID: Int64, _ circumstances: Circumstances) -> Notice? {
        let entries = names.compactMap(MetadataEntry.init)
        guard !entries.isEmpty else { return nil }
        if mailboxID == 0 { return circumstances.rules.wantsServerMetadata ? .metadata("", entries) : nil }
        guard let mailbox = mailboxes[mailboxID], mailbox.showsAnnotations,
            circumstances.wants(.mailboxMetadataChange, mailbox)
        else { return nil }
        return .metadata(MailboxName(mailbox.name), entries)
    }

    // MARK: Names

    /// What is to be told of all mailboxes, now that they are like this.
    mutating func update(_ reply: ListMailboxesReply, _ circumstances: Circumstances) -> [Notice] {
        let before = self
        let tree = MailboxTree(reply)
        var names: [String: MailboxListing] = [:]
        func tell(_ name: String, _ event: NotifyEvent, isSubscribed: Bool, oldName: String? = nil) {
            guard names[name] == nil,
                circumstances.rules.wants(event, of: name, isSubscribed: isSubscribed)
                    || oldName.map({ circumstances.rules.wants(event, of: $0, isSubscribed: isSubscribed) }) == true
            else { return }
            var listing = tree.listing(of: MailboxName(name))
            if let oldName { listing.extended.append(.oldName(MailboxName(oldName))) }
            names[name] = listing
        }
        let renamed = reply.mailboxes.compactMap { mailbox in
            before.mailboxes[mailbox.mailboxID].flatMap { $0.name == mailbox.name ? nil : ($0.name, mailbox.name) }
        }
        for mailbox in reply.mailboxes {
            guard let old = before.mailboxes[mailbox.mailboxID] else {
                tell(mailbox.name, .mailboxName, isSubscribed: mailbox.subscribed)
                if let parent = mailbox.name.parent { tell(parent, .mailboxName, isSubscribed: false) }
                continue
            }
            let (from, to) = (old.name, mailbox.name)
            if from != to {
                // Children go with their parent, without a word (RFC 5465, 5.4).
                let goesWithParent = renamed.contains { parent in
                    from.hasPrefix(parent.0 + "/") && to == parent.1 + from.dropFirst(parent.0.count)
                }
                if !goesWithParent {
                    tell(to, .mailboxName, isSubscribed: mailbox.subscribed, oldName: from)
                }
            } else if old.selectable != mailbox.selectable {
                tell(to, .mailboxName, isSubscribed: mailbox.subscribed)
            } else if old.subscribed != mailbox.subscribed {
                tell(to, .subscriptionChange, isSubscribed: mailbox.subscribed || old.subscribed)
            }
        }
        let present = Set(reply.mailboxes.map(\.mailboxID))
        for gone in before.mailboxes.values where !present.contains(gone.mailboxID) {
            tell(gone.name, .mailboxName, isSubscribed: gone.subscribed)
            if let parent = gone.name.parent { tell(parent, .mailboxName, isSubscribed: false) }
        }
        for name in before.subscribedWithoutMailbox.symmetricDifference(reply.subscribedWithoutMailbox) {
            tell(name, .subscriptionChange, isSubscribed: true)
        }

        var notices: [Notice] = names.filter { !ownNames.contains($0.key) }.sorted { $0.key < $1.key }
            .map { .list($0.value) }
        for mailbox in reply.mailboxes {
            if let notice = update(mailbox, circumstances) { notices.append(notice) }
        }
        ownNames.subtract(names.keys)
        mailboxes = mailboxes.filter { present.contains($0.key) }
        subscribedWithoutMailbox = Set(reply.subscribedWithoutMailbox)
        return notices
    }
}

extension NotifiedMailboxes.Circumstances {
    fileprivate func wants(_ event: NotifyEvent, _ mailbox: Mailbox) -> Bool {
        rules.wants(event, of: mailbox.name, isSubscribed: mailbox.subscribed)
    }
}

extension String {
    /// The name above this one in the hierarchy.
    fileprivate var parent: String? { lastIndex(of: "/").map { String(self[..<$0]) } }
}
