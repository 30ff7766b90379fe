import IMAPSyntax

/// SORT (RFC 5256, 3; RFC 5957; RFC 5267, 3).
extension Session {
    func sort(_ arguments: SortCommand, tag: String) async throws -> CommandOutcome {
        let findings = try await find(arguments.charset, arguments.keys, arguments.numbering, arguments.returns) {
            try await SortRun(search: $0, criteria: arguments.criteria).sorted()
        }
        if let returns = arguments.returns {
            answer(returns, arguments.numbering, findings, tag)
        } else {
            printer.untagged(.sort(findings.numbers, modificationSequence: findings.newest))
        }
        return .ok("SORT completed", synchronising: Synchronisation(after: arguments.numbering, arguments.keys))
    }
}
