/// One entry of an address list as IMAP shows it (RFC 9051, 7.5.2): a mailbox, or the begin or end of a group.
public struct MailAddress: Sendable, Hashable {
    /// The display name, raw; nil when there is none.
    public var name: [UInt8]?
    /// The source route of RFC 5322, 4.4; nil when there is none.
    public var route: [UInt8]?
    /// The local part without quoting, or a group's name; nil at the end of a group.
    public var mailbox: [UInt8]?
    /// The domain; nil at the begin and end of a group, empty when the address has none.
    public var host: [UInt8]?

    /// An entry.
    public init(name: [UInt8]? = nil, route: [UInt8]? = nil, mailbox: [UInt8]?, host: [UInt8]?) {
        self.name = name
        self.route = route
        self.mailbox = mailbox
        self.host = host
    }

    /// Whether this opens a group; `mailbox` is its name.
    public var isGroupStart: Bool { mailbox != nil && host == nil }
    /// Whether this closes a group.
    public var isGroupEnd: Bool { mailbox == nil }

    /// `mailbox@host`; empty for the begin and end of a group.
    public var addrSpec: String {
        guard let mailbox, let host else { return "" }
        let local = String(decoding: mailbox, as: UTF8.self)
        return host.isEmpty ? local : local + "@" + String(decoding: host, as: UTF8.self)
    }
}

/// Reads the address lists of From, To and their like (RFC 5322, 3.4 and 4.4; RFC 6532), and what the world sends in
/// their place: unquoted specials in names, semicolons as separators, names without an address, addresses as names.
public enum AddressList {
    /// The entries of a list, at most `limit` (the end of a group that was opened may come beyond).
    public static func parse(_ value: [UInt8], limit: Int = .max) -> [MailAddress] {
        var reader = AddressListReader(FieldScanner(value))
        return reader.list(limit: limit)
    }
}

private struct AddressListReader {
    /// A word of a phrase or local part.
    private struct Word {
        var octets: [UInt8]
        /// Whether white space or a comment stood before it.
        var isSeparated: Bool
    }

    private var scanner: FieldScanner
    private var isInGroup = false

    init(_ scanner: FieldScanner) {
        self.scanner = scanner
    }

    mutating func list(limit: Int) -> [MailAddress] {
        var result: [MailAddress] = []
        while result.count < limit {
            scanner.skipCommentsAndSpace()
            guard let octet = scanner.next else { break }
            switch octet {
            case ASCII.comma, ASCII.greater:
                scanner.skip()
            case ASCII.semicolon:
                scanner.skip()
                if isInGroup {
                    isInGroup = false
                    result.append(MailAddress(mailbox: nil, host: nil))
                }
            case _:
                if let entry = entry() { result.append(entry) }
            }
        }
        if isInGroup { result.append(MailAddress(mailbox: nil, host: nil)) }
        return result
    }

    /// An address or the begin of a group; consumes at least one octet.
    private mutating func entry() -> MailAddress? {
        var (words, comment) = phrase()
        switch scanner.next {
        case ASCII.colon:
            scanner.skip()
            isInGroup = true
            return MailAddress(mailbox: Self.join(words), host: nil)
        case ASCII.less:
            return angle(name: words.isEmpty ? comment : Self.join(words))
        case ASCII.at:
            scanner.skip()
            // Words apart from the local part are a name that nobody put in order.
            var local: [UInt8] = []
            while let word = words.popLast() {
                local = word.octets + local
                let isDotted = local.first == ASCII.dot || words.last?.octets.last == ASCII.dot
                if word.isSeparated, !isDotted { break }
            }
            let host = domain()
            let after = scanner.skipCommentsAndSpace()
            if scanner.next == ASCII.less {
                // An address in the place of a name.
                return angle(name: Self.join(words + [Word(octets: local + [ASCII.at] + host, isSeparated: true)]))
            }
            scanner.run { $0 == ASCII.comma || $0 == ASCII.semicolon }
            let name = words.isEmpty ? (after ?? comment) : Self.join(words)
            guard !local.isEmpty || !host.isEmpty else { return nil }
            return MailAddress(name: name.flatMap { $0.isEmpty ? nil : $0 }, mailbox: local, host: host)
        case _:
            guard !words.isEmpty else { return nil }
            return MailAddress(name: comment, mailbox: Self.join(words), host: [])
        }
    }

    /// `<` route local-part `@` domain `>`.
    private mutating func angle(name: [UInt8]?) -> MailAddress? {
        scanner.skip()
        scanner.skipCommentsAndSpace()
        var route: [UInt8]?
        if scanner.next == ASCII.at {
            // RFC 5322, 4.4: obs-route, which ends with a colon.
            let text = scanner.run { $0 == ASCII.colon || $0 == ASCII.greater }
            if scanner.take(ASCII.colon) {
                route = text.filter { !ASCII.isBlankOrLineEnd($0) }
            }
        }
        var local: [UInt8] = []
        var comment: [UInt8]?
        var host: [UInt8] = []
        loop: while let octet = scanner.next {
            switch octet {
            case ASCII.greater:
                break loop
            case ASCII.at:
                scanner.skip()
                host = domain()
                // What stands between the domain and `>` is nothing that an address can hold.
                scanner.run { $0 == ASCII.greater || $0 == ASCII.comma }
                break loop
            case ASCII.quote:
                local += scanner.quotedString()
            case ASCII.openParenthesis:
                comment = scanner.skipCommentsAndSpace()
            case _:
                if !ASCII.isBlankOrLineEnd(octet) { local.append(octet) }
                scanner.skip()
            }
        }
        _ = scanner.take(ASCII.greater)
        let after = scanner.skipCommentsAndSpace()
        scanner.run { $0 == ASCII.comma || $0 == ASCII.semicolon }
        let shown = name ?? after ?? comment
        guard !local.isEmpty || !host.isEmpty || shown != nil else { return nil }
        return MailAddress(name: shown.flatMap { $0.isEmpty ? nil : $0 }, route: route, mailbox: local, host: host)
    }

    /// A domain, or a domain literal, without comments and white space.
    private mutating func domain() -> [UInt8] {
        var host: [UInt8] = []
        while true {
            let mark = scanner
            scanner.skipCommentsAndSpace()
            // What stands behind the domain is the caller's: a comment may be the name.
            guard let octet = scanner.next else {
                scanner = mark
                return host
            }
            switch octet {
            case ASCII.openBracket:
                guard host.isEmpty else { return host }
                host += scanner.run { $0 == ASCII.closeBracket }.filter { !ASCII.isBlankOrLineEnd($0) }
                if scanner.take(ASCII.closeBracket) { host.append(ASCII.closeBracket) }
                return host
            case ASCII.comma, ASCII.semicolon, ASCII.colon, ASCII.less, ASCII.greater, ASCII.quote, ASCII.at,
                ASCII.closeParenthesis, ASCII.backslash, ASCII.closeBracket:
                scanner = mark
                return host
            case _:
                // Atoms apart belong together only around a dot.
                guard host.isEmpty || octet == ASCII.dot || host.last == ASCII.dot else {
                    scanner = mark
                    return host
                }
                host += scanner.run { octet in
                    ASCII.isBlankOrLineEnd(octet) || octet == ASCII.comma || octet == ASCII.semicolon
                        || octet == ASCII.greater || octet == ASCII.less || octet == ASCII.openParenthesis
                        || octet == ASCII.quote || octet == ASCII.at || octet == ASCII.colon
                        || octet == ASCII.closeParenthesis || octet == ASCII.backslash
                        || octet == ASCII.openBracket || octet == ASCII.closeBracket
                }
            }
        }
    }

    /// Words up to what gives them their meaning. A colon opens a group only where one may open; elsewhere it is
    /// part of a word.
    private mutating func phrase() -> (words: [Word], comment: [UInt8]?) {
        var words: [Word] = []
        var comment: [UInt8]?
        var isSeparated = true
        while let octet = scanner.next {
            switch octet {
            case ASCII.comma, ASCII.semicolon, ASCII.less, ASCII.at:
                return (words, comment)
            case ASCII.colon:
                if !isInGroup, !words.isEmpty { return (words, comment) }
                words.append(Word(octets: [octet], isSeparated: isSeparated))
                isSeparated = false
                scanner.skip()
            case ASCII.quote:
                words.append(Word(octets: scanner.quotedString(), isSeparated: isSeparated))
                isSeparated = false
            case ASCII.openParenthesis:
                comment = scanner.skipCommentsAndSpace() ?? comment
                isSeparated = true
            case ASCII.space, ASCII.tab, ASCII.cr, ASCII.lf:
                scanner.skip()
                isSeparated = true
            case ASCII.greater, ASCII.closeParenthesis:
                scanner.skip()
            case _:
                let atom = scanner.run { octet in
                    ASCII.isBlankOrLineEnd(octet) || octet == ASCII.comma || octet == ASCII.semicolon
                        || octet == ASCII.less || octet == ASCII.at || octet == ASCII.colon || octet == ASCII.quote
                        || octet == ASCII.openParenthesis || octet == ASCII.closeParenthesis || octet == ASCII.greater
                }
                words.append(Word(octets: Array(atom), isSeparated: isSeparated))
                isSeparated = false
            }
        }
        return (words, comment)
    }

    /// One space between words that stood apart.
    private static func join(_ words: [Word]) -> [UInt8] {
        var result: [UInt8] = []
        for word in words {
            if word.isSeparated, !result.isEmpty { result.append(ASCII.space) }
            result += word.octets
        }
        return result
    }
}
