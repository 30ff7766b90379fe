import IMAPSyntax

extension Sequence<Int> {
    /// Ascending numbers as the ranges that they make.
    var ranges: [Range<Int>] {
        var ranges: [Range<Int>] = []
        for number in self {
            if let last = ranges.last, last.upperBound == number {
                ranges[ranges.count - 1] = last.lowerBound..<number + 1
            } else {
                ranges.append(number..<number + 1)
            }
        }
        return ranges
    }
}

extension [Range<Int>] {
    /// What these ascending ranges have in a part of all their numbers (RFC 9394, 3.3).
    func within(_ part: ResultPartial) -> [Range<Int>] {
        let wanted = part.positions(in: reduce(0) { $0 + $1.count })
        var result: [Range<Int>] = []
        var passed = 0
        for range in self {
            let overlap = wanted.clamped(to: passed..<passed + range.count)
            if !overlap.isEmpty {
                let start = range.lowerBound + overlap.lowerBound - passed
                result.append(start..<start + overlap.count)
            }
            passed += range.count
        }
        return result
    }
}
