import NIOCore

/// A failure inside the grammar, before it is known whose it is.
struct SyntaxError: Error {
    var problem: SyntaxProblem
    var position: Int
    /// The octets ended before the grammar did. Of a whole command that is an error like any other; of one that breaks
    /// off at a literal it says that what came so far is right.
    var reachedEnd: Bool
}

/// A position in the contiguous octets of one command or response. Every read is checked against the end.
/// The pointer is valid only inside `ByteCursor.parse`, which no cursor leaves.
struct ByteCursor {
    private let octets: UnsafeRawBufferPointer
    private let source: ByteBuffer
    let limits: ParsingLimits
    let encoding: SessionEncoding
    /// A response is read leniently where servers are known to stray: 8-bit octets in quoted strings, NUL in literals.
    let isResponse: Bool
    private(set) var position = 0

    /// Runs a grammar over the readable octets of a buffer.
    static func parse<Value>(
        _ source: ByteBuffer, limits: ParsingLimits, encoding: SessionEncoding, isResponse: Bool = false,
        grammar: (inout ByteCursor) throws(SyntaxError) -> Value
    ) -> Result<Value, SyntaxError> {
        source.withUnsafeReadableBytes { octets in
            var cursor = ByteCursor(
                octets: octets, source: source, limits: limits, encoding: encoding, isResponse: isResponse)
            do throws(SyntaxError) {
                return .success(try grammar(&cursor))
            } catch {
                return .failure(error)
            }
        }
    }

    private init(
        octets: UnsafeRawBufferPointer, source: ByteBuffer, limits: ParsingLimits, encoding: SessionEncoding,
        isResponse: Bool
    ) {
        self.octets = octets
        self.source = source
        self.limits = limits
        self.encoding = encoding
        self.isResponse = isResponse
    }

    // MARK: Octets

    var isAtEnd: Bool { position >= octets.count }

    /// The octet at an offset from here, nil beyond the end.
    @inline(__always)
    func peek(_ offset: Int = 0) -> UInt8? {
        let index = position + offset
        return index < octets.count ? octets[index] : nil
    }

    /// Whether the next octet is this one.
    @inline(__always)
    func isNext(_ octet: UInt8) -> Bool { peek() == octet }

    /// Goes past the next octet if it is this one.
    @inline(__always)
    mutating func skip(_ octet: UInt8) -> Bool {
        guard peek() == octet else { return false }
        position += 1
        return true
    }

    /// Goes past octets that are known to be there.
    mutating func advance(_ count: Int = 1) { position = min(position + count, octets.count) }

    /// Returns to an earlier position.
    mutating func rewind(to earlier: Int) { position = earlier }

    /// Octets from `start` to here as a slice of the source.
    func slice(_ range: Range<Int>) -> ByteBuffer {
        source.getSlice(at: source.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
    }

    /// Octets as text; what is not UTF-8 is replaced.
    func text(_ range: Range<Int>) -> String { String(decoding: octets[range], as: UTF8.self) }

    /// ASCII octets as text in upper case.
    func uppercasedText(_ range: Range<Int>) -> String {
        String(decoding: octets[range].lazy.map(uppercased), as: UTF8.self)
    }

    /// Goes past all octets of a class.
    mutating func skip(while wanted: CharacterClass) -> Range<Int> {
        let start = position
        while position < octets.count, !CharacterClass.of(octets[position]).isDisjoint(with: wanted) { position += 1 }
        return start..<position
    }

    /// Octets of a range, for looking at.
    func octet(at index: Int) -> UInt8 { index < octets.count ? octets[index] : 0 }

    // MARK: Failures

    func failure(_ expected: String, at place: Int? = nil) -> SyntaxError {
        let place = place ?? position
        return SyntaxError(
            problem: .invalid(expected: expected), position: place, reachedEnd: place >= octets.count)
    }

    func beyond(_ limit: ParsingLimit) -> SyntaxError {
        SyntaxError(problem: .beyondLimit(limit), position: position, reachedEnd: false)
    }

    // MARK: Separators and words

    mutating func expect(_ octet: UInt8, _ name: String) throws(SyntaxError) {
        guard skip(octet) else { throw failure(name) }
    }

    mutating func space() throws(SyntaxError) { try expect(0x20, "a space") }

    mutating func openParenthesis() throws(SyntaxError) { try expect(UInt8(ascii: "("), "\"(\"") }

    mutating func closeParenthesis() throws(SyntaxError) { try expect(UInt8(ascii: ")"), "\")\"") }

    /// The end of the command or response: CRLF and nothing after it.
    mutating func endOfLine() throws(SyntaxError) {
        guard isNext(0x0D), peek(1) == 0x0A else { throw failure("the end of the line (CRLF)") }
        position += 2
        guard isAtEnd else { throw failure("nothing after CRLF") }
    }

    /// Whether the line ends here.
    var isAtEndOfLine: Bool { isNext(0x0D) && peek(1) == 0x0A }

    /// A word of letters, digits, `.`, `-`, `_` and `:` in upper case; fails when there is none.
    mutating func word(_ expected: String) throws(SyntaxError) -> String {
        let range = skip(while: .label)
        guard !range.isEmpty else { throw failure(expected) }
        return uppercasedText(range)
    }

    /// Goes past a word if it is the next, whatever its case, and if no further character of a word follows.
    mutating func skip(word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= octets.count else { return false }
        return word.withUTF8Buffer { expected in
            for index in 0..<count where uppercased(octets[position + index]) != expected[index] { return false }
            if let following = peek(count), CharacterClass.of(following).contains(.label) { return false }
            position += count
            return true
        }
    }

    /// `(` members `)` separated by single spaces; at most as many as the limit of lists.
    mutating func list<Member>(
        allowsEmpty: Bool = false, _ member: (inout ByteCursor) throws(SyntaxError) -> Member
    ) throws(SyntaxError) -> [Member] {
        try openParenthesis()
        var members: [Member] = []
        if allowsEmpty, skip(UInt8(ascii: ")")) { return members }
        while true {
            guard members.count < limits.listItems else { throw beyond(.listItems) }
            members.append(try member(&self))
            if skip(UInt8(ascii: ")")) { return members }
            try space()
        }
    }

    // MARK: Numbers

    /// `number64`: 63 bits.
    mutating func number64(_ expected: String = "a number") throws(SyntaxError) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        while let octet = peek(), octet &- 0x30 < 10 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(octet &- 0x30))
            guard !overflow, !carry, sum <= UInt64(Int64.max) else { throw failure("a number of 63 bits", at: start) }
            value = sum
            position += 1
        }
        guard position > start else { throw failure(expected) }
        return value
    }

    /// `number`: 32 bits.
    mutating func number(_ expected: String = "a number") throws(SyntaxError) -> UInt32 {
        let start = position
        guard let value = UInt32(exactly: try number64(expected)) else {
            throw failure("a number of 32 bits", at: start)
        }
        return value
    }

    /// `nz-number`: 32 bits, not 0, no leading zero.
    mutating func nonZeroNumber(_ expected: String = "a number greater than 0") throws(SyntaxError) -> UInt32 {
        guard !isNext(0x30) else { throw failure(expected) }
        return try number(expected)
    }

    /// Exactly that many digits.
    mutating func digits(_ count: Int, _ expected: String) throws(SyntaxError) -> Int {
        var value = 0
        for _ in 0..<count {
            guard let octet = peek(), octet &- 0x30 < 10 else { throw failure(expected) }
            value = value * 10 + Int(octet &- 0x30)
            position += 1
        }
        return value
    }
}
