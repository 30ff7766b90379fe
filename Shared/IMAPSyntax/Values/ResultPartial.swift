/// A part of a result, counted from its begin or its end (RFC 9394, 4: `partial-range`): `1:500`, or `-1:-100`.
public struct ResultPartial: Hashable, Sendable {
    /// What stood before the colon; counted from 1.
    public let first: UInt32
    /// What stood behind the colon, greater or less than `first`.
    public let last: UInt32
    /// Whether 1 is the last of the result, which is written as -1.
    public let isFromEnd: Bool

    /// A part; nil when a number is 0.
    public init?(_ first: UInt32, _ last: UInt32, fromEnd: Bool = false) {
        guard first != 0, last != 0 else { return nil }
        self.first = first
        self.last = last
        self.isFromEnd = fromEnd
    }

    /// The positions, counted from 0, of a result of `count` that lie in this part; empty when none do.
    public func positions(in count: Int) -> Range<Int> {
        let nearest = Int(min(first, last))
        let farthest = min(Int(max(first, last)), count)
        guard nearest <= farthest else { return 0..<0 }
        return isFromEnd ? count - farthest..<count - nearest + 1 : nearest - 1..<farthest
    }
}

extension ByteCursor {
    /// `partial-range`
    mutating func resultPartial() throws(SyntaxError) -> ResultPartial {
        let start = position
        let isFromEnd = skip(UInt8(ascii: "-"))
        let first = try nonZeroNumber("a range of results")
        try expect(UInt8(ascii: ":"), "\":\" in a range of results")
        if isFromEnd { try expect(UInt8(ascii: "-"), "\"-\" before both numbers of a range of results") }
        guard let partial = ResultPartial(first, try nonZeroNumber("a range of results"), fromEnd: isFromEnd) else {
            throw failure("a range of results", at: start)
        }
        return partial
    }
}

extension SyntaxWriter {
    /// `partial-range`
    mutating func resultPartial(_ partial: ResultPartial) {
        if partial.isFromEnd { octet(UInt8(ascii: "-")) }
        number(partial.first)
        octet(UInt8(ascii: ":"))
        if partial.isFromEnd { octet(UInt8(ascii: "-")) }
        number(partial.last)
    }
}
