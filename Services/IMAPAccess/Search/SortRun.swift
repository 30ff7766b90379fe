import IMAPSyntax

/// One SORT over one state of a mailbox: a search, then the keys of what it found, read once. ENVELOPE is what the RFCs
/// name the keys by (RFC 5256, 3; RFC 5957, 4), and storage keeps it ready; the arrival and the size are in the view.
struct SortRun: Sendable {
    let search: MailboxSearch
    let criteria: [SortCriterion]

    /// The indices of the messages that match, in order. A message that is gone when its keys are read is left out.
    @concurrent
    func sorted() async throws -> SearchHits {
        var hits = try await search.hits()
        let keys = SortKeys(criteria)
        hits.indices =
            keys.needEnvelopes && !criteria.contains { $0.key == .relevancy }
            ? try await orderedAsKept(hits.indices, by: keys.criteria)
            : try await ordered(hits, keys)
        return hits
    }

    private func ordered(_ hits: SearchHits, _ empty: SortKeys) async throws -> [Int] {
        var keys = empty
        let columns = search.columns
        if keys.needEnvelopes {
            try await search.readEnvelopes(hits.indices.map { columns.uids[$0] }) { index, envelope in
                keys.append(index, columns[index], envelope, relevancy: hits.relevancy[index] ?? 0)
            }
        } else {
            for index in hits.indices {
                keys.append(index, columns[index], EnvelopeFields(), relevancy: hits.relevancy[index] ?? 0)
            }
        }
        return keys.sorted()
    }

    /// The order depends on nothing but the messages, so that it can be kept. Each key is in `criteria` once: what is kept
    /// must not be called by a list as long as the client likes.
    private func orderedAsKept(_ matches: [Int], by criteria: [SortCriterion]) async throws -> [Int] {
        let columns = search.columns
        let order = SearchMemory.Order(mailboxID: columns.mailbox.mailboxID, criteria: criteria)
        let found = matches.map { columns.uids[$0] }
        let (kept, _) = try await search.memory.sorted.upToDate(
            order, from: SortedMessages(criteria), present: columns.uids, found: found
        ) { uids, kept in
            var isInOrder = true
            try await search.readEnvelopes(uids) { index, envelope in
                if !kept.append(columns[index], envelope) { isInOrder = false }
            }
            kept.sort()
            return isInOrder
        }
        let positions = kept.rows.positions(in: found)
        return kept.order.compactMap { positions[$0] < 0 ? nil : matches[Int(positions[$0])] }
    }
}

extension MailboxSearch {
    /// Gives the envelopes of messages by their indices, as far as they are still there.
    fileprivate func readEnvelopes(_ uids: [UInt32], _ take: (Int, EnvelopeFields) -> Void) async throws {
        try await reader.messages(uids: uids, { $0.envelope = true }) { message in
            guard let index = columns.index(of: message.uid) else { return }
            take(index, EnvelopeFields(of: message))
        }
        try Task.checkCancellation()
    }
}

/// Messages of a mailbox with their sort keys, in order.
struct SortedMessages: KeptMessages {
    private(set) var rows = KeptRows()
    /// The rows in order.
    private(set) var order: [Int] = []
    private var keys: SortKeys

    init(_ criteria: [SortCriterion]) { keys = SortKeys(criteria) }

    var octets: Int { 128 + 12 * rows.count + keys.octets }

    /// False when a later message is there already.
    mutating func append(_ row: MessageRow, _ envelope: EnvelopeFields) -> Bool {
        guard rows.append(row.uid) else { return false }
        keys.append(rows.count - 1, row, envelope)
        return true
    }

    /// Puts what was appended into its place.
    mutating func sort() { order = keys.order(from: order) }
}
