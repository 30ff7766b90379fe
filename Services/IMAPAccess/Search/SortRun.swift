import IMAPSyntax

/// One SORT over one state of a mailbox: a search, then the keys of what it found, read once. ENVELOPE is what the RFCs
/// name the keys by (RFC 5256, 3; RFC 5957, 4), and storage keeps it ready; the arrival and the size are in the view.
struct SortRun: Sendable {
    let search: MailboxSearch
    let criteria: [SortCriterion]

    /// The indices of the messages that match, in order. A message that is gone when its keys are read is left out.
    @concurrent
    func sorted() async throws -> [Int] {
        let matches = try await search.matches()
        var keys = SortKeys(criteria)
        let columns = search.columns
        guard keys.needEnvelopes else {
            for index in matches { keys.append(index, columns[index], EnvelopeFields()) }
            return keys.sorted()
        }
        try await search.reader.items(uids: matches.map { columns.uids[$0] }, { $0.envelope = true }) { item, _ in
            guard let index = columns.index(of: item.uid) else { return }
            keys.append(index, columns[index], EnvelopeFields(Array(item.envelope)) ?? EnvelopeFields())
        }
        try Task.checkCancellation()
        return keys.sorted()
    }
}
