/// Encoded-words in header fields (RFC 2047).
public enum EncodedWords {
    /// The text that a person should read. Octets beyond US-ASCII are UTF-8 (RFC 6532) where they are valid as such,
    /// else windows-1252. What looks like an encoded-word and is none stays as it is.
    public static func decode(_ value: [UInt8]) -> String {
        guard value.contains(ASCII.equals) else { return raw(value[...]) }
        var result = ""
        walk(value) { octets, charset in
            result += charset.map { CharsetDecoder.decode(Array(octets), charset: $0) } ?? raw(octets)
        }
        return result
    }

    /// The octets that the text is written in, each encoded-word's in a charset of its own: all that is left to compare
    /// when a text cannot be read (RFC 5255, 4.6).
    public static func octets(_ value: [UInt8]) -> [UInt8] {
        guard value.contains(ASCII.equals) else { return value }
        var result: [UInt8] = []
        walk(value) { octets, _ in result += octets }
        return result
    }

    /// Gives the text piece by piece: octets of encoded-words with their charset, others without.
    private static func walk(_ value: [UInt8], _ take: (ArraySlice<UInt8>, String?) -> Void) {
        var position = 0
        var plainStart = 0
        /// Octets of adjacent words of one charset, which may cut a character (RFC 2047, 5 forbids it; many do).
        var word: (charset: String, octets: [UInt8])?
        /// No word can end beyond this, so that looking for ends takes linear time in all.
        let lastEnd =
            value.indices.dropLast().last { value[$0] == ASCII.question && value[$0 + 1] == ASCII.equals } ?? 0
        while let equals = value[position...].firstIndex(of: ASCII.equals), equals < lastEnd {
            guard let (charset, octets, end) = encodedWord(value, at: equals) else {
                position = equals + 1
                continue
            }
            let between = value[plainStart..<equals]
            // RFC 2047, 6.2: white space between encoded-words is not shown.
            let isAdjacent = word != nil && between.allSatisfy(ASCII.isBlankOrLineEnd)
            if isAdjacent, word?.charset == charset {
                word?.octets.append(contentsOf: octets)
            } else {
                if let current = word { take(current.octets[...], current.charset) }
                if !isAdjacent { take(between, nil) }
                word = (charset, octets)
            }
            position = end
            plainStart = end
        }
        if let current = word { take(current.octets[...], current.charset) }
        take(value[plainStart...], nil)
    }

    private static func raw(_ octets: ArraySlice<UInt8>) -> String {
        if let valid = String(validating: octets, as: UTF8.self) { return valid }
        return CharsetDecoder.decode(Array(octets), charset: "windows-1252")
    }

    /// `=?charset*language?encoding?text?=` at a position: charset, decoded octets, and where the word ends.
    private static func encodedWord(_ value: [UInt8], at start: Int) -> (String, [UInt8], Int)? {
        guard start + 1 < value.count, value[start + 1] == ASCII.question,
            let charsetEnd = value[(start + 2)...].firstIndex(of: ASCII.question),
            charsetEnd > start + 2, charsetEnd + 2 < value.count, value[charsetEnd + 2] == ASCII.question
        else { return nil }
        let charset = value[(start + 2)..<charsetEnd].prefix { $0 != ASCII.asterisk }
        guard !charset.isEmpty, charset.allSatisfy({ ASCII.isToken($0) && $0 < 0x80 }) else { return nil }
        let textStart = charsetEnd + 3
        // The text ends at `?=`; a lone `?` inside is what some senders forget to encode.
        var end = textStart
        while end + 1 < value.count, value[end] != ASCII.question || value[end + 1] != ASCII.equals { end += 1 }
        guard end + 1 < value.count else { return nil }
        let text = value[textStart..<end]
        var octets: [UInt8] = []
        switch ASCII.lower(value[charsetEnd + 1]) {
        case 0x62:
            var decoder = Base64Decoder()
            decoder.decode(text, into: &octets)
            decoder.finish(into: &octets)
        case 0x71:
            octets = decodeQ(text)
        case _:
            return nil
        }
        return (ASCII.lowercasedString(charset), octets, end + 2)
    }

    /// RFC 2047, 4.2.
    private static func decodeQ(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var position = text.startIndex
        while position < text.endIndex {
            let octet = text[position]
            if octet == ASCII.underscore {
                result.append(ASCII.space)
            } else if octet == ASCII.equals, position + 2 < text.endIndex,
                let high = ASCII.hexValue(text[position + 1]), let low = ASCII.hexValue(text[position + 2])
            {
                result.append(high << 4 | low)
                position += 2
            } else {
                result.append(octet)
            }
            position += 1
        }
        return result
    }
}
