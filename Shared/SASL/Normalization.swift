/// Normalisation form KC (UAX 15) of Unicode 3.2.
struct Normalization: Sendable {
    /// The tables are read at the first use; plain ASCII never comes here.
    static let unicode3_2 = Normalization()

    private let decompositions: [UInt32: Range<Int>]
    private let decomposed: [UInt32]
    private let combiningClasses: [UInt32: UInt8]
    private let compositions: [UInt64: UInt32]

    private init() {
        var ranges: [UInt32: Range<Int>] = [:]
        var values: [UInt32] = []
        for entry in TableText.entries(NormalizationTables.decompositions) {
            let sides = entry.split(separator: "=")
            guard let from = sides.first.flatMap({ TableText.number($0) }), let to = sides.last else { continue }
            let start = values.count
            values.append(contentsOf: to.split(separator: "+").compactMap { TableText.number($0) })
            ranges[from] = start..<values.count
        }
        decompositions = ranges
        decomposed = values

        var classes: [UInt32: UInt8] = [:]
        for entry in TableText.entries(NormalizationTables.combiningClasses) {
            let sides = entry.split(separator: ":")
            guard let number = sides.first.flatMap({ UInt8($0) }), let range = sides.last.flatMap(TableText.range)
            else { continue }
            for value in range { classes[value] = number }
        }
        combiningClasses = classes

        var pairs: [UInt64: UInt32] = [:]
        for entry in TableText.entries(NormalizationTables.compositions) {
            let numbers = entry.split { $0 == "+" || $0 == "=" }.compactMap { TableText.number($0) }
            guard numbers.count == 3 else { continue }
            pairs[Self.pair(numbers[0], numbers[1])] = numbers[2]
        }
        compositions = pairs
    }

    func formKC(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var values: [UInt32] = []
        values.reserveCapacity(scalars.count)
        for scalar in scalars { decompose(scalar.value, into: &values) }
        order(&values)
        return compose(values).compactMap(Unicode.Scalar.init)
    }

    private func decompose(_ value: UInt32, into values: inout [UInt32]) {
        if let range = decompositions[value] {
            values.append(contentsOf: decomposed[range])
        } else if Hangul.syllables.contains(value) {
            let index = value - Hangul.syllables.lowerBound
            values.append(Hangul.leading + index / (Hangul.vowelCount * Hangul.trailingCount))
            values.append(Hangul.vowel + index / Hangul.trailingCount % Hangul.vowelCount)
            let trailing = index % Hangul.trailingCount
            if trailing > 0 { values.append(Hangul.trailing + trailing) }
        } else {
            values.append(value)
        }
    }

    /// Canonical ordering: a stable sort of each run of combining marks by class.
    private func order(_ values: inout [UInt32]) {
        var start = 0
        while start < values.count {
            guard combiningClass(values[start]) != 0 else {
                start += 1
                continue
            }
            var end = start
            while end < values.count, combiningClass(values[end]) != 0 { end += 1 }
            let run = values[start..<end].enumerated().sorted {
                (combiningClass($0.element), $0.offset) < (combiningClass($1.element), $1.offset)
            }
            values.replaceSubrange(start..<end, with: run.map(\.element))
            start = end
        }
    }

    private func compose(_ values: [UInt32]) -> [UInt32] {
        var composed: [UInt32] = []
        var starter: Int?
        var lastClass: UInt8 = 0
        for value in values {
            let thisClass = combiningClass(value)
            if let starter {
                // Blocked when a mark of the same or a higher class, or another starter, stands between.
                let isAdjacent = starter == composed.count - 1
                if isAdjacent || (lastClass != 0 && lastClass < thisClass),
                    let composite = composite(composed[starter], value)
                {
                    composed[starter] = composite
                    continue
                }
            }
            if thisClass == 0 { starter = composed.count }
            lastClass = thisClass
            composed.append(value)
        }
        return composed
    }

    private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
        let leading = first &- Hangul.leading
        let vowel = second &- Hangul.vowel
        if leading < Hangul.leadingCount, vowel < Hangul.vowelCount {
            return Hangul.syllables.lowerBound + (leading * Hangul.vowelCount + vowel) * Hangul.trailingCount
        }
        let trailing = second &- Hangul.trailing
        if Hangul.syllables.contains(first), (first - Hangul.syllables.lowerBound) % Hangul.trailingCount == 0,
            trailing > 0, trailing < Hangul.trailingCount
        {
            return first + trailing
        }
        return compositions[Self.pair(first, second)]
    }

    private func combiningClass(_ value: UInt32) -> UInt8 {
        combiningClasses[value] ?? 0
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 {
        UInt64(first) << 32 | UInt64(second)
    }

    /// The arithmetic of Hangul syllables (The Unicode Standard, 3.12).
    private enum Hangul {
        static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
        static let leading: UInt32 = 0x1100
        static let vowel: UInt32 = 0x1161
        static let trailing: UInt32 = 0x11A7
        static let leadingCount: UInt32 = 19
        static let vowelCount: UInt32 = 21
        static let trailingCount: UInt32 = 28
    }
}
