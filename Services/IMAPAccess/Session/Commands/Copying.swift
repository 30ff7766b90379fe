import Contracts
import IMAPSyntax

/// COPY, MOVE, EXPUNGE (RFC 9051, 6.4.3, 6.4.7 to 6.4.9; RFC 6851; RFC 4315).
extension Session {
    func copy(_ arguments: CopyCommand, move: Bool) async throws -> CommandOutcome {
        let (positions, lowest) = withinLimit(try await positions(of: arguments.messages, by: arguments.numbering))
        guard let selected else { throw Refusal.serverBug }
        if move, selected.view.readOnly { throw Refusal.readOnly }
        // COPY is all or nothing.
        if let lowest, !move { throw Refusal.beyond(limits.commandMessages, lowest: lowest) }
        // RFC 6851, 4.2.
        if move { try require([.deleteMessages, .expunge]) }
        let target = try await place(of: arguments.mailbox, needing: .insert, asTarget: true)
        let name = move ? "MOVE" : "COPY"
        guard !positions.isEmpty else { return .ok("\(name) completed, no messages") }
        var request = CopyRequest()
        request.accountID = selected.accountID
        request.mailboxID = selected.view.mailboxID
        request.uids = uidPairs(positions)
        request.toMailboxName = target.name.value
        request.move = move
        if target.accountID != selected.accountID { request.toAccountID = target.accountID }
        if target.isForeign || selected.isForeign { request.userID = try accountID() }
        let reply = try await services.store.copy(request, callContext(changing: true))
        try Refusal.check(reply.outcome, target: true)
        // Who may not read the target learns nothing of it (RFC 4315, 3).
        let code: ResponseCode? =
            if target.rights.contains(.read), let from = SequenceSet(inOrder: reply.sourceUids),
                let to = SequenceSet(inOrder: reply.targetUids)
            {
                .copyUID(validity: reply.toUidValidity, source: from, target: to)
            } else {
                nil
            }
        notifications?.told?.stored(reply.targetUids, in: reply.toMailboxID)
        // It is done, also when storage cannot say now what the mailbox has become: that is told when it can.
        if reply.toMailboxID == selected.view.mailboxID {
            self.selected?.ownArrivals.formUnion(reply.targetUids)
            try? await refreshSelected()
        } else if move,
            await selected.membership.mailbox.apply(expunged: reply.sourceUids, modseq: reply.sourceModseq)
                == nil
        {
            try? await refreshSelected()
        }
        guard move else { return .ok("COPY completed", code) }
        services.mailboxes.notify(except: selected.membership)
        // Before the EXPUNGE responses, so that the client knows where its messages went (RFC 6851, 4.3).
        if let code { printer.untagged(StatusResponse(.ok, code, "Moved")) }
        return telling(lowest, try await expunged("MOVE completed"))
    }

    /// The end of a command that removed messages: who resynchronises learns up to where it has been told everything
    /// (RFC 7162, 3.2.7).
    func expunged(_ text: String) async throws -> CommandOutcome {
        let isTold = try await synchronise(.full, events: selectedEvents ?? .all)
        guard machine.tellsVanished, isTold, let view = selected?.view else { return .ok(text) }
        return .ok(text, .highestModificationSequence(view.toldModificationSequence), synchronising: .none)
    }

    /// EXPUNGE, and UID EXPUNGE of those among `messages`.
    func expunge(_ messages: MessageSet?) async throws -> CommandOutcome {
        guard let selected, !selected.view.readOnly else { throw Refusal.readOnly }
        try require(.expunge)
        let name = messages == nil ? "EXPUNGE" : "UID EXPUNGE"
        var request = ExpungeRequest()
        request.accountID = selected.accountID
        request.mailboxID = selected.view.mailboxID
        if selected.isForeign { request.userID = try accountID() }
        var lowest: UInt32?
        if let messages {
            let positions = try await positions(of: messages, by: .uids)
            guard !positions.isEmpty else { return .ok("\(name) completed") }
            let marked = try await markedWithinLimit(positions)
            request.uids = marked?.pairs ?? uidPairs(positions)
            lowest = marked?.lowest
        }
        let reply = try await services.store.expunge(request, callContext(changing: true))
        try Refusal.check(reply.outcome)
        if !reply.uids.isEmpty {
            if await selected.membership.mailbox.apply(expunged: reply.uids, modseq: reply.modseq) == nil {
                try? await refreshSelected()
            }
            services.mailboxes.notify(except: selected.membership)
            return telling(lowest, try await expunged("\(name) completed"))
        }
        return telling(lowest, .ok("\(name) completed"))
    }
}
