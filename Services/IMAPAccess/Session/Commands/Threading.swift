import IMAPSyntax

/// THREAD (RFC 5256, 3).
extension Session {
    func thread(_ arguments: ThreadCommand) async throws -> CommandOutcome {
        let keys = try await replacingFilters(arguments.keys, charset: arguments.charset)
        let search = try await mailboxSearch(arguments.charset, keys)
        guard search.lowestSearched == nil else { throw Refusal.beyond(limits.commandMessages) }
        let threads = try await ThreadRun(search: search, algorithm: arguments.algorithm).threads(arguments.numbering)
        printer.untagged(.thread(threads))
        return .ok("THREAD completed", synchronising: Synchronisation(after: arguments.numbering, keys))
    }
}
