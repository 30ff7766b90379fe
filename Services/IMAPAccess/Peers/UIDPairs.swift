import IMAPSyntax

/// Sets of unique identifiers as contracts carry them: pairs of first and last, one after the other.
extension NumberSet {
    /// The set that these pairs stand for; a pair in the wrong order, and a first without its last, count for nothing.
    init(inPairs pairs: [UInt32]) {
        self.init(
            normalizing: stride(from: 0, to: pairs.count - 1, by: 2).compactMap { index in
                pairs[index] <= pairs[index + 1] ? pairs[index]...pairs[index + 1] : nil
            })
    }

    var pairs: [UInt32] { ranges.flatMap { [$0.lowerBound, $0.upperBound] } }
}
