/// A set of code points, made of a table's text: hexadecimal numbers and ranges in ascending order.
struct CodePointSet: Sendable {
    private let ranges: [ClosedRange<UInt32>]

    init(_ text: String) {
        ranges = TableText.entries(text).compactMap(TableText.range)
    }

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < scalar.value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(scalar.value)
    }
}

/// How the tables are written.
enum TableText {
    static func entries(_ text: String) -> [Substring] {
        text.split { $0 == " " || $0 == "\n" }
    }

    static func number(_ text: some StringProtocol) -> UInt32? {
        UInt32(text, radix: 16)
    }

    /// `41` or `41-5A`.
    static func range(_ text: some StringProtocol) -> ClosedRange<UInt32>? {
        let bounds = text.split(separator: "-").compactMap { number($0) }
        guard let first = bounds.first, let last = bounds.last, first <= last else { return nil }
        return first...last
    }
}
