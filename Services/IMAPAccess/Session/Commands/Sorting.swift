import IMAPSyntax

/// SORT (RFC 5256, 3; RFC 5957; RFC 5267, 3).
extension Session {
    func sort(_ arguments: SortCommand, tag: String) async throws -> CommandOutcome {
        let limit = limits.commandMessages
        try checkUpdate(arguments.returns, tag)
        let findings = try await find(arguments.charset, arguments.keys, arguments.numbering, arguments.returns) {
            // The first of all are not the first of the last (RFC 9738, 3.3).
            guard $0.lowestSearched == nil else { throw Refusal.beyond(limit) }
            try Self.checkRelevancy(arguments.returns, $0.keys, arguments.criteria)
            return try await SortRun(search: $0, criteria: arguments.criteria).sorted()
        }
        if let returns = arguments.returns {
            answer(returns, arguments.numbering, findings, tag)
        } else {
            printer.untagged(.sort(findings.numbers, modificationSequence: findings.newest))
        }
        openContext(arguments.returns, arguments.numbering, findings, tag, criteria: arguments.criteria)
        return .ok("SORT completed", synchronising: Synchronisation(after: arguments.numbering, findings.keys))
    }
}
