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

    /// All identifiers of a field that have a left and a right side, without angle brackets, white space and quoting, so
    /// that all ways to write one are the same (RFC 5256, 3).
    public static func normalized(in value: [UInt8]) -> [[UInt8]] {
        var scanner = FieldScanner(value)
        var result: [[UInt8]] = []
        while !scanner.isAtEnd {
            scanner.skipCommentsAndSpace()
            if scanner.next == ASCII.quote {
                _ = scanner.quotedString()
            } else if scanner.take(ASCII.less) {
                if let identifier = normalized(&scanner) { result.append(identifier) }
            } else {
                scanner.skip()
            }
        }
        return result
    }

    /// From behind `<` to behind `>`; stops before another `<`. The last `@` that is not quoted divides the sides. What
    /// looks like a comment is part of the identifier, as those who write one mean it.
    private static func normalized(_ scanner: inout FieldScanner) -> [UInt8]? {
        var identifier: [UInt8] = []
        var left: Int?
        while true {
            switch scanner.next {
            case nil, ASCII.less: return nil
            case ASCII.space, ASCII.tab, ASCII.cr, ASCII.lf: scanner.skip()
            case ASCII.greater:
                scanner.skip()
                guard let left, left > 0, left + 1 < identifier.count else { return nil }
                return identifier
            case ASCII.quote:
                let start = scanner
                let quoted = scanner.quotedString()
                if scanner.isAtEnd {
                    // Never closed, so that it quotes nothing.
                    scanner = start
                    scanner.skip()
                    identifier.append(ASCII.quote)
                } else {
                    identifier += quoted
                }
            case ASCII.at:
                left = identifier.count
                identifier.append(ASCII.at)
                scanner.skip()
            case let octet?:
                identifier.append(octet)
                scanner.skip()
            }
        }
    }
}
