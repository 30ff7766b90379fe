/// UIDBATCHES: which unique identifiers make batches of equally many messages (RFC 10022, 3.1).
public struct UIDBatchesCommand: Hashable, Sendable {
    /// How many messages a batch has.
    public var size: UInt32
    /// Which batches, counted from 1, which has the highest unique identifiers; nil for all. The first is not greater than
    /// the last but by mistake.
    public var batches: NumberRange?

    /// The arguments of UIDBATCHES.
    public init(size: UInt32, batches: NumberRange? = nil) {
        self.size = size
        self.batches = batches
    }
}

/// Two numbers as they were written, in either order; neither is 0.
public struct NumberRange: Hashable, Sendable {
    /// What stood before the colon.
    public var first: UInt32
    /// What stood behind the colon.
    public var last: UInt32

    /// A range.
    public init(_ first: UInt32, _ last: UInt32) {
        self.first = first
        self.last = last
    }
}

extension UIDBatchesCommand {
    /// `SP nz-number [SP nz-number ":" nz-number]`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> UIDBatchesCommand {
        try cursor.space()
        let size = try cursor.nonZeroNumber("how many messages a batch has")
        guard cursor.skip(0x20) else { return UIDBatchesCommand(size: size) }
        return UIDBatchesCommand(size: size, batches: try cursor.numberRange("a range of batches"))
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.number(size)
        guard let batches else { return }
        writer.space()
        writer.numberRange(batches)
    }
}

extension ByteCursor {
    /// `nz-number ":" nz-number`, which is also `uid-range`
    mutating func numberRange(_ expected: String) throws(SyntaxError) -> NumberRange {
        let first = try nonZeroNumber(expected)
        try expect(UInt8(ascii: ":"), "\":\" in \(expected)")
        return NumberRange(first, try nonZeroNumber(expected))
    }
}

extension SyntaxWriter {
    /// `nz-number ":" nz-number`, which is also `uid-range`
    mutating func numberRange(_ range: NumberRange) {
        number(range.first)
        octet(UInt8(ascii: ":"))
        number(range.last)
    }
}
