extension Command {
    /// Whether it names messages by sequence number, which nobody may who has enabled UIDONLY (RFC 9586, 3.2, 3.5, 3.7
    /// and 3.8). `$` among search keys is a sequence set by the grammar, whatever it holds; `UID $` is none.
    public var namesSequenceNumbers: Bool {
        switch self {
        case .fetch(let arguments): arguments.numbering == .sequenceNumbers
        case .store(let arguments): arguments.numbering == .sequenceNumbers
        case .copy(let arguments), .move(let arguments): arguments.numbering == .sequenceNumbers
        case .search(let arguments):
            arguments.numbering == .sequenceNumbers || arguments.keys.nameSequenceNumbers
        case .sort(let arguments): arguments.numbering == .sequenceNumbers || arguments.keys.nameSequenceNumbers
        case .thread(let arguments): arguments.numbering == .sequenceNumbers || arguments.keys.nameSequenceNumbers
        case .eSearch(let arguments): arguments.keys.nameSequenceNumbers
        case .select(let arguments), .examine(let arguments): arguments.known?.matches != nil
        // No others name messages, or they do it by unique identifier.
        default: false
        }
    }
}

extension [SearchKey] {
    /// Whether a sequence set is among them, however deep.
    fileprivate var nameSequenceNumbers: Bool {
        contains { $0.contains { if case .sequence = $0 { true } else { false } } }
    }
}
