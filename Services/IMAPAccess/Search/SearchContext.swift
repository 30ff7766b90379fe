import IMAPSyntax

/// A search of the selected mailbox whose result the client is kept informed of (RFC 5267, 4.3).
struct SearchContext: Sendable {
    /// What a search has to keep for it.
    struct Basis: Sendable {
        var charset: String?
        /// Without message sequence numbers, which mean the messages that they meant when the command came.
        var keys: [SearchKey]
        /// The result, in its order.
        var uids: [UInt32]
    }

    let tag: String
    let numbering: Numbering
    /// Whether responses name the mailbox, as those to ESEARCH do (RFC 7377, 2.1).
    let namesMailbox: Bool
    /// What is fetched of new messages that come in (RFC 5465, 7).
    let attributes: [FetchAttribute]
    let charset: String?
    let keys: [SearchKey]
    /// Nil when the result is in the order of the mailbox.
    let criteria: [SortCriterion]?

    /// The result as the client has been told of it.
    private(set) var members: NumberSet
    /// Its order, when that is not the mailbox's.
    private(set) var order: [UInt32]
    /// What messages are sorted by, of those in `keyed`; read when the first message comes in.
    var sortKeys: SortKeys?
    var keyed = NumberSet()

    init(
        tag: String, numbering: Numbering, namesMailbox: Bool, attributes: [FetchAttribute], criteria: [SortCriterion]?,
        _ basis: Basis
    ) {
        self.tag = tag
        self.numbering = numbering
        self.namesMailbox = namesMailbox
        self.attributes = attributes
        self.criteria = criteria
        charset = basis.charset
        keys = basis.keys
        members = NumberSet(basis.uids)
        order = criteria == nil ? [] : basis.uids
    }

    /// Takes messages out of the result; returns what the client is to be told. `number` says what it calls a message.
    mutating func remove(_ uids: NumberSet, _ number: (UInt32) -> UInt32) -> [ContextChange] {
        let gone = members.intersection(uids)
        guard !gone.isEmpty else { return [] }
        members = members.subtracting(gone)
        guard criteria != nil else {
            return [Run(position: 0, numbers: gone.map(number))].changes
        }
        // What stands before a run and is removed, is removed by the time that the run is.
        var runs: [Run] = []
        var kept: [UInt32] = []
        var isInRun = false
        for uid in order {
            if gone.contains(uid) {
                if !isInRun { runs.append(Run(position: kept.count + 1)) }
                runs[runs.count - 1].numbers.append(number(uid))
                isInRun = true
            } else {
                kept.append(uid)
                isInRun = false
            }
        }
        order = kept
        return runs.changes
    }

    /// Puts messages into the result, ascending; in a sorted one their keys, and those of all others, are there.
    mutating func add(_ uids: [UInt32], _ number: (UInt32) -> UInt32) -> [ContextChange] {
        let added = NumberSet(uids).subtracting(members)
        guard !added.isEmpty else { return [] }
        members = members.union(added)
        guard let sortKeys else { return [Run(position: 0, numbers: added.map(number))].changes }
        order = sortKeys.sorted().compactMap { UInt32(exactly: $0) }.filter(members.contains)
        var runs: [Run] = []
        var isInRun = false
        for (index, uid) in order.enumerated() {
            if added.contains(uid) {
                if !isInRun { runs.append(Run(position: index + 1)) }
                runs[runs.count - 1].numbers.append(number(uid))
                isInRun = true
            } else {
                isInRun = false
            }
        }
        // The keys of those that have left are kept, for they often come back, but not for ever.
        if keyed.count > 2 * members.count + 1000 {
            self.sortKeys = nil
            keyed = NumberSet()
        }
        return runs.changes
    }
}

/// Messages that stand together in a result.
private struct Run {
    var position: Int
    var numbers: [UInt32] = []
}

extension [Run] {
    fileprivate var changes: [ContextChange] {
        compactMap { run in
            SequenceSet(inOrder: run.numbers).map {
                ContextChange(position: UInt32(clamping: run.position), numbers: $0)
            }
        }
    }
}

/// The searches of one selected mailbox that are kept up to date; they end with its selection.
struct SearchContexts: Sendable {
    var all: [SearchContext] = []
    /// Messages that came later have not been judged yet.
    var lastJudged: UInt32 = 0
    /// Messages whose flags have changed since they were judged.
    var changed: Set<UInt32> = []
}

extension SearchKey {
    /// The same with message sequence numbers, and what was saved, as the messages that they mean now (RFC 5267, 4.3).
    func pinned(to columns: MailboxColumns, savedResult: NumberSet) -> SearchKey {
        switch self {
        case .sequence(.savedResult), .uid(.savedResult): return .uids(savedResult)
        case .sequence(.set(let set)):
            let numbers = set.resolved(largestUID: UInt32(clamping: columns.count))
            let uids = numbers.ranges.flatMap { range in
                columns.uids[min(Int(range.lowerBound) - 1, columns.count)..<min(Int(range.upperBound), columns.count)]
            }
            return .uids(NumberSet(uids))
        case .not(let key): return .not(key.pinned(to: columns, savedResult: savedResult))
        case .fuzzy(let key): return .fuzzy(key.pinned(to: columns, savedResult: savedResult))
        case .or(let first, let second):
            return .or(
                first.pinned(to: columns, savedResult: savedResult),
                second.pinned(to: columns, savedResult: savedResult))
        case .and(let keys): return .and(keys.map { $0.pinned(to: columns, savedResult: savedResult) })
        default: return self
        }
    }

    private static func uids(_ uids: NumberSet) -> SearchKey {
        SequenceSet(uids).map { .uid(.set($0)) } ?? .not(.all)
    }
}
