/// The collation i;unicode-casemap (RFC 5051), which SEARCH, SORT and THREAD compare text with (RFC 5255, 4.3): each
/// character is put in title case and decomposed, and of the result in UTF-8 the octets are compared. What comes of a
/// character does not depend on its neighbours, so that text may be folded in pieces which end where characters end.
enum UnicodeCasemap {
    /// UTF-8 as it is compared. Octets that are no UTF-8 stay as they are.
    static func folded(_ utf8: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(utf8.count)
        fold(utf8[...], into: &output)
        return output
    }

    /// Appends UTF-8 as it is compared.
    static func fold(_ utf8: ArraySlice<UInt8>, into output: inout [UInt8]) {
        utf8.withUnsafeBufferPointer { text in
            var position = 0
            while position < text.count {
                if text[position] < 0x80 {
                    var end = position + 1
                    while end < text.count, text[end] < 0x80 { end += 1 }
                    output.append(contentsOf: text[position..<end].lazy.map(folded(ascii:)))
                    position = end
                } else if let (value, length) = scalar(text, at: position) {
                    if !append(value, to: &output) {
                        output.append(contentsOf: text[position..<position + length])
                    }
                    position += length
                } else {
                    output.append(text[position])
                    position += 1
                }
            }
        }
    }

    /// An octet of ASCII as it is compared.
    @inline(__always)
    static func folded(ascii octet: UInt8) -> UInt8 { octet &- 0x61 < 26 ? octet & 0xDF : octet }

    /// The character of more than one octet that begins at a position, and its octets; nil where none does.
    private static func scalar(_ text: UnsafeBufferPointer<UInt8>, at start: Int) -> (UInt32, Int)? {
        let first = text[start]
        let length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0
        guard length > 0, start + length <= text.count else { return nil }
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for offset in 1..<length {
            let octet = text[start + offset]
            guard octet & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(octet & 0x3F)
        }
        return (value, length)
    }

    /// Appends what a character becomes; false when it stays as it is.
    private static func append(_ value: UInt32, to output: inout [UInt8]) -> Bool {
        if let range = table.mapping(of: value) {
            output.append(contentsOf: table.octets[range])
            return true
        }
        guard Hangul.syllables.contains(value) else { return false }
        let index = value - Hangul.syllables.lowerBound
        append(utf8Of: Hangul.leading + index / (Hangul.vowelCount * Hangul.trailingCount), to: &output)
        append(utf8Of: Hangul.vowel + index / Hangul.trailingCount % Hangul.vowelCount, to: &output)
        let trailing = index % Hangul.trailingCount
        if trailing > 0 { append(utf8Of: Hangul.trailing + trailing, to: &output) }
        return true
    }

    fileprivate static func append(utf8Of value: UInt32, to output: inout [UInt8]) {
        guard let scalar = Unicode.Scalar(value) else { return }
        output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// The arithmetic of Hangul syllables (The Unicode Standard, 3.12).
    private enum Hangul {
        static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
        static let leading: UInt32 = 0x1100
        static let vowel: UInt32 = 0x1161
        static let trailing: UInt32 = 0x11A7
        static let vowelCount: UInt32 = 21
        static let trailingCount: UInt32 = 28
    }

    /// Read at the first use; plain ASCII never comes here.
    private static let table = CasemapTable(UnicodeCasemapTable.mappings)
}

/// What characters become, found in two steps: a page for each 256 code points, of which most hold nothing and are one.
private struct CasemapTable: Sendable {
    private static let pageSize = 256

    /// All that characters become, in UTF-8.
    private(set) var octets: [UInt8] = []
    private var pages = [UInt16](repeating: 0, count: 0x110000 / CasemapTable.pageSize)
    /// Where in `octets` it begins, and in the lowest seven bits how many octets it has; 0 for nothing.
    private var entries = [UInt32](repeating: 0, count: CasemapTable.pageSize)

    init(_ text: String) {
        // Nothing begins at the first octet, so that no entry is 0.
        octets.append(0)
        for item in text.utf8.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }) {
            let sides = item.split(separator: UInt8(ascii: "="))
            guard sides.count == 2 else { continue }
            let keys = sides[0].split(separator: UInt8(ascii: "-")).compactMap(Self.number)
            let values = sides[1].split(separator: UInt8(ascii: "+")).compactMap(Self.number)
            guard let first = keys.first, let last = keys.last, first <= last, let only = values.first else { continue }
            if first == last {
                set(first, values)
            } else {
                for key in first...last { set(key, [only + (key - first)]) }
            }
        }
    }

    @inline(__always)
    func mapping(of value: UInt32) -> Range<Int>? {
        let page = Int(value) / Self.pageSize
        guard page < pages.count else { return nil }
        let entry = entries[Int(pages[page]) * Self.pageSize + Int(value) % Self.pageSize]
        guard entry != 0 else { return nil }
        let start = Int(entry >> 7)
        return start..<start + Int(entry & 0x7F)
    }

    private mutating func set(_ key: UInt32, _ values: [UInt32]) {
        let page = Int(key) / Self.pageSize
        guard page < pages.count else { return }
        if pages[page] == 0 {
            pages[page] = UInt16(truncatingIfNeeded: entries.count / Self.pageSize)
            entries.append(contentsOf: repeatElement(0, count: Self.pageSize))
        }
        let start = octets.count
        for value in values { UnicodeCasemap.append(utf8Of: value, to: &octets) }
        entries[Int(pages[page]) * Self.pageSize + Int(key) % Self.pageSize] =
            UInt32(truncatingIfNeeded: start << 7 | (octets.count - start))
    }

    private static func number(_ digits: some Collection<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt32(digit - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(digit - 0x37)
            default: return nil
            }
        }
        return value
    }
}
