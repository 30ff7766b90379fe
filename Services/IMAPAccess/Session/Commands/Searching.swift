import IMAPSyntax
import ServiceRuntime

/// SEARCH (RFC 9051, 6.4.4; RFC 4731; RFC 5182; RFC 9394, 3.1), and what other commands that search share with it.
extension Session {
    func search(_ arguments: SearchCommand, tag: String) async throws -> CommandOutcome {
        let findings = try await find(arguments.charset, arguments.keys, arguments.numbering, arguments.returns) {
            try await $0.matches()
        }
        if let returns = arguments.returns ?? (machine.isRevision2 ? [] : nil) {
            answer(returns, arguments.numbering, findings, tag)
        } else {
            printer.untagged(.search(findings.numbers, modificationSequence: findings.newest))
        }
        return .ok("SEARCH completed", synchronising: Synchronisation(after: arguments.numbering, arguments.keys))
    }

    /// What a search finds, in the order in which `run` gives it; kept where SAVE is among the options,
    /// which is for every command that searches (RFC 5182, 1).
    func find(
        _ charset: String?, _ keys: [SearchKey], _ numbering: Numbering, _ returns: [SearchReturnOption]?,
        _ run: (MailboxSearch) async throws -> [Int]
    ) async throws -> SearchFindings {
        let saves = returns?.contains(.save) == true
        do {
            let search = try mailboxSearch(charset, keys)
            let found = try await run(search)
            let returned = (returns ?? []).chosen(of: found)
            if saves { selected?.savedResult = NumberSet(search.numbers(of: returned, as: .uids)) }
            return SearchFindings(
                numbers: search.numbers(of: found, as: numbering),
                newest: keys.nameModificationSequence ? returned.map { search.columns.modseqs[$0] }.max() : nil)
        } catch {
            // A search that fails leaves nothing saved (RFC 9051, 6.4.4.1).
            if saves, Refusal(error).status.condition == .no { selected?.savedResult = NumberSet() }
            throw error
        }
    }

    /// A search of the selected mailbox in the state that the client knows.
    func mailboxSearch(_ charset: String?, _ keys: [SearchKey]) throws -> MailboxSearch {
        // Everything is UTF-8 then (RFC 6855, 3).
        guard !machine.acceptsUTF8 || charset == nil else {
            throw Refusal(.bad, nil, "No CHARSET after ENABLE UTF8=ACCEPT")
        }
        if keys.nameModificationSequence { beginModificationSequences() }
        guard let selected else { throw Refusal.serverBug }
        let told = selected.view.told
        return MailboxSearch(
            charset: charset, keys: keys,
            mailbox: SearchProgram.Mailbox(
                count: told.count, largestUID: told.uids.last ?? 0, keywords: selected.keywords,
                savedResult: selected.savedResult, now: WallClock.microseconds),
            columns: told,
            reader: MessageReader(
                store: services.store, accountID: try accountID(), mailboxID: selected.view.mailboxID,
                transaction: transaction, timeout: limits.peerTimeout))
    }

    /// ESEARCH with what was asked for. The numbers are in the order of the result (RFC 5267, 3.1).
    func answer(_ returns: [SearchReturnOption], _ numbering: Numbering, _ findings: SearchFindings, _ tag: String) {
        let numbers = findings.numbers
        // Only what is to be kept is asked for: there is nothing to say (RFC 5182, 2.1).
        if returns == [.save] { return }
        var data: [ESearchDatum] = []
        if returns.contains(.min), let first = numbers.first { data.append(.min(first)) }
        if returns.contains(.max), let last = numbers.last { data.append(.max(last)) }
        if returns.isEmpty || returns.contains(.all), let all = SequenceSet(inOrder: numbers) {
            data.append(.all(all))
        }
        if let partial = returns.partial {
            data.append(.partial(partial, SequenceSet(inOrder: numbers[partial.positions(in: numbers.count)])))
        }
        if returns.contains(.count) { data.append(.count(UInt32(clamping: numbers.count))) }
        if let newest = findings.newest { data.append(.modificationSequence(newest)) }
        printer.untagged(.eSearch(ESearchResponse(tag: tag, numbering: numbering, data: data)))
    }
}

/// What a command that searches has to answer.
struct SearchFindings: Sendable {
    /// In the order of the result.
    var numbers: [UInt32]
    /// The greatest modification sequence of what is returned, when the client searched for them (RFC 7162, 3.1.5).
    var newest: UInt64?
}

extension Synchronisation {
    /// By uid nothing depends on sequence numbers, unless the client searched for some (RFC 9051, 7.5.1; RFC 7162, 3.2.10.2).
    init(after numbering: Numbering, _ keys: [SearchKey]) {
        let namesNumbers = keys.contains { $0.contains { if case .sequence(.set) = $0 { true } else { false } } }
        self = namesNumbers ? .withoutExpunge : Synchronisation(after: numbering)
    }
}

extension [SearchKey] {
    /// Whether MODSEQ is among them, however deep.
    fileprivate var nameModificationSequence: Bool {
        contains { $0.contains { if case .modificationSequence = $0 { true } else { false } } }
    }
}

extension [SearchReturnOption] {
    /// Without ALL and COUNT only what MIN, MAX and PARTIAL return is kept, and tells its modification sequence
    /// (RFC 9051, 6.4.4.1; RFC 9394, 3.2; RFC 4731, 3.2).
    fileprivate func chosen(of found: [Int]) -> [Int] {
        guard !isEmpty, !contains(.all), !contains(.count), contains(.min) || contains(.max) || partial != nil else {
            return found
        }
        var chosen = partial.map { [Int](found[$0.positions(in: found.count)]) } ?? []
        if contains(.min), let first = found.first { chosen.append(first) }
        if contains(.max), let last = found.last { chosen.append(last) }
        return chosen
    }

    /// The part of the result that is asked for.
    fileprivate var partial: ResultPartial? {
        for case .partial(let partial) in self { return partial }
        return nil
    }
}
