import Contracts
import IMAPSyntax
import ServiceRuntime

/// SEARCH (RFC 9051, 6.4.4; RFC 4731; RFC 5182; RFC 9394, 3.1), and what other commands that search share with it.
extension Session {
    func search(_ arguments: SearchCommand, tag: String) async throws -> CommandOutcome {
        try checkCharset(arguments.charset)
        try checkUpdate(arguments.returns, tag)
        let findings = try await find(arguments.charset, arguments.keys, arguments.numbering, arguments.returns) {
            try await $0.hits()
        }
        if let returns = arguments.returns ?? (machine.isRevision2 ? [] : nil) {
            answer(returns, arguments.numbering, findings, tag)
        } else {
            printer.untagged(.search(findings.numbers, modificationSequence: findings.newest))
        }
        openContext(arguments.returns, arguments.numbering, findings, tag)
        return telling(
            findings.lowestSearched,
            .ok("SEARCH completed", synchronising: Synchronisation(after: arguments.numbering, findings.keys)))
    }

    /// What a search finds, in the order in which `run` gives it; kept where SAVE is among the options,
    /// which is for every command that searches (RFC 5182, 1).
    func find(
        _ charset: String?, _ keys: [SearchKey], _ numbering: Numbering, _ returns: [SearchReturnOption]?,
        toleratesMissingNumbers: Bool = false, _ run: (MailboxSearch) async throws -> SearchHits
    ) async throws -> SearchFindings {
        let saves = returns?.contains(.save) == true
        do {
            let keys = try await replacingFilters(keys, charset: charset)
            try Self.checkRelevancy(returns, keys)
            let search = try await mailboxSearch(charset, keys, toleratesMissingNumbers: toleratesMissingNumbers)
            let hits = try await run(search)
            if saves {
                let returned = (returns ?? []).chosen(of: hits.indices)
                selected?.savedResult = NumberSet(search.numbers(of: returned, as: .uids))
            }
            return SearchFindings(search, hits, numbering, returns ?? [])
        } catch {
            // A search that fails leaves nothing saved (RFC 9051, 6.4.4.1).
            if saves, Refusal(error).status.condition == .no { selected?.savedResult = NumberSet() }
            throw error
        }
    }

    /// How relevant messages are is only known of what was searched with tolerance (RFC 6203, 4 and 6).
    static func checkRelevancy(
        _ returns: [SearchReturnOption]?, _ keys: [SearchKey], _ criteria: [SortCriterion] = []
    ) throws {
        let isWanted = returns?.contains(.relevancy) == true || criteria.contains { $0.key == .relevancy }
        guard !isWanted || keys.nameFuzzy else { throw Refusal(.bad, nil, "RELEVANCY needs FUZZY") }
    }

    /// Everything is UTF-8 then; of SORT and THREAD, which have no choice, nothing is said (RFC 6855, 3).
    func checkCharset(_ charset: String?) throws {
        guard !machine.acceptsUTF8 || charset == nil else {
            throw Refusal(.bad, nil, "No CHARSET after ENABLE UTF8=ACCEPT")
        }
    }

    /// A search of the selected mailbox in the state that the client knows.
    func mailboxSearch(
        _ charset: String?, _ keys: [SearchKey], toleratesMissingNumbers: Bool = false
    ) async throws -> MailboxSearch {
        try await followOwnArrivals()
        guard let selected else { throw Refusal.serverBug }
        let limited = try withinLimit(keys)
        var search = mailboxSearch(
            charset, limited.keys, among: selected.view.told, of: selected.key, savedResult: selected.savedResult,
            toleratesMissingNumbers: toleratesMissingNumbers)
        search.lowestSearched = limited.lowest
        return search
    }

    /// A search of any mailbox that the user may read, in a given state.
    func mailboxSearch(
        _ charset: String?, _ keys: [SearchKey], among columns: MailboxColumns, of mailbox: MailboxKey,
        savedResult: NumberSet = NumberSet(), toleratesMissingNumbers: Bool = true, largestUID: UInt32? = nil
    ) -> MailboxSearch {
        if keys.nameModificationSequence { beginModificationSequences() }
        return MailboxSearch(
            charset: charset, keys: keys,
            mailbox: SearchProgram.Mailbox(
                count: columns.count, largestUID: largestUID ?? columns.uids.last ?? 0,
                keywords: columns.mailbox.keywords, savedResult: savedResult, now: WallClock.microseconds,
                toleratesMissingNumbers: toleratesMissingNumbers),
            columns: columns, reader: messageReader(of: mailbox), memory: services.searchMemory)
    }

    /// ESEARCH with what was asked for. The numbers are in the order of the result (RFC 5267, 3.1). For the command ESEARCH
    /// it names the mailbox, and of one in which nothing was found nothing is said (RFC 7377, 2.1).
    func answer(
        _ returns: [SearchReturnOption], _ numbering: Numbering, _ findings: SearchFindings, _ tag: String,
        of mailbox: Mailbox? = nil
    ) {
        let numbers = findings.numbers
        if mailbox != nil, numbers.isEmpty { return }
        // Only what is to be kept is asked for: there is nothing to say (RFC 5182, 2.1).
        if returns.withoutContext == [.save] { return }
        var data: [ESearchDatum] = []
        if returns.contains(.min), let first = numbers.first { data.append(.min(first)) }
        if returns.contains(.max), let last = numbers.last { data.append(.max(last)) }
        if returns.isEmpty || returns.contains(.all), let all = SequenceSet(inOrder: numbers) {
            data.append(.all(all))
        }
        if let partial = returns.partial {
            data.append(.partial(partial, SequenceSet(inOrder: numbers[partial.positions(in: numbers.count)])))
        }
        if returns.contains(.relevancy) {
            let part = returns.partial?.positions(in: numbers.count) ?? numbers.indices
            data.append(.relevancy(Array(findings.relevancy[part])))
        }
        if returns.contains(.count) { data.append(.count(UInt32(clamping: numbers.count))) }
        if let newest = findings.newest { data.append(.modificationSequence(newest)) }
        printer.untagged(
            .eSearch(
                ESearchResponse(
                    tag: tag, mailbox: mailbox.map { MailboxName($0.name) }, uidValidity: mailbox?.uidValidity,
                    numbering: numbering, data: data)))
    }
}

/// What a command that searches has to answer.
struct SearchFindings: Sendable {
    /// In the order of the result.
    var numbers: [UInt32]
    /// The greatest modification sequence of what is returned, when the client searched for them (RFC 7162, 3.1.5).
    var newest: UInt64?
    /// Set when more messages would have had to be searched than one command may (RFC 9738, 3.1).
    var lowestSearched: UInt32?
    /// What was searched for, filters replaced.
    var keys: [SearchKey]
    /// What keeps the result up to date, when the client wants it.
    var basis: SearchContext.Basis?
    /// How relevant each of them is, when that is to be told.
    var relevancy: [UInt32] = []

    /// What came of a search, by its indices in the order of the result.
    init(_ search: MailboxSearch, _ hits: SearchHits, _ numbering: Numbering, _ returns: [SearchReturnOption]) {
        let found = hits.indices
        if returns.contains(.relevancy) { relevancy = found.map { hits.relevancy[$0] ?? 0 } }
        keys = search.keys
        lowestSearched = search.lowestSearched
        numbers = search.numbers(of: found, as: numbering)
        if returns.updateAttributes != nil {
            basis = SearchContext.Basis(
                charset: search.charset,
                keys: search.keys.map { $0.pinned(to: search.columns, savedResult: search.mailbox.savedResult) },
                uids: search.numbers(of: found, as: .uids))
        }
        newest =
            search.keys.nameModificationSequence
            ? returns.chosen(of: found).map { search.columns.modseqs[$0] }.max() : nil
    }
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
