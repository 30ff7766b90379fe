/// A set of message sequence numbers or unique identifiers: sorted ranges that neither overlap nor touch, so that a
/// million consecutive numbers take eight octets.
public struct NumberSet: Hashable, Sendable {
    /// Ascending; between two ranges at least one number is missing.
    public private(set) var ranges: [ClosedRange<UInt32>]

    /// The empty set.
    public init() { ranges = [] }

    /// One range.
    public init(_ range: ClosedRange<UInt32>) { ranges = [range] }

    /// Numbers in any order. Fast when they ascend.
    public init(_ numbers: some Sequence<UInt32>) {
        ranges = []
        var unsorted: [ClosedRange<UInt32>] = []
        for number in numbers {
            guard let last = ranges.last else {
                ranges.append(number...number)
                continue
            }
            if number > last.upperBound {
                appendAscending(number...number)
            } else if !last.contains(number) {
                unsorted.append(number...number)
            }
        }
        if !unsorted.isEmpty { self = NumberSet(normalizing: ranges + unsorted) }
    }

    /// Ranges in any order, overlapping or not.
    public init(normalizing unsorted: [ClosedRange<UInt32>]) {
        ranges = []
        ranges.reserveCapacity(unsorted.count)
        let ascending = zip(unsorted, unsorted.dropFirst()).allSatisfy { $0.lowerBound <= $1.lowerBound }
        for range in ascending ? unsorted : unsorted.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            appendAscending(range)
        }
    }

    /// Appends a range whose lower bound is not below the last one's.
    private mutating func appendAscending(_ range: ClosedRange<UInt32>) {
        guard let last = ranges.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 else {
            ranges.append(range)
            return
        }
        if range.upperBound > last.upperBound {
            ranges[ranges.count - 1] = last.lowerBound...range.upperBound
        }
    }

    /// Whether there is no number in it.
    public var isEmpty: Bool { ranges.isEmpty }

    /// How many numbers it holds.
    public var count: Int { ranges.reduce(0) { $0 + Int($1.upperBound - $1.lowerBound) + 1 } }

    /// The lowest number.
    public var min: UInt32? { ranges.first?.lowerBound }

    /// The highest number.
    public var max: UInt32? { ranges.last?.upperBound }

    /// The first range whose upper bound is not below `number`.
    private func indexOfRange(reaching number: UInt32) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = low + (high - low) / 2
            if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether the number is in the set.
    public func contains(_ number: UInt32) -> Bool {
        let index = indexOfRange(reaching: number)
        return index < ranges.count && ranges[index].lowerBound <= number
    }

    /// Adds a number; at the end, which is the common case, without search.
    public mutating func insert(_ number: UInt32) { insert(number...number) }

    /// Adds a range.
    public mutating func insert(_ range: ClosedRange<UInt32>) {
        guard let last = ranges.last, range.lowerBound < last.lowerBound else {
            appendAscending(range)
            return
        }
        // Everything from the first range that touches the new one to the last that does becomes one.
        let start = indexOfRange(reaching: range.lowerBound == 0 ? 0 : range.lowerBound - 1)
        var end = start
        var merged = range
        while end < ranges.count, range.upperBound == .max || ranges[end].lowerBound <= range.upperBound + 1 {
            merged =
                Swift.min(
                    merged.lowerBound, ranges[end].lowerBound)...Swift.max(
                    merged.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: CollectionOfOne(merged))
    }

    /// Takes a number out; whether it was there.
    @discardableResult
    public mutating func remove(_ number: UInt32) -> Bool {
        let index = indexOfRange(reaching: number)
        guard index < ranges.count, ranges[index].contains(number) else { return false }
        let range = ranges[index]
        switch (number == range.lowerBound, number == range.upperBound) {
        case (true, true): ranges.remove(at: index)
        case (true, false): ranges[index] = number + 1...range.upperBound
        case (false, true): ranges[index] = range.lowerBound...number - 1
        case (false, false):
            ranges[index] = range.lowerBound...number - 1
            ranges.insert(number + 1...range.upperBound, at: index + 1)
        }
        return true
    }

    /// Numbers that are in either.
    public func union(_ other: NumberSet) -> NumberSet {
        if other.isEmpty { return self }
        if isEmpty { return other }
        var result = NumberSet()
        result.ranges.reserveCapacity(ranges.count + other.ranges.count)
        var left = ranges[...]
        var right = other.ranges[...]
        while true {
            switch (left.first, right.first) {
            case (let mine?, let theirs?) where mine.lowerBound <= theirs.lowerBound:
                result.appendAscending(mine)
                left.removeFirst()
            case (_, let theirs?):
                result.appendAscending(theirs)
                right.removeFirst()
            case (let mine?, nil):
                result.appendAscending(mine)
                left.removeFirst()
            case (nil, nil):
                return result
            }
        }
    }

    /// Numbers that are in both.
    public func intersection(_ other: NumberSet) -> NumberSet {
        var result = NumberSet()
        var left = ranges[...]
        var right = other.ranges[...]
        while let mine = left.first, let theirs = right.first {
            let low = Swift.max(mine.lowerBound, theirs.lowerBound)
            let high = Swift.min(mine.upperBound, theirs.upperBound)
            if low <= high { result.ranges.append(low...high) }
            if mine.upperBound < theirs.upperBound { left.removeFirst() } else { right.removeFirst() }
        }
        return result
    }

    /// Numbers that are in this one only.
    public func subtracting(_ other: NumberSet) -> NumberSet {
        var result = NumberSet()
        var index = 0
        for range in ranges {
            var low = range.lowerBound
            var exhausted = false
            while index < other.ranges.count, other.ranges[index].upperBound < low { index += 1 }
            var next = index
            while next < other.ranges.count, other.ranges[next].lowerBound <= range.upperBound {
                let hole = other.ranges[next]
                if hole.lowerBound > low { result.ranges.append(low...hole.lowerBound - 1) }
                guard hole.upperBound < range.upperBound else {
                    exhausted = true
                    break
                }
                low = hole.upperBound + 1
                next += 1
            }
            if !exhausted { result.ranges.append(low...range.upperBound) }
            index = next
        }
        return result
    }

    /// The positions of these numbers in an ascending collection of unique identifiers, as ascending ranges of indices
    /// counted from 0: one binary search a range, however many messages there are.
    public func positions<UIDs: RandomAccessCollection<UInt32>>(in uids: UIDs) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = 0
        let count = uids.count
        func element(_ offset: Int) -> UInt32 { uids[uids.index(uids.startIndex, offsetBy: offset)] }
        func firstOffset(from start: Int, where reached: (UInt32) -> Bool) -> Int {
            var low = start
            var high = count
            while low < high {
                let middle = low + (high - low) / 2
                if reached(element(middle)) { high = middle } else { low = middle + 1 }
            }
            return low
        }
        for range in ranges where start < count {
            let first = firstOffset(from: start) { $0 >= range.lowerBound }
            let end = firstOffset(from: first) { $0 > range.upperBound }
            if first < end {
                if let last = result.last, last.upperBound == first {
                    result[result.count - 1] = last.lowerBound..<end
                } else {
                    result.append(first..<end)
                }
            }
            start = end
        }
        return result
    }
}

extension NumberSet: Sequence {
    /// The numbers, ascending.
    public struct Iterator: IteratorProtocol {
        private var rest: ArraySlice<ClosedRange<UInt32>>
        private var current: UInt32 = 0
        private var inside = false

        init(_ ranges: [ClosedRange<UInt32>]) { rest = ranges[...] }

        /// The next number.
        public mutating func next() -> UInt32? {
            guard let range = rest.first else { return nil }
            current = inside ? current + 1 : range.lowerBound
            inside = current < range.upperBound
            if !inside { rest.removeFirst() }
            return current
        }
    }

    /// Goes through the numbers, ascending.
    public func makeIterator() -> Iterator { Iterator(ranges) }

    /// How many there are, so that an array of them is allocated once.
    public var underestimatedCount: Int { count }
}

extension NumberSet: ExpressibleByArrayLiteral {
    /// Numbers in any order.
    public init(arrayLiteral elements: UInt32...) { self.init(elements) }
}

extension NumberSet: CustomStringConvertible {
    /// As IMAP writes it: `2,4:7`; nothing when it is empty.
    public var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound):\($0.upperBound)" }.joined(separator: ",")
    }
}
