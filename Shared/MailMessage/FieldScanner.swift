/// Reads the value of a structured field from left to right (RFC 5322, 3.2; RFC 2045, 5.1), as generously as broken
/// mail needs. It always moves forward and never past the end.
struct FieldScanner {
    let octets: [UInt8]
    private(set) var position = 0

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    var isAtEnd: Bool { position >= octets.count }
    var next: UInt8? { position < octets.count ? octets[position] : nil }

    mutating func skip() {
        if position < octets.count { position += 1 }
    }

    mutating func take(_ octet: UInt8) -> Bool {
        guard next == octet else { return false }
        position += 1
        return true
    }

    /// White space and comments (CFWS). Returns the text of the last comment, when there is one.
    @discardableResult
    mutating func skipCommentsAndSpace() -> [UInt8]? {
        var last: [UInt8]?
        while let octet = next {
            if ASCII.isBlankOrLineEnd(octet) {
                position += 1
            } else if octet == ASCII.openParenthesis {
                last = comment()
            } else {
                break
            }
        }
        return last
    }

    /// A comment with all that nests in it; what is never closed ends with the field.
    private mutating func comment() -> [UInt8] {
        var text: [UInt8] = []
        var depth = 0
        while let octet = next {
            position += 1
            switch octet {
            case ASCII.openParenthesis:
                depth += 1
                if depth > 1 { text.append(octet) }
            case ASCII.closeParenthesis:
                depth -= 1
                if depth == 0 { return text }
                text.append(octet)
            case ASCII.backslash:
                if let quoted = next {
                    text.append(quoted)
                    position += 1
                }
            case _:
                text.append(octet)
            }
        }
        return text
    }

    /// The content of a quoted string whose opening quote is next; what is never closed ends with the field.
    mutating func quotedString() -> [UInt8] {
        var text: [UInt8] = []
        position += 1
        while let octet = next {
            position += 1
            if octet == ASCII.quote { break }
            if octet == ASCII.backslash, let quoted = next {
                text.append(quoted)
                position += 1
            } else {
                text.append(octet)
            }
        }
        return text
    }

    /// Octets up to the first that `isStop` names.
    @discardableResult
    mutating func run(until isStop: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = min(position, octets.count)
        while let octet = next, !isStop(octet) { position += 1 }
        return octets[start..<position]
    }

    /// A MIME token; empty when none is next.
    mutating func token() -> ArraySlice<UInt8> {
        run { !ASCII.isToken($0) }
    }

    /// The parameters from here to the end: `;` attribute `=` value, again and again (RFC 2045, 5.1). A missing
    /// semicolon, white space around `=`, an unquoted value with special characters, and junk between parameters
    /// are understood as people mean them.
    mutating func parameters(limit: Int) -> [MIMEParameter] {
        var result: [MIMEParameter] = []
        while result.count < limit {
            skipCommentsAndSpace()
            guard !isAtEnd else { break }
            if take(ASCII.semicolon) { continue }
            let name = token()
            guard !name.isEmpty else {
                skip()
                continue
            }
            skipCommentsAndSpace()
            guard take(ASCII.equals) else { continue }
            skipCommentsAndSpace()
            let value: [UInt8]
            if next == ASCII.quote {
                value = quotedString()
            } else {
                value = Array(ASCII.trimmed(run { $0 == ASCII.semicolon || ASCII.isBlankOrLineEnd($0) }))
            }
            result.append(MIMEParameter(name: ASCII.lowercasedString(name), value: value))
        }
        return result
    }
}
