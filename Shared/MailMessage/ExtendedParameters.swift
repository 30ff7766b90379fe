/// Parameters as RFC 2231 writes them: continued over several, in a charset, percent-encoded.
public enum ExtendedParameters {
    /// The value of a parameter as text, joined and decoded. Encoded-words inside a plain value, which RFC 2047, 5
    /// forbids and much of the world sends, are decoded too.
    public static func value(of name: String, in parameters: [MIMEParameter]) -> String? {
        if let extended = extendedValue(of: name, in: parameters) { return extended }
        guard let plain = parameters.first(where: { $0.name == name }) else { return nil }
        return EncodedWords.decode(plain.value)
    }

    private struct Section {
        var number: Int
        var isEncoded: Bool
        var value: [UInt8]
    }

    /// RFC 2231, 3 to 4: `name*`, `name*0`, `name*0*`. What follows a gap in the numbers is left out.
    private static func extendedValue(of name: String, in parameters: [MIMEParameter]) -> String? {
        var sections: [Section] = []
        for parameter in parameters {
            guard parameter.name.utf8.count > name.utf8.count, parameter.name.hasPrefix(name) else { continue }
            var suffix = parameter.name.utf8.dropFirst(name.utf8.count)
            guard suffix.popFirst() == ASCII.asterisk else { continue }
            if suffix.isEmpty {
                sections.append(Section(number: 0, isEncoded: true, value: parameter.value))
                continue
            }
            let isEncoded = suffix.last == ASCII.asterisk
            if isEncoded { suffix.removeLast() }
            guard !suffix.isEmpty, suffix.count <= 4, suffix.allSatisfy(ASCII.isDigit) else { continue }
            let number = suffix.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
            sections.append(Section(number: number, isEncoded: isEncoded, value: parameter.value))
        }
        guard !sections.isEmpty else { return nil }
        sections.sort { $0.number < $1.number }
        guard sections[0].number == 0 else { return nil }
        var charset = "utf-8"
        var octets: [UInt8] = []
        var expected = 0
        for section in sections {
            if section.number < expected { continue }
            guard section.number == expected else { break }
            var value = section.value[...]
            if section.isEncoded, expected == 0 {
                // charset'language'text
                let pieces = value.split(separator: ASCII.apostrophe, maxSplits: 2, omittingEmptySubsequences: false)
                if pieces.count == 3 {
                    if !pieces[0].isEmpty { charset = ASCII.lowercasedString(pieces[0]) }
                    value = pieces[2]
                }
            }
            octets += section.isEncoded ? percentDecoded(value) : Array(value)
            expected += 1
        }
        return CharsetDecoder.decode(octets, charset: charset)
    }

    private static func percentDecoded(_ value: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var position = value.startIndex
        while position < value.endIndex {
            if value[position] == ASCII.percent, position + 2 < value.endIndex,
                let high = ASCII.hexValue(value[position + 1]), let low = ASCII.hexValue(value[position + 2])
            {
                result.append(high << 4 | low)
                position += 3
            } else {
                result.append(value[position])
                position += 1
            }
        }
        return result
    }
}
