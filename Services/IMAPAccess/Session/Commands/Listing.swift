import Contracts
import IMAPSyntax

/// LIST with its extensions, and LSUB (RFC 9051, 6.3.9; RFC 5258; RFC 5819; RFC 6154; RFC 9590; RFC 3501, 6.3.9).
extension Session {
    func list(_ arguments: ListCommand) async throws -> CommandOutcome {
        if arguments.asksForDelimiter {
            let root = arguments.reference.value.split(separator: "/", maxSplits: 1).first.map { "\($0)/" } ?? ""
            printer.list(
                MailboxListing(
                    attributes: [.noSelect], mailbox: MailboxName(arguments.reference.value.isEmpty ? "" : root)))
            return .ok("LIST completed")
        }
        let wantsDeletedOctets = arguments.statusItems?.contains(.deletedStorage) == true
        let names = try await mailboxes(deletedOctets: wantsDeletedOctets)
        let tree = MailboxTree(names)
        let entries = arguments.metadataEntries
        let annotations =
            if let entries { try await metadata(entries, of: names.mailboxes) } else { [Int64: [Annotation]]() }
        let wantsRights = arguments.returns(.myRights)
        for entry in tree.list(arguments) {
            printer.list(entry.listing)
            if let items = arguments.statusItems, let mailbox = entry.mailbox { report(mailbox, items) }
            if let entries, let mailboxID = entry.mailboxID {
                let name = entry.listing.mailbox
                try await reportMetadata(of: name, entries.values(in: annotations[mailboxID] ?? []))
            }
            // RFC 8440.
            if wantsRights, let rights = entry.rights { printer.myRights(on: entry.listing.mailbox, Rights(rights)) }
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

    /// All mailboxes of the account, and those of others that the user may see.
    func mailboxes(deletedOctets: Bool = false, others: Bool = true) async throws -> ListMailboxesReply {
        var request = ListMailboxesRequest()
        request.accountID = try accountID()
        request.deletedOctets = deletedOctets
        request.others = others
        return try await services.store.listMailboxes(request, callContext()).underOneRoof()
    }
}
