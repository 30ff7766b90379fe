import Contracts
import IMAPSyntax

/// STORE (RFC 9051, 6.4.6).
extension Session {
    func store(_ arguments: StoreCommand) async throws -> CommandOutcome {
        let positions = try positions(of: arguments.messages, by: arguments.numbering)
        guard let selected, !selected.view.readOnly else { throw Refusal.readOnly }
        let synchronisation = Synchronisation(after: arguments.numbering)
        let flags = try Self.storable(arguments.flags)
        guard !positions.isEmpty else { return .ok("STORE completed", synchronising: synchronisation) }
        let before = selected.view.told
        let operation: FlagOperation =
            switch arguments.operation {
            case .replace: .replace
            case .add: .add
            case .remove: .remove
            }
        let reply = try await changeFlags(uidPairs(positions), operation, flags)
        let changes = try await takeOver(reply)
        report(changes)

        // The result is told for every message of the command, unless the client does not want it; changes by others
        // are told in any case (RFC 9051, 6.4.6).
        let withUID = arguments.numbering == .uids || machine.isRevision2
        var others = changes.changed[...]
        if !arguments.isSilent {
            for position in positions.joined() {
                while let other = others.first, other <= position {
                    others.removeFirst()
                    if other < position { reportFlags(at: other, withUID: withUID) }
                }
                reportFlags(at: position, withUID: withUID)
                try await breathe()
            }
        }
        let acknowledged = Set(reply.uids)
        for other in others where !arguments.isSilent || !acknowledged.contains(before.uids[safe: other] ?? 0) {
            reportFlags(at: other, withUID: withUID)
            try await breathe()
        }
        return .ok("STORE completed", synchronising: synchronisation)
    }

    /// Asks storage to change flags.
    func changeFlags(
        _ uidPairs: [UInt32], _ operation: FlagOperation, _ flags: [String]
    ) async throws -> StoreFlagsReply {
        guard let selected else { throw Refusal.serverBug }
        var request = StoreFlagsRequest()
        request.accountID = try accountID()
        request.mailboxID = selected.view.mailboxID
        request.uids = uidPairs
        request.operation = operation
        request.flags = flags
        let reply = try await services.store.storeFlags(request, callContext(changing: true))
        try Refusal.check(reply.outcome)
        return reply
    }

    /// Brings what storage has just done for this session into the shared columns and into the view; sequence numbers
    /// stay. Returns what is to be told.
    func takeOver(_ reply: StoreFlagsReply) async throws -> ViewChanges {
        guard let membership = selected?.membership, !reply.uids.isEmpty else { return ViewChanges() }
        let mailbox = membership.mailbox
        let snapshot: MailboxSnapshot
        if let applied = await mailbox.apply(flags: reply) {
            snapshot = applied
        } else {
            snapshot = try await mailbox.refreshed()
        }
        services.mailboxes.notify(except: membership)
        return advance(to: snapshot, mayExpunge: false)
    }
}

extension Array {
    /// The element, or nil beyond the ends.
    subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
