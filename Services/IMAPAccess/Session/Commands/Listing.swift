import Contracts
import IMAPSyntax

/// LIST with its extensions, and LSUB (RFC 9051, 6.3.9; RFC 5258; RFC 5819; RFC 6154; RFC 3501, 6.3.9).
extension Session {
    func list(_ arguments: ListCommand) async throws -> CommandOutcome {
        if arguments.asksForDelimiter {
            let root = arguments.reference.value.split(separator: "/", maxSplits: 1).first.map { "\($0)/" } ?? ""
            printer.list(
                MailboxListing(
                    attributes: [.noSelect], mailbox: MailboxName(arguments.reference.value.isEmpty ? "" : root)))
            return .ok("LIST completed")
        }
        let tree = MailboxTree(try await mailboxes())
        for entry in tree.list(arguments) {
            printer.list(entry.listing)
            if let items = arguments.statusItems, let mailbox = entry.mailbox { report(mailbox, items) }
            try await breathe()
        }
        return .ok("LIST completed")
    }

    func listSubscribed(_ reference: MailboxName, _ pattern: MailboxPattern) async throws -> CommandOutcome {
        let tree = MailboxTree(try await mailboxes())
        for listing in tree.listSubscribed(pattern.prefixed(by: reference.value)) {
            printer.list(listing, as: "LSUB")
            try await breathe()
        }
        return .ok("LSUB completed")
    }

    /// All mailboxes of the account.
    func mailboxes() async throws -> ListMailboxesReply {
        var request = ListMailboxesRequest()
        request.accountID = try accountID()
        return try await services.store.listMailboxes(request, callContext())
    }
}
