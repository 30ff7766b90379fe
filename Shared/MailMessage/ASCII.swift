/// Octets and classes of octets that mail syntax is made of.
enum ASCII {
    static let tab: UInt8 = 0x09
    static let lf: UInt8 = 0x0A
    static let cr: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let exclamation: UInt8 = 0x21
    static let quote: UInt8 = 0x22
    static let number: UInt8 = 0x23
    static let percent: UInt8 = 0x25
    static let ampersand: UInt8 = 0x26
    static let apostrophe: UInt8 = 0x27
    static let openParenthesis: UInt8 = 0x28
    static let closeParenthesis: UInt8 = 0x29
    static let asterisk: UInt8 = 0x2A
    static let plus: UInt8 = 0x2B
    static let comma: UInt8 = 0x2C
    static let hyphen: UInt8 = 0x2D
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let less: UInt8 = 0x3C
    static let equals: UInt8 = 0x3D
    static let greater: UInt8 = 0x3E
    static let question: UInt8 = 0x3F
    static let at: UInt8 = 0x40
    static let openBracket: UInt8 = 0x5B
    static let backslash: UInt8 = 0x5C
    static let closeBracket: UInt8 = 0x5D
    static let underscore: UInt8 = 0x5F

    @inline(__always)
    static func isBlank(_ octet: UInt8) -> Bool { octet == space || octet == tab }

    @inline(__always)
    static func isBlankOrLineEnd(_ octet: UInt8) -> Bool {
        octet == space || octet == tab || octet == cr || octet == lf
    }

    @inline(__always)
    static func isDigit(_ octet: UInt8) -> Bool { octet >= 0x30 && octet <= 0x39 }

    @inline(__always)
    static func isLetter(_ octet: UInt8) -> Bool { (octet | 0x20) >= 0x61 && (octet | 0x20) <= 0x7A }

    /// RFC 5322, 3.6.8: printable US-ASCII except the colon.
    @inline(__always)
    static func isFieldName(_ octet: UInt8) -> Bool { octet > 0x20 && octet < 0x7F && octet != colon }

    /// RFC 2045, 5.1: token characters; octets beyond US-ASCII pass, as the world sends them.
    @inline(__always)
    static func isToken(_ octet: UInt8) -> Bool {
        guard octet > 0x20, octet != 0x7F else { return false }
        switch octet {
        case openParenthesis, closeParenthesis, less, greater, at, comma, semicolon, colon, backslash, quote, slash,
            openBracket, closeBracket, question, equals:
            return false
        case _: return true
        }
    }

    @inline(__always)
    static func lower(_ octet: UInt8) -> UInt8 { octet >= 0x41 && octet <= 0x5A ? octet | 0x20 : octet }

    @inline(__always)
    static func hexValue(_ octet: UInt8) -> UInt8? {
        switch octet {
        case 0x30...0x39: octet &- 0x30
        case 0x41...0x46: octet &- 0x37
        case 0x61...0x66: octet &- 0x57
        case _: nil
        }
    }

    static func equalIgnoringCase(_ first: some Collection<UInt8>, _ second: some Collection<UInt8>) -> Bool {
        first.count == second.count && zip(first, second).allSatisfy { lower($0) == lower($1) }
    }

    /// `name` in lower case.
    @inline(__always)
    static func equalIgnoringCase(_ octets: [UInt8], _ range: Range<Int>, _ name: StaticString) -> Bool {
        guard range.count == name.utf8CodeUnitCount, range.upperBound <= octets.count else { return false }
        return name.withUTF8Buffer { expected in
            octets.withUnsafeBufferPointer { all in
                for position in 0..<expected.count
                where lower(all[range.lowerBound + position]) != expected[position] {
                    return false
                }
                return true
            }
        }
    }

    /// The octets in lower case as a string; octets beyond US-ASCII become U+FFFD when they are no UTF-8.
    static func lowercasedString(_ octets: some Collection<UInt8>) -> String {
        String(decoding: octets.map(lower), as: UTF8.self)
    }

    /// Without white space at either end.
    static func trimmed(_ octets: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var slice = octets
        while let first = slice.first, isBlankOrLineEnd(first) { slice.removeFirst() }
        while let last = slice.last, isBlankOrLineEnd(last) { slice.removeLast() }
        return slice
    }
}
