import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import NIOCore

/// FETCH (RFC 9051, 6.4.5; RFC 3501, 6.4.5; RFC 3516). Flags, dates and sizes come from the view; ENVELOPE, BODY and
/// BODYSTRUCTURE are copied as storage keeps them.
extension Session {
    func fetch(_ arguments: FetchCommand) async throws -> CommandOutcome {
        let plan = FetchPlan(arguments)
        if arguments.wantsVanished, !machine.tellsVanished {
            throw Refusal(.bad, nil, "ENABLE QRESYNC goes before VANISHED")
        }
        var positions = try positions(of: arguments.messages, by: arguments.numbering)
        if let part = arguments.part { positions = positions.within(part) }
        if plan.attributes.contains(.modificationSequence) { beginModificationSequences() }
        if let since = arguments.changedSince {
            if arguments.wantsVanished { try await reportVanished(arguments.messages, since: since) }
            positions = changed(positions, since: since)
        }
        let synchronisation = Synchronisation(after: arguments.numbering)
        guard let selected, !positions.isEmpty else { return .ok("FETCH completed", synchronising: synchronisation) }
        let newlySeen =
            plan.setsSeen && !selected.view.readOnly ? try await markSeen(positions, plan) : []
        var shortfall = FetchShortfall()
        try await answer(plan, positions, newlySeen, &shortfall)
        if shortfall.someCannotBeDecoded {
            return .answer(StatusResponse(.no, .unknownCTE, "A transfer encoding is not known"), synchronisation)
        }
        if shortfall.someAreGone, arguments.numbering == .sequenceNumbers {
            return .answer(
                StatusResponse(.no, .expungeIssued, "Some of the messages are no longer there"), synchronisation)
        }
        return .ok("FETCH completed", synchronising: synchronisation)
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

    /// Messages that came after this uid, as NOTIFY wants to hear of them: nothing becomes `\Seen` by that (RFC 5465, 5.2).
    func tellNew(after uid: UInt32, _ attributes: [FetchAttribute]) async throws {
        guard let selected, let last = selected.view.told.uids.last, last > uid else { return }
        let told = selected.view.told
        self.selected?.ownArrivals = []
        let positions = (told.lowerBound(uid + 1)..<told.count).filter { !selected.ownArrivals.contains(told.uids[$0]) }
            .ranges
        let plan = FetchPlan(
            FetchCommand(numbering: .sequenceNumbers, messages: .savedResult, attributes: attributes))
        var shortfall = FetchShortfall()
        try await answer(plan, positions, [], &shortfall)
    }

    private func answer(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall
    ) async throws {
        isAnsweringFetch = true
        defer { isAnsweringFetch = false }
        switch (plan.octets, plan.needsItems) {
        case (.none, false): try await fetchFromView(plan, positions)
        case (.none, true), (.headers, _): try await fetchItems(plan, positions, newlySeen, &shortfall)
        case (.ranges, _): try await fetchRanges(plan, positions, newlySeen, &shortfall)
        }
    }

    // MARK: From the view

    private func fetchFromView(_ plan: FetchPlan, _ positions: [Range<Int>]) async throws {
        for position in positions.joined() {
            guard let row = selected?.view.told[position] else { return }
            printer.beginFetch(UInt32(clamping: position + 1))
            for attribute in plan.attributes { printFromView(attribute, row) }
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
        case .envelope, .rfc822, .rfc822Header, .rfc822Text, .body, .bodyStructure, .section, .binary, .binarySize,
            .emailID, .saveDate:
            break
        }
    }

    private func printFlags(_ row: MessageRow) {
        printer.fetchFlags(
            StoredFlags.system(row.flags), keywordBits: StoredFlags.keywordBits(row.flags),
            keywords: selected?.keywords ?? [])
    }

    // MARK: From what storage keeps ready

    private func fetchItems(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall
    ) async throws {
        guard let mailboxID = selected?.view.mailboxID else { return }
        let request = plan.request(accountID: try accountID(), mailboxID: mailboxID, uids: uidPairs(positions))
        var expected = targets(positions, newlySeen)
        var next = expected.next()
        let context = CallContext(transaction: transaction, timeout: .seconds(24 * 3600))
        for try await (item, payload) in try await services.store.fetch(request, context) {
            // Uids ascend on both sides; what is left out is gone.
            while let target = next, target.row.uid < item.uid {
                shortfall.someAreGone = true
                next = expected.next()
            }
            guard let target = next, target.row.uid == item.uid else { continue }
            next = expected.next()
            printer.beginFetch(UInt32(clamping: target.position + 1))
            for attribute in plan.attributes {
                if let source = SectionSource(attribute) {
                    printHeader(attribute, source, payload.first ?? ByteBuffer())
                } else {
                    print(attribute, target.row, item)
                }
            }
            endFetch(target, plan)
            try await breathe()
        }
        if next != nil { shortfall.someAreGone = true }
    }

    func print(_ attribute: FetchAttribute, _ row: MessageRow, _ item: FetchItem) {
        switch attribute {
        case .envelope: printer.fetchEnvelope(octets: item.envelope)
        case .body: printer.fetchBody(octets: item.body)
        case .bodyStructure: printer.fetchBodyStructure(octets: item.bodyStructure)
        case .saveDate: printer.fetchSaveDate(microsecondsSince1970: item.savedAt)
        case .emailID: printer.fetchEmailID(ObjectID(.email, UInt64(bitPattern: item.contentID)))
        case .uid, .flags, .internalDate, .rfc822Size, .rfc822, .rfc822Header, .rfc822Text, .section, .binary,
            .binarySize, .modificationSequence, .threadID:
            printFromView(attribute, row)
        }
    }

    func endFetch(_ target: FetchTarget, _ plan: FetchPlan) {
        if target.seenIsNew {
            if !plan.attributes.contains(.flags) { printFlags(target.row) }
            // RFC 7162, 3.2.4.
            if machine.tellsModificationSequences {
                if !plan.attributes.contains(.uid) { printer.fetchUID(target.row.uid) }
                if !plan.attributes.contains(.modificationSequence) {
                    printer.fetchModificationSequence(target.row.modseq)
                }
            }
        }
        printer.endFetch()
    }

    /// The message's own header, or chosen fields of it.
    private func printHeader(_ attribute: FetchAttribute, _ source: SectionSource, _ header: ByteBuffer) {
        guard let label = FetchOctetsLabel(attribute), case .text(let section) = source.kind else { return }
        var octets = header
        if let fields = section.text?.chosenFields {
            octets = ByteBuffer(
                bytes: HeaderBlock(Array(header.readableBytesView)).extract(
                    names: fields.names, excluding: fields.excluding))
        }
        printer.fetchOctets(label, octets.clamped(to: source.partial))
    }

    func targets(_ positions: [Range<Int>], _ newlySeen: Set<UInt32>) -> some IteratorProtocol<FetchTarget> {
        let told = selected?.view.told
        return positions.joined().lazy.compactMap { position -> FetchTarget? in
            guard let row = told?[position] else { return nil }
            return FetchTarget(position: position, row: row, seenIsNew: newlySeen.contains(row.uid))
        }.makeIterator()
    }
}
