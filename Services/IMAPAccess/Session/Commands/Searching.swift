import IMAPSyntax

/// SEARCH (RFC 9051, 6.4.4; RFC 4731; RFC 5182).
extension Session {
    func search(_ arguments: SearchCommand, tag: String) async throws -> CommandOutcome {
        guard let selected else { throw Refusal.serverBug }
        let asksForChanges = arguments.names { if case .modificationSequence = $0 { true } else { false } }
        if asksForChanges { beginModificationSequences() }
        let told = selected.view.told
        let saves = arguments.returns?.contains(.save) == true
        let matching: [Int]
        do {
            let program = try SearchProgram(
                arguments,
                SearchProgram.Mailbox(
                    count: told.count, largestUID: told.uids.last ?? 0, keywords: selected.keywords,
                    savedResult: selected.savedResult))
            let reader = MessageReader(
                store: services.store, accountID: try accountID(), mailboxID: selected.view.mailboxID,
                transaction: transaction, timeout: limits.peerTimeout)
            matching = try await SearchRun(program: program, columns: told, reader: reader).matches()
        } catch {
            // A search that fails leaves nothing saved (RFC 9051, 6.4.4.1).
            if saves, Refusal(error).status.condition == .no { self.selected?.savedResult = NumberSet() }
            throw error
        }
        let numbers = matching.map { arguments.numbering == .uids ? told.uids[$0] : UInt32(clamping: $0 + 1) }
        let newest = asksForChanges ? newest(arguments, matching, told) : nil
        answer(arguments, numbers, newest, tag)
        if saves { self.selected?.savedResult = saved(arguments, matching.map { told.uids[$0] }) }
        return .ok("SEARCH completed", synchronising: synchronisation(after: arguments))
    }

    /// By uid nothing depends on sequence numbers, unless the client searched for some (RFC 9051, 7.5.1; RFC 7162, 3.2.10.2).
    private func synchronisation(after arguments: SearchCommand) -> Synchronisation {
        arguments.names { if case .sequence(.set) = $0 { true } else { false } }
            ? .withoutExpunge : Synchronisation(after: arguments.numbering)
    }

    /// The greatest modification sequence of what is answered: with MIN and MAX alone, of these (RFC 4731, 3.2).
    private func newest(_ arguments: SearchCommand, _ matching: [Int], _ told: MailboxColumns) -> UInt64? {
        let returns = arguments.returns ?? []
        guard !returns.isEmpty, !returns.contains(.all), !returns.contains(.count) else {
            return matching.lazy.map { told.modseqs[$0] }.max()
        }
        return [returns.contains(.min) ? matching.first : nil, returns.contains(.max) ? matching.last : nil]
            .compactMap { $0.map { told.modseqs[$0] } }.max()
    }

    private func answer(_ arguments: SearchCommand, _ numbers: [UInt32], _ newest: UInt64?, _ tag: String) {
        guard let returns = arguments.returns ?? (machine.isRevision2 ? [] : nil) else {
            printer.untagged(.search(numbers, modificationSequence: newest))
            return
        }
        // Only what is to be kept is asked for: there is nothing to say (RFC 5182, 2.1).
        if returns == [.save] { return }
        var data: [ESearchDatum] = []
        if returns.contains(.min), let first = numbers.first { data.append(.min(first)) }
        if returns.contains(.max), let last = numbers.last { data.append(.max(last)) }
        if returns.isEmpty || returns.contains(.all), let all = SequenceSet(NumberSet(numbers)) {
            data.append(.all(all))
        }
        if returns.contains(.count) { data.append(.count(UInt32(clamping: numbers.count))) }
        if let newest { data.append(.modificationSequence(newest)) }
        printer.untagged(.eSearch(ESearchResponse(tag: tag, numbering: arguments.numbering, data: data)))
    }

    /// With MIN or MAX alone only these are kept (RFC 9051, 6.4.4.1).
    private func saved(_ arguments: SearchCommand, _ uids: [UInt32]) -> NumberSet {
        let returns = arguments.returns ?? []
        guard !returns.contains(.all), !returns.contains(.count), returns.contains(.min) || returns.contains(.max)
        else { return NumberSet(uids) }
        var kept = NumberSet()
        if returns.contains(.min), let first = uids.first { kept.insert(first) }
        if returns.contains(.max), let last = uids.last { kept.insert(last) }
        return kept
    }
}

extension SearchCommand {
    fileprivate func names(_ isSuch: (SearchKey) -> Bool) -> Bool { keys.contains { $0.contains(where: isSuch) } }
}
