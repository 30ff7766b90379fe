/// The grammar of paths and mailboxes (RFC 5321, 4.1.2 and 4.1.3; RFC 6531, 3.3).

/// Why an address was not taken.
enum PathFailure: Error {
    case syntax
    case tooLong
    case invalidUTF8
}

extension Cursor {
    /// `<>` or a path in brackets; a source route is read and dropped (RFC 5321, appendix C).
    mutating func takeReversePath(_ limits: AddressLimits) throws(PathFailure) -> ReversePath {
        let start = index
        guard skip(Octet.less) else { throw .syntax }
        if skip(Octet.greater) { return .null }
        try skipSourceRoute()
        let address = try takeMailbox(limits)
        guard skip(Octet.greater) else { throw .syntax }
        guard index - start <= limits.pathOctets else { throw .tooLong }
        return .mailbox(address)
    }

    /// A path in brackets, or `<Postmaster>`.
    mutating func takeForwardPath(_ limits: AddressLimits) throws(PathFailure) -> ForwardPath {
        let start = index
        guard skip(Octet.less) else { throw .syntax }
        var ahead = self
        if ahead.takeWord("POSTMASTER"), ahead.skip(Octet.greater) {
            self = ahead
            return .postmaster
        }
        try skipSourceRoute()
        let address = try takeMailbox(limits)
        guard skip(Octet.greater) else { throw .syntax }
        guard index - start <= limits.pathOctets else { throw .tooLong }
        return .mailbox(address)
    }

    /// `@one,@two:`
    private mutating func skipSourceRoute() throws(PathFailure) {
        guard peek == Octet.at else { return }
        repeat {
            guard skip(Octet.at) else { throw .syntax }
            try takeDomain()
        } while skip(Octet.comma)
        guard skip(Octet.colon) else { throw .syntax }
    }

    /// `Local-part "@" ( Domain / address-literal )`.
    mutating func takeMailbox(_ limits: AddressLimits) throws(PathFailure) -> MailAddress {
        let start = index
        if peek == Octet.quote { try takeQuotedString() } else { try takeDotString() }
        let localOctets = index - start
        guard localOctets <= limits.localPartOctets else { throw .tooLong }
        guard skip(Octet.at) else { throw .syntax }
        let domainStart = index
        if peek == Octet.openBracket { try takeAddressLiteral() } else { try takeDomain() }
        guard index - domainStart <= limits.domainOctets else { throw .tooLong }
        let whole = slice(from: start)
        let isASCII = whole.allSatisfy(\.isASCII)
        guard isASCII || isUTF8(whole) else { throw .invalidUTF8 }
        return MailAddress(text: whole.text, localOctets: localOctets, isASCII: isASCII)
    }

    /// `Atom *("." Atom)`.
    private mutating func takeDotString() throws(PathFailure) {
        repeat {
            guard !take(while: \.isAtomText).isEmpty else { throw .syntax }
        } while skip(Octet.dot)
    }

    /// `DQUOTE *QcontentSMTP DQUOTE`.
    private mutating func takeQuotedString() throws(PathFailure) {
        _ = skip(Octet.quote)
        while let octet = next() {
            switch octet {
            case Octet.quote:
                return
            case Octet.backslash:
                guard let escaped = next(), !escaped.isControl, escaped.isASCII else { throw .syntax }
            case _ where octet.isControl:
                throw .syntax
            case _:
                continue
            }
        }
        throw .syntax
    }

    /// Labels of letters, digits and hyphens, or U-labels. Underscores are let through: names with them exist.
    private mutating func takeDomain() throws(PathFailure) {
        repeat {
            let label = take { $0.isLetterOrDigit || $0 == Octet.hyphen || $0 == Octet.underscore || $0 >= 0x80 }
            guard let first = label.first, let last = label.last, first != Octet.hyphen, last != Octet.hyphen else {
                throw .syntax
            }
            // RFC 1035, 2.3.4 counts the octets of a label in ASCII; a U-label may be longer here than there.
            guard label.count <= 63 || !label.allSatisfy(\.isASCII) else { throw .tooLong }
        } while skip(Octet.dot)
    }

    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `[tag:content]` (RFC 5321, 4.1.3).
    private mutating func takeAddressLiteral() throws(PathFailure) {
        _ = skip(Octet.openBracket)
        let content = take { $0 >= 33 && $0 <= 126 && !(91...93).contains($0) }
        guard skip(Octet.closeBracket), AddressLiteral.isValid(content) else { throw .syntax }
    }

    private func isUTF8(_ octets: Slice<UnsafeRawBufferPointer>) -> Bool {
        String(validating: octets, as: UTF8.self) != nil
    }
}

/// What may stand in the brackets of an address literal (RFC 5321, 4.1.3).
enum AddressLiteral {
    static func isValid(_ content: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard let colon = content.firstIndex(of: Octet.colon) else { return isIPv4(content) }
        let tag = content[..<colon]
        let rest = content[(colon + 1)...]
        if tag.equals("IPV6") { return isIPv6(rest) }
        guard let last = tag.last, last != Octet.hyphen, !rest.isEmpty else { return false }
        return tag.allSatisfy { $0.isLetterOrDigit || $0 == Octet.hyphen }
    }

    static func isIPv4(_ content: Slice<UnsafeRawBufferPointer>) -> Bool {
        let parts = content.split(separator: Octet.dot, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return false }
        return parts.allSatisfy { part in part.count <= 3 && (part.decimal ?? 256) <= 255 }
    }

    /// Eight groups, or fewer around one `::`; the last two groups may be an IPv4 address.
    static func isIPv6(_ content: Slice<UnsafeRawBufferPointer>) -> Bool {
        let parts = content.split(separator: Octet.colon, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts.count <= 9 else { return false }
        var groups = 0
        var gaps = 0
        for (position, part) in parts.enumerated() {
            let isLast = position == parts.count - 1
            if part.isEmpty {
                // An empty part is the gap itself; `::` at either end leaves one more beside it.
                let atStart = position == 0 && parts[1].isEmpty
                let atEnd = isLast && parts[position - 1].isEmpty
                if !atStart && !atEnd { gaps += 1 }
                if (position == 0 && !atStart) || (isLast && !atEnd) { return false }
            } else if isLast && part.contains(Octet.dot) {
                guard isIPv4(part) else { return false }
                groups += 2
            } else {
                guard part.count <= 4, part.allSatisfy({ $0.hexadecimalValue != nil }) else { return false }
                groups += 1
            }
        }
        return gaps == 0 ? groups == 8 : gaps == 1 && groups <= 7
    }
}
