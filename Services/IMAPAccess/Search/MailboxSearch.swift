import IMAPSyntax

/// A search of one state of a mailbox, as a command asks for it.
struct MailboxSearch: Sendable {
    /// In upper case, as commands have it.
    let charset: String?
    let keys: [SearchKey]
    let mailbox: SearchProgram.Mailbox
    let columns: MailboxColumns
    let reader: MessageReader
    var memory: SearchMemory
    /// Set when only the highest messages are searched, from this uid on (RFC 9738, 3.1).
    var lowestSearched: UInt32?

    /// What matches, ascending, and with FUZZY how relevant it is.
    @concurrent
    func hits() async throws -> SearchHits {
        if keys.nameFuzzy { return try await FuzzyRun(search: self).hits() }
        return SearchHits(indices: try await exactMatches())
    }

    /// The indices of the messages that match, ascending.
    func matches() async throws -> [Int] { try await hits().indices }

    /// The program is made here and not on the session's event loop: its strings may be long, and a charset that nobody has
    /// used yet is read from files.
    @concurrent
    private func exactMatches() async throws -> [Int] {
        let program = try SearchProgram(charset: charset, keys: keys, mailbox)
        return try await SearchRun(program: program, columns: columns, reader: reader, memory: memory).matches()
    }

    /// The numbers by which a client calls messages.
    func numbers(of indices: [Int], as numbering: Numbering) -> [UInt32] {
        indices.map { numbering == .uids ? columns.uids[$0] : UInt32(clamping: $0 + 1) }
    }
}
