import NIOCore

/// Strings, atoms and what is written with them (RFC 9051, 4.1 to 4.3 and 9).
extension ByteCursor {
    /// `atom`
    mutating func atom(_ expected: String = "an atom") throws(SyntaxError) -> String {
        let range = skip(while: .atom)
        guard !range.isEmpty else { throw failure(expected) }
        return text(range)
    }

    /// `astring`: an atom that may hold `]`, a quoted string or a literal.
    mutating func astring(_ expected: String = "a string") throws(SyntaxError) -> ByteBuffer {
        if let string = try stringIfNext() { return string }
        let range = skip(while: .astring)
        guard !range.isEmpty else { throw failure(expected) }
        return slice(range)
    }

    /// `string`: quoted or literal.
    mutating func string(_ expected: String = "a quoted string or a literal") throws(SyntaxError) -> ByteBuffer {
        guard let string = try stringIfNext() else { throw failure(expected) }
        return string
    }

    /// `nstring`: a string or NIL.
    mutating func nilOrString() throws(SyntaxError) -> ByteBuffer? {
        if skip(word: "NIL") { return nil }
        return try string("a string or NIL")
    }

    /// A string, if one begins here.
    private mutating func stringIfNext() throws(SyntaxError) -> ByteBuffer? {
        switch peek() {
        case UInt8(ascii: "\""): try quoted()
        case UInt8(ascii: "{"): try literal()
        default: nil
        }
    }

    /// An astring as text, which must be UTF-8.
    mutating func astringText(_ expected: String = "a string") throws(SyntaxError) -> String {
        let start = position
        let octets = try astring(expected)
        guard let text = octets.validatedText else { throw failure("UTF-8", at: start) }
        return text
    }

    /// A string as text, which must be UTF-8.
    mutating func stringText() throws(SyntaxError) -> String {
        let start = position
        let octets = try string()
        guard let text = octets.validatedText else { throw failure("UTF-8", at: start) }
        return text
    }

    /// `quoted`. Octets above 127 are allowed only in a session of UTF-8, and must be UTF-8 (RFC 9051, 4.3; RFC 6855,
    /// 3).
    mutating func quoted() throws(SyntaxError) -> ByteBuffer {
        let start = position
        try expect(UInt8(ascii: "\""), "a quoted string")
        let contentStart = position
        var unescaped: ByteBuffer?
        var pieceStart = position
        var isASCII = true
        while let octet = peek() {
            if CharacterClass.of(octet).contains(.quoted) {
                advance()
            } else if octet == UInt8(ascii: "\"") {
                var content: ByteBuffer
                if var pieces = unescaped {
                    var rest = slice(pieceStart..<position)
                    pieces.writeBuffer(&rest)
                    content = pieces
                } else {
                    content = slice(contentStart..<position)
                }
                advance()
                if !isASCII, !isResponse, content.validatedText == nil { throw failure("UTF-8", at: start) }
                return content
            } else if octet == UInt8(ascii: "\\") {
                guard let escaped = peek(1), escaped == UInt8(ascii: "\"") || escaped == UInt8(ascii: "\\") else {
                    throw failure("\\\" or \\\\ in a quoted string")
                }
                var piece = slice(pieceStart..<position)
                // Changed in place: a copy for each escape would make a long string quadratic.
                if unescaped == nil { unescaped = ByteBuffer() }
                unescaped?.writeBuffer(&piece)
                unescaped?.writeInteger(escaped)
                advance(2)
                pieceStart = position
            } else if octet >= 0x80, encoding == .utf8 || isResponse {
                isASCII = false
                advance()
            } else if octet >= 0x80 {
                throw failure("7-bit characters in a quoted string")
            } else {
                throw failure("the end of a quoted string")
            }
        }
        throw failure("the end of a quoted string")
    }

    /// The braces of a literal with CRLF: `{5}`, `{5+}`, `~{5}`.
    mutating func literalHeader() throws(SyntaxError) -> LiteralHeader {
        let start = position
        let isBinary = skip(UInt8(ascii: "~"))
        try expect(UInt8(ascii: "{"), "a literal")
        guard let count = Int(exactly: try number64("the size of a literal")) else {
            throw failure("a smaller literal", at: start)
        }
        let isSynchronizing = !skip(UInt8(ascii: "+"))
        try expect(UInt8(ascii: "}"), "\"}\"")
        guard isNext(0x0D), peek(1) == 0x0A else { throw failure("CRLF after \"}\"") }
        advance(2)
        return LiteralHeader(octets: count, isSynchronizing: isSynchronizing, isBinary: isBinary)
    }

    /// `literal`, or `literal8` where it is allowed. NUL stands only in literal8 (RFC 9051, 9, note 3).
    mutating func literal(allowsBinary: Bool = false) throws(SyntaxError) -> ByteBuffer {
        let start = position
        let header = try literalHeader()
        guard allowsBinary || !header.isBinary else { throw failure("a literal without \"~\"", at: start) }
        let contentStart = position
        advance(header.octets)
        guard position - contentStart == header.octets else { throw failure("the octets of a literal") }
        let content = slice(contentStart..<position)
        if !header.isBinary, !isResponse, content.readableBytesView.contains(0) {
            throw failure("a literal without NUL", at: contentStart)
        }
        return content
    }

    // MARK: Mailboxes

    /// `mailbox` in the session's encoding.
    mutating func mailbox(_ expected: String = "a mailbox name") throws(SyntaxError) -> MailboxName {
        let start = position
        return MailboxName(try mailboxText(try astring(expected), at: start))
    }

    /// `SP one-or-more-mailbox` (RFC 5465, 8): a name, or names in parentheses.
    mutating func mailboxes() throws(SyntaxError) -> [MailboxName] {
        try space()
        guard isNext(UInt8(ascii: "(")) else { return [try mailbox()] }
        return try list { cursor throws(SyntaxError) in try cursor.mailbox() }
    }

    /// `list-mailbox`: a name with wildcards.
    mutating func mailboxPattern() throws(SyntaxError) -> MailboxPattern {
        let start = position
        if let string = try stringIfNext() { return MailboxPattern(try mailboxText(string, at: start)) }
        let range = skip(while: .list)
        guard !range.isEmpty else { throw failure("a mailbox name or pattern") }
        return MailboxPattern(try mailboxText(slice(range), at: start))
    }

    /// The UTF-8 of a name. Control characters and line separators are no part of one (RFC 9051, 5.1; RFC 6855, 3).
    private func mailboxText(_ octets: ByteBuffer, at start: Int) throws(SyntaxError) -> String {
        let text: String?
        switch encoding {
        case .utf8: text = octets.validatedText
        case .modifiedUTF7:
            // A client reads names leniently: a server of IMAP4rev2 sends UTF-8, and many of IMAP4rev1 do so too.
            text = ModifiedUTF7.decode(octets.readableBytesView) ?? (isResponse ? octets.validatedText : nil)
        }
        guard let text,
            text.unicodeScalars.allSatisfy({
                $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0.value != 0x2028 && $0.value != 0x2029
            })
        else {
            throw SyntaxError(problem: .invalidMailboxName, position: start, reachedEnd: false)
        }
        return text
    }

    // MARK: Flags

    /// `flag`. A client must not send `\Recent`, nor `\*` (RFC 9051, 9); a server may.
    mutating func flag() throws(SyntaxError) -> Flag {
        let start = position
        if skip(UInt8(ascii: "\\")) {
            if isResponse, skip(UInt8(ascii: "*")) { return .wildcard }
            let flag = Flag("\\" + (try atom("a flag")))
            guard isResponse || flag != .recent else { throw failure("a flag that a client can set", at: start) }
            return flag
        }
        return Flag(try atom("a flag"))
    }

    /// `flag-list`
    mutating func flagList() throws(SyntaxError) -> [Flag] {
        try list(allowsEmpty: true) { cursor throws(SyntaxError) in try cursor.flag() }
    }

    /// `capability`
    mutating func capability() throws(SyntaxError) -> Capability { Capability(try atom("a capability")) }
}

extension ByteBuffer {
    /// The readable octets as text; nil when they are not UTF-8.
    var validatedText: String? {
        withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) }
    }
}
