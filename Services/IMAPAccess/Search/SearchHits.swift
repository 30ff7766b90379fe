import IMAPSyntax

/// What a search finds.
struct SearchHits: Sendable {
    /// Of the messages in the mailbox, in the order of the result.
    var indices: [Int]
    /// How relevant a message is, from 1 to 100, by its index; empty unless something was searched with tolerance
    /// (RFC 6203, 4).
    var relevancy: [Int: UInt32] = [:]
}

extension SearchKey {
    /// Whether FUZZY is this key, or one within it.
    var namesFuzzy: Bool { contains { if case .fuzzy = $0 { true } else { false } } }
}

extension [SearchKey] {
    /// Whether FUZZY is among them, however deep.
    var nameFuzzy: Bool { contains(where: \.namesFuzzy) }
}
