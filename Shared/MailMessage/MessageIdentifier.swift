/// Message identifiers (RFC 5322, 3.6.4) as they stand in Message-ID, In-Reply-To and References.
public enum MessageIdentifier {
    /// All identifiers of a field, with angle brackets, white space inside removed.
    public static func all(in value: [UInt8], limit: Int = 1024) -> [String] {
        var scanner = FieldScanner(value)
        var result: [String] = []
        while !scanner.isAtEnd, result.count < limit {
            scanner.skipCommentsAndSpace()
            guard scanner.next == ASCII.less else {
                if scanner.next == ASCII.quote { _ = scanner.quotedString() } else { scanner.skip() }
                continue
            }
            let text = scanner.run { $0 == ASCII.greater }
            guard scanner.take(ASCII.greater) else { break }
            let identifier = text.dropFirst().filter { !ASCII.isBlankOrLineEnd($0) && $0 != 0 }
            if !identifier.isEmpty { result.append("<" + String(decoding: identifier, as: UTF8.self) + ">") }
        }
        return result
    }
}
