#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The octets that have a meaning in SMTP.
enum Octet {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let at = UInt8(ascii: "@")
    static let dot = UInt8(ascii: ".")
    static let hyphen = UInt8(ascii: "-")
    static let colon = UInt8(ascii: ":")
    static let comma = UInt8(ascii: ",")
    static let equals = UInt8(ascii: "=")
    static let plus = UInt8(ascii: "+")
    static let less = UInt8(ascii: "<")
    static let greater = UInt8(ascii: ">")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let underscore = UInt8(ascii: "_")
}

extension UInt8 {
    var isDigit: Bool { self >= 0x30 && self <= 0x39 }
    var isLetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
    var isLetterOrDigit: Bool { isLetter || isDigit }
    var isControl: Bool { self < 0x20 || self == 0x7F }
    var isASCII: Bool { self < 0x80 }
    var uppercased: UInt8 { self >= 0x61 && self <= 0x7A ? self &- 0x20 : self }

    /// RFC 5322, 3.2.3: what an atom is made of; octets beyond ASCII belong to it by RFC 6531, 3.3.
    var isAtomText: Bool {
        if isLetterOrDigit || self >= 0x80 { return true }
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
            UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
            return true
        default:
            return false
        }
    }

    /// The value of a hexadecimal digit.
    var hexadecimalValue: UInt8? {
        switch self {
        case 0x30...0x39: self &- 0x30
        case 0x41...0x46: self &- 0x41 &+ 10
        case 0x61...0x66: self &- 0x61 &+ 10
        default: nil
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Where `octet` first stands at or after `start` and before `end`.
    func firstOffset(of octet: UInt8, from start: Int, to end: Int) -> Int? {
        guard let base = baseAddress, start < end, let found = memchr(base + start, Int32(octet), end - start) else {
            return nil
        }
        return UnsafeRawPointer(found) - base
    }
}

/// A place in a line that is being parsed. It never leaves the closure that lends it the octets.
struct Cursor {
    let octets: UnsafeRawBufferPointer
    private(set) var index = 0

    init(_ octets: UnsafeRawBufferPointer) {
        self.octets = octets
    }

    var isAtEnd: Bool { index >= octets.count }
    var peek: UInt8? { index < octets.count ? octets[index] : nil }
    var rest: Slice<UnsafeRawBufferPointer> { octets[index...] }

    mutating func next() -> UInt8? {
        guard index < octets.count else { return nil }
        defer { index += 1 }
        return octets[index]
    }

    mutating func skip(_ octet: UInt8) -> Bool {
        guard peek == octet else { return false }
        index += 1
        return true
    }

    mutating func skipSpaces() {
        while peek == Octet.space || peek == Octet.tab { index += 1 }
    }

    mutating func skipAll() { index = octets.count }

    /// The octets for as long as `belongs` holds; it may be none.
    mutating func take(while belongs: (UInt8) -> Bool) -> Slice<UnsafeRawBufferPointer> {
        let start = index
        while index < octets.count, belongs(octets[index]) { index += 1 }
        return octets[start..<index]
    }

    /// Takes `word` if it comes next in whatever case; the word is given in upper case.
    mutating func takeWord(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard octets.count - index >= count else { return false }
        for offset in 0..<count where octets[index + offset].uppercased != word.utf8Start[offset] { return false }
        index += count
        return true
    }

    func slice(from start: Int) -> Slice<UnsafeRawBufferPointer> { octets[start..<index] }
}

extension Slice<UnsafeRawBufferPointer> {
    func equals(_ word: StaticString) -> Bool {
        guard count == word.utf8CodeUnitCount else { return false }
        var offset = 0
        for octet in self {
            guard octet.uppercased == word.utf8Start[offset] else { return false }
            offset += 1
        }
        return true
    }

    var text: String { String(decoding: self, as: UTF8.self) }

    /// A decimal number without sign that fits `Int`.
    var decimal: Int? {
        guard !isEmpty, count <= 20 else { return nil }
        var value = 0
        for octet in self {
            guard octet.isDigit else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(octet &- 0x30))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }
}
