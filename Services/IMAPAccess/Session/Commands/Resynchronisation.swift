import Contracts
import IMAPSyntax

/// Modification sequences, and what a client missed while it was away (RFC 7162).
extension Session {
    /// To be called for each command that shows that the client understands modification sequences. The first one with a
    /// mailbox selected tells its highest (RFC 7162, 3.1).
    func beginModificationSequences() {
        guard machine.modificationSequencesWanted(), let selected else { return }
        reportHighestModificationSequence(selected.view)
    }

    /// What SELECT says, too (RFC 7162, 3.1.2.1).
    func reportHighestModificationSequence(_ view: MailboxView) {
        printer.untagged(
            StatusResponse(
                .ok, .highestModificationSequence(view.toldModificationSequence), "Everything up to here is told"))
    }

    /// While expunges may not be told, the client must not take the flags that it was told since for all that happened: if
    /// it lost its connection now, it would never ask for them (RFC 7162, 3.2 and 6).
    func reportExpungesHeldBack() {
        guard machine.tellsVanished, let selected, selected.view.owesExpunges,
            selected.heldBackAt != selected.view.told.mailbox.highestModseq
        else { return }
        self.selected?.heldBackAt = selected.view.told.mailbox.highestModseq
        reportHighestModificationSequence(selected.view)
    }

    /// The parameter QRESYNC: what changed after the state that the client knows (RFC 7162, 3.2.5).
    func resynchronise(_ known: KnownMailboxState) async throws {
        guard let view = selected?.view, known.uidValidity == view.told.mailbox.uidValidity else { return }
        let uids = known.uids.map { $0.resolved(largestUID: 0) }
        try await reportVanished(
            among: uids, since: known.modificationSequence, after: known.matches?.lastAgreement(with: view.told.uids))
        let positions = uids.map { $0.positions(in: view.told.uids) } ?? [0..<view.count]
        for position in positions.joined() where view.told.modseqs[position] > known.modificationSequence {
            reportFlags(at: position)
            try await breathe()
        }
    }

    /// The FETCH modifier VANISHED (RFC 7162, 3.2.6).
    func reportVanished(_ messages: MessageSet, since modificationSequence: UInt64) async throws {
        guard let selected else { return }
        let uids =
            switch messages {
            case .savedResult: selected.savedResult
            case .set(let set): set.resolved(largestUID: selected.view.told.uids.last ?? 0)
            }
        try await reportVanished(among: uids, since: modificationSequence)
    }

    /// Those of these messages, of all when there is no set, that were expunged later than this. What the client still
    /// counts is left to a VANISHED that lowers the count.
    private func reportVanished(
        among uids: NumberSet?, since modificationSequence: UInt64, after floor: UInt32? = nil
    ) async throws {
        guard let selected, selected.view.told.mailbox.highestModseq > modificationSequence else { return }
        let view = selected.view
        var request = ViewRequest()
        request.accountID = selected.accountID
        request.mailboxID = view.mailboxID
        // 0 would ask for all messages and for none that is gone.
        request.changedSince = max(modificationSequence, 1)
        request.vanishedOnly = true
        let pairs = try await ViewLoad.read(from: services.store.view(request, callContext())).vanished
        var vanished = NumberSet(inPairs: pairs)
        if let uids { vanished = vanished.intersection(uids) }
        if let floor { vanished = vanished.subtracting(NumberSet(inPairs: [1, floor])) }
        vanished = vanished.subtracting(NumberSet(view.told.uids))
        if let set = SequenceSet(vanished) { printer.vanished(set, earlier: true) }
    }

    /// CHANGEDSINCE (RFC 7162, 3.1.4.1).
    func changed(_ positions: [Range<Int>], since modificationSequence: UInt64) -> [Range<Int>] {
        guard let modseqs = selected?.view.told.modseqs else { return [] }
        return positions.joined().lazy.filter { modseqs[$0] > modificationSequence }.ranges
    }
}

extension SequenceMatches {
    /// The last of the pairs that the mailbox still agrees with: up to it the client misses no expunge.
    func lastAgreement(with uids: [UInt32]) -> UInt32? {
        pairs.last { uids[safe: Int($0.number) - 1] == $0.uid }?.uid
    }
}
