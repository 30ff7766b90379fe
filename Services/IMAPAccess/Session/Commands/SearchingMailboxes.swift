import Contracts
import IMAPSyntax

/// ESEARCH of several mailboxes (RFC 7377): one after the other, each in the state that storage has when its turn comes;
/// the selected one in the state that the client knows.
extension Session {
    func searchMailboxes(_ arguments: ESearchCommand, tag: String) async throws -> CommandOutcome {
        let sources = arguments.sources ?? [.selected]
        guard selected != nil || !sources.contains(.selected) else {
            throw Refusal(.bad, nil, "Select a mailbox first")
        }
        let returns = arguments.returns ?? []
        let isOfSelected = sources.allSatisfy { $0 == .selected }
        guard isOfSelected || !returns.contains(.save) else {
            throw Refusal(.bad, nil, "SAVE is for the selected mailbox alone")
        }
        guard selected != nil || returns.updateAttributes == nil else {
            throw Refusal(.bad, nil, "UPDATE is for the selected mailbox")
        }
        try checkCharset(arguments.charset)
        try checkUpdate(returns, tag)
        if isOfSelected {
            let keys = try await searchSelected(arguments, returns, tag)
            return .ok("ESEARCH completed", synchronising: Synchronisation(after: .uids, keys))
        }
        var arguments = arguments
        arguments.keys = try await replacingFilters(arguments.keys, charset: arguments.charset)
        try Self.checkRelevancy(returns, arguments.keys)
        let selectedID = selected?.view.mailboxID
        var all = try await mailboxes().mailboxes
        // Who may read a mailbox may search it when it is selected, though it may not be listed for him.
        if let selected, selected.isForeign, !all.contains(where: { $0.mailboxID == selectedID }) {
            all.append(selected.mailbox)
        }
        let searched = sources.mailboxes(among: all, selectedID: selectedID)
        guard searched.count <= limits.searchedMailboxes else {
            throw Refusal(.no, .limit, "No more than \(limits.searchedMailboxes) mailboxes at once")
        }
        // The criteria are judged even when there is nothing to search.
        let nothing = MailboxColumns(mailbox: Mailbox())
        let nowhere = MailboxKey(accountID: try accountID(), mailboxID: 0)
        _ = try await mailboxSearch(arguments.charset, arguments.keys, among: nothing, of: nowhere).matches()
        for mailbox in searched {
            if mailbox.mailboxID == selectedID {
                _ = try await searchSelected(arguments, returns, tag)
            } else if mailbox.messageCount > 0 {
                try await search(mailbox, arguments, returns, tag)
            }
            try await breathe()
        }
        if returns.updateAttributes != nil, !searched.contains(where: { $0.mailboxID == selectedID }) {
            refuseUpdate(tag, "The selected mailbox is not among these")
        }
        return .ok("ESEARCH completed", synchronising: Synchronisation(after: .uids, arguments.keys))
    }

    /// Returns what was searched for, filters replaced.
    private func searchSelected(
        _ arguments: ESearchCommand, _ returns: [SearchReturnOption], _ tag: String
    ) async throws -> [SearchKey] {
        guard let mailbox = selected?.mailbox else { throw Refusal.serverBug }
        let findings = try await find(
            arguments.charset, arguments.keys, .uids, returns, toleratesMissingNumbers: true
        ) { try await $0.hits() }
        answer(returns, .uids, findings, tag, of: mailbox)
        openContext(returns, .uids, findings, tag, namesMailbox: true)
        return findings.keys
    }

    private func search(
        _ mailbox: Mailbox, _ arguments: ESearchCommand, _ returns: [SearchReturnOption], _ tag: String
    ) async throws {
        let membership: MailboxMembership
        let snapshot: MailboxSnapshot
        let place: MailboxPlace
        do {
            // Asked anew: the mailboxes before this one may have taken long.
            guard let found = try await placeToRead(mailbox) else { return }
            place = found
            (membership, snapshot) = try await services.mailboxes.open(
                place.name, accountID: place.accountID, context: callContext(), changed: {})
        } catch let refusal as MailboxRefusal where refusal.outcome == .noSuchMailbox {
            // Deleted meanwhile.
            return
        }
        defer { services.mailboxes.leave(membership) }
        // Another one may have got the name meanwhile; it has not been listed, nor asked for.
        guard membership.mailbox.mailboxID == mailbox.mailboxID else { return }
        let search = mailboxSearch(
            arguments.charset, arguments.keys, among: snapshot.columns,
            of: MailboxKey(accountID: place.accountID, mailboxID: mailbox.mailboxID))
        let findings = SearchFindings(search, try await search.hits(), .uids, returns)
        var described = snapshot.columns.mailbox
        described.name = place.isForeign ? mailbox.name : described.name
        answer(returns, .uids, findings, tag, of: described)
    }

    /// Where a mailbox is that LIST has given; nil when the user may not read it any more.
    private func placeToRead(_ listed: Mailbox) async throws -> MailboxPlace? {
        guard listed.hasOwner else {
            return MailboxPlace(
                accountID: try accountID(), name: MailboxName(listed.name), rights: .all, mailbox: nil)
        }
        guard let now = try await readable(listed.mailboxID, of: listed.owner.accountID) else { return nil }
        return MailboxPlace(
            accountID: listed.owner.accountID, name: MailboxName(now.name), rights: now.permissions, mailbox: now)
    }
}
