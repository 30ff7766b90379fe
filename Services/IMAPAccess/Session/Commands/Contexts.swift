import IMAPSyntax

/// Searches whose results are kept up to date: UPDATE, ADDTO, REMOVEFROM, CANCELUPDATE (RFC 5267, 4.3; RFC 5465, 7). Of
/// CONTEXT nothing is made: every search is as quick as one that it announces.
extension Session {
    /// To be called before a search: a tag that names a context cannot name another one (RFC 5267, 4.3).
    func checkUpdate(_ returns: [SearchReturnOption]?, _ tag: String) throws {
        guard returns?.updateAttributes != nil, selected?.contexts.all.contains(where: { $0.tag == tag }) == true else {
            return
        }
        throw Refusal(.bad, nil, "The tag names a search that is kept up to date")
    }

    /// Keeps the result of a search with UPDATE up to date from here on, or says that it does not (RFC 5267, 4.3.1).
    func openContext(
        _ returns: [SearchReturnOption]?, _ numbering: Numbering, _ findings: SearchFindings, _ tag: String,
        criteria: [SortCriterion]? = nil, namesMailbox: Bool = false
    ) {
        guard let attributes = returns?.updateAttributes, let basis = findings.basis, let selected else { return }
        let others = selected.contexts.all
        let messages = others.reduce(basis.uids.count) { $0 + $1.members.count }
        // One of any size is for everybody.
        guard others.count < limits.searchContexts, others.isEmpty || messages <= limits.contextMessages else {
            return refuseUpdate(tag, "Too much is kept up to date already")
        }
        // How relevant a message is would have to be found out for each that comes in.
        guard criteria?.contains(where: { $0.key == .relevancy }) != true else {
            return refuseUpdate(tag, "Not kept sorted by relevancy")
        }
        guard criteria == nil || basis.uids.count <= limits.sortedContextMessages else {
            return refuseUpdate(tag, "Too many messages to keep sorted")
        }
        if others.isEmpty {
            self.selected?.contexts.lastJudged = selected.view.told.uids.last ?? 0
            self.selected?.contexts.changed = []
        }
        self.selected?.contexts.all.append(
            SearchContext(
                tag: tag, numbering: numbering, namesMailbox: namesMailbox, attributes: attributes, criteria: criteria,
                basis))
    }

    func refuseUpdate(_ tag: String, _ text: String) {
        printer.untagged(StatusResponse(.no, .noUpdate(tag), text))
    }

    func cancelUpdate(_ tags: [String]) throws -> CommandOutcome {
        let known = Set(selected?.contexts.all.map(\.tag) ?? [])
        selected?.contexts.all.removeAll { tags.contains($0.tag) }
        guard tags.allSatisfy(known.contains) else {
            throw Refusal(.no, nil, "Not all of these name a search that is kept up to date")
        }
        return .ok("CANCELUPDATE completed")
    }

    // MARK: What the client is told

    /// Tells of messages that leave results because they are expunged: to be called before the EXPUNGE responses, while the
    /// client's numbers are right (RFC 5267, 4.3.4).
    func tellContextsOfExpunged(_ changes: ViewChanges) {
        guard let contexts = selected?.contexts.all, !contexts.isEmpty, !changes.vanished.isEmpty else { return }
        let numbers = Dictionary(zip(changes.vanished, changes.expunged.reversed())) { first, _ in first }
        for (index, context) in contexts.enumerated() {
            var context = context
            let numbering = context.numbering
            let removed = context.remove(changes.vanished) { uid in
                numbering == .uids ? uid : UInt32(clamping: numbers[uid] ?? 0)
            }
            selected?.contexts.all[index] = context
            if !removed.isEmpty { tell(context, [.removeFrom(removed)]) }
        }
    }

    /// Notes which messages have to be judged again.
    func noteForContexts(_ changes: ViewChanges) {
        guard let selected, !selected.contexts.all.isEmpty else { return }
        for position in changes.changed {
            if let uid = selected.view.told.uids[safe: position] { self.selected?.contexts.changed.insert(uid) }
        }
    }

    /// Judges messages that are new or have other flags, and tells which results they come into or leave. When storage is
    /// away this is done later.
    func tellContexts() async throws {
        guard let selected, selected.isReviewed, !selected.contexts.all.isEmpty else { return }
        let told = selected.view.told
        var firstNew = told.lowerBound(selected.contexts.lastJudged)
        if told.uids[safe: firstNew] == selected.contexts.lastJudged { firstNew += 1 }
        var judged = MailboxColumns(mailbox: told.mailbox)
        let changed = selected.contexts.changed.compactMap(told.index(of:)).filter { $0 < firstNew }.sorted()
        for position in changed { judged.put(told[position]) }
        for position in firstNew..<told.count { judged.put(told[position]) }
        self.selected?.contexts.changed = []
        self.selected?.contexts.lastJudged = max(selected.contexts.lastJudged, told.uids.last ?? 0)
        guard judged.count > 0 else { return }
        for index in selected.contexts.all.indices {
            do {
                try await bringUpToDate(index, judged, firstNew: firstNew)
            } catch let end as SessionEnd {
                throw end
            } catch {
                logger.notice("searches not brought up to date", metadata: ["error": "\(error)"])
                self.selected?.contexts.changed.formUnion(judged.uids)
                return
            }
        }
    }

    private func bringUpToDate(_ index: Int, _ judged: MailboxColumns, firstNew: Int) async throws {
        guard let selected, var context = selected.contexts.all[safe: index] else { return }
        let told = selected.view.told
        let search = mailboxSearch(
            context.charset, context.keys, among: judged, of: selected.key, largestUID: told.uids.last)
        let matching = NumberSet(try await search.matches().map { judged.uids[$0] })
        var removed = NumberSet(judged.uids).subtracting(matching)
        var added = matching.subtracting(context.members)
        if let criteria = context.criteria, !added.isEmpty {
            try await readSortKeys(of: added, criteria, &context, search.reader, told)
            // Those that are gone have no keys; that they are expunged is told when it may be.
            removed = removed.union(context.members.subtracting(context.keyed))
            added = added.intersection(context.keyed)
        }
        let numbering = context.numbering
        func number(_ uid: UInt32) -> UInt32 {
            numbering == .uids ? uid : UInt32(clamping: (told.index(of: uid) ?? -1) + 1)
        }
        let left = context.remove(removed, number)
        let came = context.add(Array(added), number)
        self.selected?.contexts.all[index] = context
        let arrivals = added.compactMap(told.index(of:)).filter { $0 >= firstNew }
        if !context.attributes.isEmpty, !arrivals.isEmpty {
            try await fetchUnasked(arrivals.ranges, context.attributes)
        }
        var data: [ESearchDatum] = []
        if !left.isEmpty { data.append(.removeFrom(left)) }
        if !came.isEmpty { data.append(.addTo(came)) }
        if !data.isEmpty { tell(context, data) }
        try await breathe()
    }

    /// Reads what these messages, and all of the result, are sorted by, as far as it is not known.
    private func readSortKeys(
        of added: NumberSet, _ criteria: [SortCriterion], _ context: inout SearchContext, _ reader: MessageReader,
        _ told: MailboxColumns
    ) async throws {
        let unknown = context.members.union(added).subtracting(context.keyed)
        // The uid stands for the index: it decides between equals as the mailbox's order does, and never changes.
        var keys = context.sortKeys ?? SortKeys(criteria)
        var read: [UInt32] = []
        if keys.needEnvelopes {
            try await reader.messages(uids: Array(unknown), { $0.envelope = true }) { message in
                guard let index = told.index(of: message.uid) else { return }
                keys.append(Int(message.uid), told[index], EnvelopeFields(of: message))
                read.append(message.uid)
            }
        } else {
            for uid in unknown {
                guard let index = told.index(of: uid) else { continue }
                keys.append(Int(uid), told[index], EnvelopeFields())
                read.append(uid)
            }
        }
        context.sortKeys = keys
        context.keyed = context.keyed.union(NumberSet(read))
    }

    private func tell(_ context: SearchContext, _ data: [ESearchDatum]) {
        let mailbox = context.namesMailbox ? selected?.mailbox : nil
        printer.untagged(
            .eSearch(
                ESearchResponse(
                    tag: context.tag, mailbox: mailbox.map { MailboxName($0.name) },
                    uidValidity: mailbox?.uidValidity, numbering: context.numbering, data: data)))
    }
}

extension [SearchReturnOption] {
    /// What is to be fetched of new messages; nil without UPDATE.
    var updateAttributes: [FetchAttribute]? {
        for case .update(let attributes) in self { return attributes }
        return nil
    }

    /// What is asked for at once.
    var withoutContext: [SearchReturnOption] {
        filter {
            switch $0 {
            case .update, .context: false
            default: true
            }
        }
    }
}
