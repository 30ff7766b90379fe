import Contracts
import IMAPSyntax

/// All names of an account as LIST and LSUB see them: mailboxes, names that only hold children, and subscribed names
/// without a mailbox (RFC 9051, 6.3.9; RFC 5258).
struct MailboxTree: Sendable {
    private struct Node: Sendable {
        var name: MailboxName
        var mailbox: Mailbox?
        var isSubscribed: Bool
        var hasChildren = false
        /// A name below is subscribed.
        var hasSubscribedChildren = false
        /// A mailbox below has a special use.
        var hasSpecialUseChildren = false

        var exists: Bool { mailbox != nil }
        var isSelectable: Bool { mailbox?.selectable == true }
        var specialUse: MailboxAttribute? {
            guard let use = mailbox?.specialUse, !use.isEmpty else { return nil }
            return MailboxAttribute(use)
        }
    }

    /// A line of LIST, with the mailbox if STATUS can tell something of it.
    struct Entry: Sendable {
        var listing: MailboxListing
        var mailbox: Mailbox?
        /// What annotations go by, where the user may see them: also that of a name which only holds children.
        var mailboxID: Int64?
        /// What the user may do with it (RFC 8440).
        var rights: MailboxRights?
    }

    /// In the order of their names.
    private var nodes: [Node]

    init(_ reply: ListMailboxesReply) {
        var byName: [String: Node] = [:]
        for mailbox in reply.mailboxes {
            byName[mailbox.name] = Node(
                name: MailboxName(mailbox.name), mailbox: mailbox, isSubscribed: mailbox.subscribed)
        }
        for name in reply.subscribedWithoutMailbox where byName[name] == nil {
            byName[name] = Node(name: MailboxName(name), mailbox: nil, isSubscribed: true)
        }
        for node in Array(byName.values) {
            var name = node.name.value[...]
            while let delimiter = name.lastIndex(of: "/") {
                name = name[..<delimiter]
                let parent = String(name)
                var above =
                    byName[parent] ?? Node(name: MailboxName(parent), mailbox: nil, isSubscribed: false)
                above.hasChildren = above.hasChildren || node.exists
                above.hasSubscribedChildren = above.hasSubscribedChildren || node.isSubscribed
                above.hasSpecialUseChildren = above.hasSpecialUseChildren || node.specialUse != nil
                byName[parent] = above
            }
        }
        nodes = byName.values.sorted { left, right in
            if left.name.isInbox != right.name.isInbox { return left.name.isInbox }
            return left.name.value < right.name.value
        }
    }

    /// The answer to LIST.
    func list(_ command: ListCommand) -> [Entry] {
        let patterns = command.patterns.map { $0.prefixed(by: command.reference.value) }
        // A remote selection adds what is elsewhere: this server has nothing elsewhere (RFC 5258, 3.1).
        return nodes.compactMap { node in
            guard patterns.contains(where: { $0.matches(node.name) }) else { return nil }
            return entry(node, command)
        }
    }

    private func entry(_ node: Node, _ command: ListCommand) -> Entry? {
        let wantsSubscribed = command.selects(.subscribed)
        let wantsSpecialUse = command.selects(.specialUse)
        let isSelected = (!wantsSubscribed || node.isSubscribed) && (!wantsSpecialUse || node.specialUse != nil)
        var childInfo: [ListSelectionOption] = []
        if command.selects(.recursiveMatch) {
            if wantsSubscribed, node.hasSubscribedChildren { childInfo.append(.subscribed) }
            if wantsSpecialUse, node.hasSpecialUseChildren { childInfo.append(.specialUse) }
        }
        if wantsSubscribed || wantsSpecialUse {
            guard isSelected || !childInfo.isEmpty else { return nil }
        } else {
            // Without a selection, a name that is only subscribed is not listed.
            guard node.exists || node.hasChildren else { return nil }
        }
        let attributes = attributes(node, tellsSubscription: wantsSubscribed || command.returns(.subscribed))
        return Entry(
            listing: MailboxListing(
                attributes: attributes, mailbox: node.name,
                extended: childInfo.isEmpty ? [] : [.childInfo(childInfo)]),
            mailbox: node.isSelectable && isSelected ? node.mailbox : nil,
            mailboxID: isSelected && node.mailbox?.showsAnnotations == true ? node.mailbox?.mailboxID : nil,
            rights: isSelected ? node.mailbox?.permissions : nil)
    }

    private func attributes(_ node: Node, tellsSubscription: Bool) -> [MailboxAttribute] {
        var attributes: [MailboxAttribute] = []
        if !node.exists {
            // That the roots of namespaces are there is no secret; a name above one that the user sees may be there or not
            // (RFC 4314, 4).
            attributes.append(node.hasChildren && NamespacedName.isRoot(node.name) ? .noSelect : .nonExistent)
        } else if !node.isSelectable {
            attributes.append(.noSelect)
        }
        if node.exists || node.hasChildren {
            attributes.append(node.hasChildren ? .hasChildren : .hasNoChildren)
        }
        if node.isSubscribed, tellsSubscription { attributes.append(.subscribed) }
        // Special uses are told unasked too, as RFC 6154, 2 allows: many clients never ask.
        if let use = node.specialUse { attributes.append(use) }
        return attributes
    }

    /// What is to be said of one name, whether or not there is a mailbox of it (RFC 5465, 5.4 and 5.5).
    func listing(of name: MailboxName) -> MailboxListing {
        guard let node = nodes.first(where: { $0.name == name }) else {
            return MailboxListing(attributes: [.nonExistent], mailbox: name)
        }
        return MailboxListing(attributes: attributes(node, tellsSubscription: true), mailbox: name)
    }

    /// The answer to LSUB: with `%`, a name whose subscribed children the pattern does not reach is listed with
    /// \Noselect in their stead (RFC 3501, 6.3.9).
    func listSubscribed(_ pattern: MailboxPattern) -> [MailboxListing] {
        nodes.compactMap { node in
            guard pattern.matches(node.name) else { return nil }
            if node.isSubscribed {
                return MailboxListing(attributes: node.isSelectable ? [] : [.noSelect], mailbox: node.name)
            }
            guard node.hasSubscribedChildren, pattern.value.hasSuffix("%") else { return nil }
            return MailboxListing(attributes: [.noSelect], mailbox: node.name)
        }
    }
}
