/// Turns UTF-7 (RFC 2152) into UTF-8 as it passes; what is invalid becomes U+FFFD.
///
/// What iconv makes of invalid octets depends on where a text is cut, so that one and the same message could be found or not.
struct UTF7Decoder: Sendable {
    /// Bits of BASE64 that make no whole unit of UTF-16 yet, the last ones lowest.
    private var bits: UInt32 = 0
    private var bitCount = 0
    /// Behind `+`, before what ends it.
    private var isShifted = false
    /// Nothing stands behind the `+` yet.
    private var isFirst = false
    /// The first half of a surrogate pair.
    private var high: UInt16?

    mutating func decode(_ input: [UInt8], into output: inout [UInt8]) {
        for octet in input {
            if isShifted {
                shifted(octet, into: &output)
            } else {
                direct(octet, into: &output)
            }
        }
    }

    /// The text has ended.
    mutating func finish(into output: inout [UInt8]) {
        if isShifted { unshift(into: &output) }
    }

    private mutating func direct(_ octet: UInt8, into output: inout [UInt8]) {
        if octet == UInt8(ascii: "+") {
            (isShifted, isFirst) = (true, true)
        } else if octet < 0x80 {
            output.append(octet)
        } else {
            Self.append("\u{FFFD}", to: &output)
        }
    }

    private mutating func shifted(_ octet: UInt8, into output: inout [UInt8]) {
        guard let value = Self.base64Value(octet) else {
            let isPlus = isFirst && octet == UInt8(ascii: "-")
            if isPlus { output.append(UInt8(ascii: "+")) }
            unshift(into: &output)
            if octet != UInt8(ascii: "-") { direct(octet, into: &output) }
            return
        }
        isFirst = false
        bits = bits << 6 | UInt32(value)
        bitCount += 6
        guard bitCount >= 16 else { return }
        bitCount -= 16
        take(UInt16(truncatingIfNeeded: bits >> UInt32(bitCount)), into: &output)
        bits &= (1 << UInt32(bitCount)) - 1
    }

    /// One unit of UTF-16.
    private mutating func take(_ unit: UInt16, into output: inout [UInt8]) {
        if let high {
            self.high = nil
            if 0xDC00...0xDFFF ~= unit {
                let value = 0x10000 + (UInt32(high) & 0x3FF) << 10 + UInt32(unit) & 0x3FF
                Self.append(Unicode.Scalar(value) ?? "\u{FFFD}", to: &output)
                return
            }
            Self.append("\u{FFFD}", to: &output)
        }
        if 0xD800...0xDBFF ~= unit {
            high = unit
        } else {
            Self.append(Unicode.Scalar(unit) ?? "\u{FFFD}", to: &output)
        }
    }

    /// The end of BASE64: what is left are fewer bits than a digit has, all of them zero (RFC 2152, rule 2).
    private mutating func unshift(into output: inout [UInt8]) {
        if high != nil || bitCount >= 6 || bits != 0 { Self.append("\u{FFFD}", to: &output) }
        self = UTF7Decoder()
    }

    private static func append(_ scalar: Unicode.Scalar, to output: inout [UInt8]) {
        output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    private static func base64Value(_ octet: UInt8) -> UInt8? {
        switch octet {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): octet - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): octet - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): octet - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
