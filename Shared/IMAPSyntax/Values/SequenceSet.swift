/// One end of a range in a sequence set: a number, or `*`, the largest in use (RFC 9051, 9: `seq-number`).
public struct SequenceNumber: Hashable, Sendable, ExpressibleByIntegerLiteral {
    /// The number; 0 stands for `*`, which no message can have as its number.
    public let rawValue: UInt32

    /// `*`: the largest number in use.
    public static let largest = SequenceNumber(rawValue: 0)

    private init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A number; nil for 0, which IMAP does not use.
    public init?(_ number: UInt32) {
        guard number != 0 else { return nil }
        rawValue = number
    }

    /// A number written in the program; 0 is `*`.
    public init(integerLiteral value: UInt32) { rawValue = value }

    /// The number that this stands for when `largest` is the largest in use.
    public func resolved(largest: UInt32) -> UInt32 { rawValue == 0 ? largest : rawValue }
}

/// A range as it was written: `4:2` and `2:4` mean the same messages.
public struct SequenceRange: Hashable, Sendable {
    /// What stood before the colon.
    public var first: SequenceNumber
    /// What stood after the colon; equal to `first` when there was none.
    public var last: SequenceNumber

    /// A range from one number to another, in either order.
    public init(_ first: SequenceNumber, _ last: SequenceNumber) {
        self.first = first
        self.last = last
    }

    /// A single number.
    public init(_ number: SequenceNumber) { self.init(number, number) }
}

/// A sequence set as it was written (RFC 9051, 9: `sequence-set` without `$`, and `uid-set`): message sequence numbers
/// or unique identifiers, in the order of the text. It keeps that order because COPYUID pairs two of them.
public struct SequenceSet: Hashable, Sendable {
    /// The ranges in the order in which they were written.
    public private(set) var ranges: [SequenceRange]

    /// A set of ranges; nil when there are none, since an empty set cannot be written.
    public init?(_ ranges: [SequenceRange]) {
        guard !ranges.isEmpty else { return nil }
        self.ranges = ranges
    }

    /// A set with one range.
    public init(_ range: SequenceRange) { ranges = [range] }

    /// Numbers in exactly this order, runs that ascend by one put together; nil when there are none. Zeros are left
    /// out.
    public init?(inOrder numbers: some Sequence<UInt32>) {
        ranges = []
        var run: (first: UInt32, last: UInt32)?
        for number in numbers where number != 0 {
            if let current = run {
                if current.last != .max, number == current.last + 1 {
                    run = (current.first, number)
                    continue
                }
                append(current.first, current.last)
            }
            run = (number, number)
        }
        guard let run else { return nil }
        append(run.first, run.last)
    }

    /// The same numbers as a number set; nil when that is empty.
    public init?(_ numbers: NumberSet) {
        ranges = []
        ranges.reserveCapacity(numbers.ranges.count)
        for range in numbers.ranges { append(range.lowerBound, range.upperBound) }
        guard !ranges.isEmpty else { return nil }
    }

    /// Every message: `1:*`.
    public static let all = SequenceSet(SequenceRange(1, .largest))

    private mutating func append(_ first: UInt32, _ last: UInt32) {
        guard let first = SequenceNumber(first), let last = SequenceNumber(last) else { return }
        ranges.append(SequenceRange(first, last))
    }

    /// Whether `*` stands anywhere in the set.
    public var usesLargest: Bool { ranges.contains { $0.first == .largest || $0.last == .largest } }

    /// The largest number that is written in the set; nil when there is none beside `*`.
    public var largestNumber: UInt32? {
        let largest = ranges.reduce(0) { max($0, $1.first.rawValue, $1.last.rawValue) }
        return largest == 0 ? nil : largest
    }

    /// The set of unique identifiers when `largestUID` is the last message's. As RFC 9051, 9 (`seq-range`) has it,
    /// `3291:*` includes the last message even when its identifier is less than 3291. 0 means an empty mailbox,
    /// in which `*` names nothing.
    public func resolved(largestUID: UInt32) -> NumberSet {
        var result: [ClosedRange<UInt32>] = []
        result.reserveCapacity(ranges.count)
        for range in ranges {
            let first = range.first.resolved(largest: largestUID)
            let last = range.last.resolved(largest: largestUID)
            let low = min(first, last)
            let high = max(first, last)
            guard high != 0 else { continue }
            result.append(max(low, 1)...high)
        }
        return NumberSet(normalizing: result)
    }

    /// The set of message sequence numbers in a mailbox of that many messages; nil when a number, or `*` in an empty
    /// mailbox, names a message that is not there, which is a BAD command (RFC 9051, 9: `seq-number`).
    public func resolved(messageCount: UInt32) -> NumberSet? {
        for range in ranges {
            guard messageCount != 0, range.first.rawValue <= messageCount, range.last.rawValue <= messageCount else {
                return nil
            }
        }
        return resolved(largestUID: messageCount)
    }

    /// The numbers one by one in the order of the text, for COPYUID's pairs; nil when `*` is used or there are more
    /// than `limit`.
    public func numbersInOrder(limit: Int) -> [UInt32]? {
        var result: [UInt32] = []
        for range in ranges {
            let first = range.first.rawValue
            let last = range.last.rawValue
            guard first != 0, last != 0 else { return nil }
            // A set that the peer wrote high to low counts from the low end all the same (RFC 4315, 4: `uid-range`).
            let low = min(first, last)
            let high = max(first, last)
            guard Int(high - low) < limit - result.count else { return nil }
            result.append(contentsOf: low...high)
        }
        return result
    }
}

extension SequenceSet: CustomStringConvertible {
    /// As IMAP writes it, for logs and tests: `2,4:7,12:*`.
    public var description: String {
        func text(_ number: SequenceNumber) -> String { number == .largest ? "*" : String(number.rawValue) }
        return ranges.map { $0.first == $0.last ? text($0.first) : "\(text($0.first)):\(text($0.last))" }
            .joined(separator: ",")
    }
}

/// Which messages a command means: a set, or the result of the last search that was saved, `$` (RFC 9051, 6.4.4.1).
public enum MessageSet: Hashable, Sendable {
    case set(SequenceSet)
    case savedResult
}

/// How a command names messages: FETCH by sequence number, UID FETCH by unique identifier.
public enum Numbering: Hashable, Sendable {
    case sequenceNumbers
    case uids
}
