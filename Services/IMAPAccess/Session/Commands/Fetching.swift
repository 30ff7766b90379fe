import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import NIOCore

/// FETCH (RFC 9051, 6.4.5; RFC 3501, 6.4.5; RFC 3516). Flags, dates and sizes come from the view; ENVELOPE, BODY and
/// BODYSTRUCTURE are copied as storage keeps them. Small messages come many at once, so that the next are on their way while
/// these are written out.
extension Session {
    func fetch(_ arguments: FetchCommand) async throws -> CommandOutcome {
        let plan = FetchPlan(arguments, byUIDOnly: machine.isUIDOnly)
        if arguments.wantsVanished, !machine.tellsVanished {
            throw Refusal(.bad, nil, "ENABLE QRESYNC goes before VANISHED")
        }
        var positions = try await positions(of: arguments.messages, by: arguments.numbering)
        if let part = arguments.part {
            positions = positions.within(part)
            guard withinLimit(positions).lowest == nil else { throw Refusal.beyond(limits.commandMessages) }
        }
        if plan.has(.modificationSequence) { beginModificationSequences() }
        if let since = arguments.changedSince {
            if arguments.wantsVanished { try await reportVanished(arguments.messages, since: since) }
            positions = changed(positions, since: since)
        }
        let lowest: UInt32?
        (positions, lowest) = withinLimit(positions)
        let synchronisation = Synchronisation(after: arguments.numbering)
        guard let selected, !positions.isEmpty else { return .ok("FETCH completed", synchronising: synchronisation) }
        let newlySeen =
            plan.setsSeen && !selected.view.readOnly && selected.rights.contains(.keepSeen)
            ? try await markSeen(positions, plan) : []
        var shortfall = FetchShortfall()
        try await answer(plan, positions, newlySeen, &shortfall, fromLast: lowest != nil)
        if shortfall.someCannotBeDecoded {
            return telling(
                lowest,
                .answer(StatusResponse(.no, .unknownCTE, "A transfer encoding is not known"), synchronisation))
        }
        if shortfall.someAreGone, arguments.numbering == .sequenceNumbers {
            // RFC 9738, 3.1 wants it in OK.
            let condition: StatusCondition = lowest == nil ? .no : .ok
            return telling(
                lowest,
                .answer(
                    StatusResponse(condition, .expungeIssued, "Some of the messages are no longer there"),
                    synchronisation))
        }
        return telling(lowest, .ok("FETCH completed", synchronising: synchronisation))
    }

    /// Sets `\Seen` on those that lack it, and returns their uids: their answers tell it.
    private func markSeen(_ positions: [Range<Int>], _ plan: FetchPlan) async throws -> Set<UInt32> {
        guard let told = selected?.view.told else { return [] }
        let seen = UInt64(SystemFlags.seen.rawValue)
        let unseen = positions.joined().filter { told.flags[$0] & seen == 0 }
        guard !unseen.isEmpty else { return [] }
        let uids = NumberSet(unseen.map { told.uids[$0] })
        let reply = try await changeFlags(uids.pairs, .add, [Flag.seen.name])
        let changes = try await takeOver(reply)
        report(changes)
        let marked = Set(reply.uids)
        let fetched = Set(unseen)
        for position in changes.changed where !fetched.contains(position) {
            reportFlags(at: position)
        }
        return marked
    }

    /// Messages that came after this uid, but not from this session, as NOTIFY wants to hear of them: nothing becomes
    /// `\Seen` by that (RFC 5465, 5.2).
    func tellNew(after uid: UInt32, except own: Set<UInt32>, _ attributes: [FetchAttribute]) async throws {
        guard let told = selected?.view.told, let last = told.uids.last, last > uid else { return }
        let positions = (told.lowerBound(uid + 1)..<told.count).filter { !own.contains(told.uids[$0]) }.ranges
        try await fetchUnasked(positions, attributes)
    }

    /// FETCH responses that no command asks for.
    func fetchUnasked(_ positions: [Range<Int>], _ attributes: [FetchAttribute]) async throws {
        let plan = FetchPlan(
            FetchCommand(numbering: .sequenceNumbers, messages: .savedResult, attributes: attributes))
        var shortfall = FetchShortfall()
        try await answer(plan, positions, [], &shortfall)
    }

    private func answer(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall,
        fromLast: Bool = false
    ) async throws {
        isAnsweringFetch = true
        fetchHasBegun = false
        defer { isAnsweringFetch = false }
        let positions = fromLast ? positions.descending : positions
        if plan.wantsPreviews {
            try await answerWithPreviews(plan, positions, newlySeen, &shortfall, fromLast: fromLast)
        } else {
            try await writeAnswers(plan, positions, newlySeen, &shortfall, fromLast: fromLast)
        }
    }

    func writeAnswers(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall,
        fromLast: Bool
    ) async throws {
        switch (plan.needsStorage, fromLast) {
        case (false, _): try await fetchFromView(plan, positions)
        case (true, false): try await fetchFromStorage(plan, positions, newlySeen, &shortfall)
        case (true, true): try await fetchFromLast(plan, positions, newlySeen, &shortfall)
        }
    }

    // MARK: From the view

    private func fetchFromView(_ plan: FetchPlan, _ positions: [Range<Int>]) async throws {
        guard let told = selected?.view.told else { return }
        for position in positions.joined() {
            let row = told[position]
            beginFetch(at: position, uid: row.uid)
            for item in plan.items { printFromView(item.attribute, row) }
            printer.endFetch()
            try await breathe()
        }
    }

    private func printFromView(_ attribute: FetchAttribute, _ row: MessageRow) {
        switch attribute {
        case .uid: printer.fetchUID(row.uid)
        case .flags: printFlags(row)
        case .internalDate: printer.fetchInternalDate(microsecondsSince1970: row.date)
        case .rfc822Size: printer.fetchSize(UInt64(row.size))
        case .modificationSequence: printer.fetchModificationSequence(row.modseq)
        // Threads are not kept, so that none is told (RFC 8474, 5.2).
        case .threadID: printer.fetchThreadID(nil)
        case .preview: printer.fetchPreview(previews[row.uid])
        case .envelope, .rfc822, .rfc822Header, .rfc822Text, .body, .bodyStructure, .section, .binary, .binarySize,
            .emailID, .saveDate:
            break
        }
    }

    private func printFlags(_ row: MessageRow) {
        let keywordBits = StoredFlags.keywordBits(row.flags)
        printer.fetchFlags(
            StoredFlags.system(row.flags), keywordBits: keywordBits,
            keywords: keywordBits == 0 ? [] : selected?.keywords ?? [])
    }

    // MARK: From storage

    private func fetchFromStorage(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall
    ) async throws {
        guard let selected else { return }
        let told = selected.view.told
        let reader = messageReader(of: selected.key)
        var expected = targets(positions, newlySeen)
        var next = expected.next()
        // A client may take its time to read.
        try await reader.messages(
            uids: positions.joined().map { told.uids[$0] }, patience: .seconds(24 * 3600), plan.choose
        ) { message in
            // Uids ascend on both sides; what is left out is gone.
            while let target = next, target.row.uid < message.uid {
                shortfall.someAreGone = true
                next = expected.next()
            }
            guard let target = next, target.row.uid == message.uid else { return }
            // It is next until it has been answered: it may come again when storage goes away in between.
            try await answer(target, message, plan, reader, &shortfall)
            next = expected.next()
        }
        if next != nil { shortfall.someAreGone = true }
    }

    /// FETCH in this descending order of messages. Storage gives them ascending, so it is asked for some after some.
    private func fetchFromLast(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall
    ) async throws {
        guard let selected else { return }
        var rest = targets(positions, newlySeen)
        while true {
            var piece: [FetchTarget] = []
            while piece.count < 16, let target = rest.next() { piece.append(target) }
            if piece.isEmpty { return }
            let reader = messageReader(of: selected.key)
            var found: [UInt32: FetchedMessage] = [:]
            try await reader.messages(uids: piece.map(\.row.uid).reversed(), plan.choose) { found[$0.uid] = $0 }
            for target in piece {
                if let message = found[target.row.uid] {
                    // It knows whether something is answered by now.
                    let reader = messageReader(of: selected.key)
                    try await reader.persevering(message) {
                        try await answer(target, $0, plan, reader, &shortfall)
                    }
                } else {
                    shortfall.someAreGone = true
                }
            }
        }
    }

    private func answer(
        _ target: FetchTarget, _ message: FetchedMessage, _ plan: FetchPlan, _ reader: MessageReader,
        _ shortfall: inout FetchShortfall
    ) async throws {
        if plan.octets == .none {
            write(target, message, plan)
        } else {
            try await writeOctets(target, message, plan, reader, &shortfall)
        }
        try await breathe()
    }

    /// Reads messages of a mailbox that the user may read: that has been asked before, since neither storage nor what is
    /// kept here asks it again.
    func messageReader(of mailbox: MailboxKey) -> MessageReader {
        MessageReader(
            store: services.store, cache: services.messages, accountID: mailbox.accountID,
            mailboxID: mailbox.mailboxID, transaction: transaction, timeout: limits.peerTimeout,
            hasBegun: isAnsweringFetch && fetchHasBegun)
    }

    /// A message that storage keeps all answers of.
    private func write(_ target: FetchTarget, _ message: FetchedMessage, _ plan: FetchPlan) {
        beginFetch(at: target.position, uid: target.row.uid)
        for item in plan.items { print(item.attribute, target.row, message) }
        endFetch(target, plan)
    }

    func print(_ attribute: FetchAttribute, _ row: MessageRow, _ message: FetchedMessage) {
        switch attribute {
        case .envelope: printer.fetchEnvelope(message.envelope ?? ByteBuffer())
        case .body: printer.fetchBody(message.body ?? ByteBuffer())
        case .bodyStructure: printer.fetchBodyStructure(message.bodyStructure ?? ByteBuffer())
        case .saveDate: printer.fetchSaveDate(microsecondsSince1970: message.savedAt)
        case .emailID: printer.fetchEmailID(ObjectID(.email, UInt64(bitPattern: message.contentID)))
        case .uid, .flags, .internalDate, .rfc822Size, .rfc822, .rfc822Header, .rfc822Text, .section, .binary,
            .binarySize, .modificationSequence, .threadID, .preview:
            printFromView(attribute, row)
        }
    }

    func endFetch(_ target: FetchTarget, _ plan: FetchPlan) {
        fetchHasBegun = true
        if target.seenIsNew {
            if !plan.has(.flags) { printFlags(target.row) }
            // RFC 7162, 3.2.4.
            if machine.tellsModificationSequences {
                if !machine.isUIDOnly, !plan.has(.uid) { printer.fetchUID(target.row.uid) }
                if !plan.has(.modificationSequence) {
                    printer.fetchModificationSequence(target.row.modseq)
                }
            }
        }
        printer.endFetch()
    }

    private func targets(_ positions: [Range<Int>], _ newlySeen: Set<UInt32>) -> some IteratorProtocol<FetchTarget> {
        let told = selected?.view.told
        return positions.joined().lazy.compactMap { position -> FetchTarget? in
            guard let row = told?[position] else { return nil }
            return FetchTarget(position: position, row: row, seenIsNew: newlySeen.contains(row.uid))
        }.makeIterator()
    }
}
