import IMAPSyntax

/// FETCH PREVIEW (RFC 8970): the previews of a batch of messages are made before its answers are written.
extension Session {
    private static var previewBatch: Int { 64 }

    func answerWithPreviews(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall,
        fromLast: Bool
    ) async throws {
        defer { previews = [:] }
        var budget = plan.previewsAreLazy ? limits.lazyPreviews : Int.max
        var iterator = positions.joined().makeIterator()
        while true {
            var batch: [Int] = []
            while batch.count < Self.previewBatch, let position = iterator.next() { batch.append(position) }
            if batch.isEmpty { return }
            let gone = try await makePreviews(of: batch, plan, &budget)
            if !gone.isEmpty {
                shortfall.someAreGone = true
                batch.removeAll(where: gone.contains)
            }
            let ranges = fromLast ? batch.map { $0..<$0 + 1 } : batch.ranges
            try await writeAnswers(plan, ranges, newlySeen, &shortfall, fromLast: fromLast)
        }
    }

    /// Puts the previews of these messages where they are written from, and returns which of them are gone. With LAZY only
    /// those that are known, and some that are quickly made (RFC 8970, 4.1).
    private func makePreviews(of batch: [Int], _ plan: FetchPlan, _ budget: inout Int) async throws -> Set<Int> {
        guard let selected else { return [] }
        let view = selected.view
        var found: [UInt32: String] = [:]
        var unknown: [Int] = []
        for position in batch {
            let uid = view.told.uids[position]
            if let preview = services.previews.preview(view.mailboxID, uid) {
                found[uid] = preview
            } else if budget > 0, !plan.previewsAreLazy || Int(view.told.sizes[position]) <= limits.lazyPreviewOctets {
                unknown.append(position)
                budget -= 1
            }
        }
        var gone: Set<Int> = []
        if !unknown.isEmpty {
            let reader = PreviewReader(reader: messageReader(of: selected.key))
            let made = try await reader.previews(of: unknown.map { view.told.uids[$0] }.sorted())
            services.previews.keep(made, of: view.mailboxID)
            found.merge(made) { known, _ in known }
            gone = Set(unknown.filter { made[view.told.uids[$0]] == nil })
        }
        previews = found
        return gone
    }
}

extension FetchPlan {
    /// Whether PREVIEW is among the attributes.
    var wantsPreviews: Bool { has(.preview(lazy: false)) || has(.preview(lazy: true)) }

    /// Whether NIL is a preview.
    var previewsAreLazy: Bool { !has(.preview(lazy: false)) }
}
