import IMAPSyntax

/// THREAD (RFC 5256, 3).
extension Session {
    func thread(_ arguments: ThreadCommand) async throws -> CommandOutcome {
        let search = try mailboxSearch(arguments.charset, arguments.keys)
        let threads = try await ThreadRun(search: search, algorithm: arguments.algorithm).threads(arguments.numbering)
        printer.untagged(.thread(threads))
        return .ok("THREAD completed", synchronising: Synchronisation(after: arguments.numbering, arguments.keys))
    }
}
