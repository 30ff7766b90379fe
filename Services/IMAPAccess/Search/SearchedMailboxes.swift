import Contracts
import IMAPSyntax

extension [SearchSource] {
    /// The mailboxes that are to be searched, each once, in the order of `all` (RFC 7377, 2.2). Names that are not there
    /// count for nothing, as those do that one may not read. Names form a tree, so that no subtree comes back to itself.
    func mailboxes(among all: [Mailbox], selectedID: Int64?) -> [Mailbox] {
        all.filter { mailbox in
            mailbox.selectable && contains { $0.includes(mailbox, selectedID: selectedID) }
        }
    }
}

extension SearchSource {
    fileprivate func includes(_ mailbox: Mailbox, selectedID: Int64?) -> Bool {
        let name = mailbox.name
        switch self {
        case .selected: return mailbox.mailboxID == selectedID
        // Sieve may put mail anywhere (RFC 5465, 6.3), but into the user's own mailboxes only.
        case .inboxes, .personal: return !mailbox.hasOwner
        case .subscribed: return mailbox.subscribed
        case .subtree(let roots):
            return roots.contains { $0.value.isEmpty || name == $0.value || name.hasPrefix($0.value + "/") }
        case .subtreeOne(let roots):
            let parent = name.lastIndex(of: "/").map { String(name[..<$0]) } ?? ""
            return roots.contains { name == $0.value || parent == $0.value }
        case .mailboxes(let names): return names.contains { name == $0.value }
        }
    }
}
