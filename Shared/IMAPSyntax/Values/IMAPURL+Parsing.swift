import NIOCore

/// Why a text is no IMAP URL.
public struct IMAPURLError: Error, Hashable, Sendable {
    /// What was expected where something else stood.
    public let expected: String
}

extension IMAPURL {
    /// Reads a URL of any form (RFC 5092, 11), at most `octetLimit` octets. Nothing is taken that must be
    /// percent-encoded and is not.
    public init(parsing text: String) throws(IMAPURLError) {
        guard text.utf8.count <= IMAPURL.octetLimit else {
            throw IMAPURLError(expected: "at most \(IMAPURL.octetLimit) octets of URL")
        }
        var rest = URLOctets(Array(text.utf8)[...])
        if rest.skip("imap://") {
            form = .absolute(try rest.server())
        } else if rest.skip("//") {
            form = .networkPath(try rest.server())
        } else if rest.skip("/") {
            form = .absolutePath
            target = try rest.command(isRelative: false)
            return
        } else {
            guard !rest.octets.prefix(while: { $0 != UInt8(ascii: "/") }).contains(UInt8(ascii: ":")) else {
                throw IMAPURLError(expected: "the scheme imap")
            }
            form = .relativePath
            target = try rest.command(isRelative: true)
            return
        }
        guard !rest.octets.isEmpty else {
            target = .server
            return
        }
        guard rest.skip("/") else { throw IMAPURLError(expected: "\"/\" behind the server") }
        target = try rest.command(isRelative: false)
    }

    /// The text of a URL with a verifier without that: what the verifier was made over (RFC 4467, 6). Nothing else of it
    /// changes, neither case nor percent-encoding. Nil when the URL has no verifier.
    public static func rump(of text: String) -> String? {
        guard let url = try? IMAPURL(parsing: text), case .message(let message) = url.target,
            let verifier = message.authorization?.verifier
        else { return nil }
        return String(decoding: text.utf8.dropLast(verifier.text.utf8.count), as: UTF8.self)
    }
}

/// What is left of a URL.
private struct URLOctets {
    private(set) var octets: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) { self.octets = octets }

    /// Goes past a text if it is the next, whatever its case.
    mutating func skip(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard octets.count >= count,
            text.withUTF8Buffer({ expected in
                zip(octets, expected).allSatisfy { lowercased($0) == lowercased($1) }
            })
        else { return false }
        octets = octets.dropFirst(count)
        return true
    }

    /// Everything before the first of these octets.
    mutating func take(until stops: String) -> ArraySlice<UInt8> {
        let taken = octets.prefix { !stops.utf8.contains($0) }
        octets = octets.dropFirst(taken.count)
        return taken
    }

    /// `iserver`
    mutating func server() throws(IMAPURLError) -> IMAPURLServer {
        var authority = URLOctets(take(until: "/?"))
        var server = IMAPURLServer(host: "")
        if authority.octets.contains(UInt8(ascii: "@")) {
            var info = URLOctets(authority.take(until: "@"))
            authority.octets = authority.octets.dropFirst()
            let user = info.take(until: ";")
            if !user.isEmpty { server.user = try text(of: user, "a user") }
            if info.skip(";AUTH=") {
                guard !info.octets.isEmpty else { throw IMAPURLError(expected: "a mechanism behind \";AUTH=\"") }
                server.mechanism = try text(of: info.octets, "a mechanism")
            } else if user.isEmpty || !info.octets.isEmpty {
                throw IMAPURLError(expected: "a user before \"@\"")
            }
        }
        let host: ArraySlice<UInt8>
        if authority.octets.first == UInt8(ascii: "[") {
            host = authority.octets.prefix { $0 != UInt8(ascii: "]") } + [UInt8(ascii: "]")]
            guard authority.octets.count >= host.count,
                host.dropFirst().dropLast().allSatisfy({ IMAPURLOctets.achar($0) || $0 == UInt8(ascii: ":") }),
                host.count > 2
            else { throw IMAPURLError(expected: "an address in brackets") }
            authority.octets = authority.octets.dropFirst(host.count)
        } else {
            host = authority.take(until: ":")
            guard !host.isEmpty else { throw IMAPURLError(expected: "a server's name") }
            _ = try decoded(host, "a server's name", IMAPURLOctets.achar)
        }
        server.host = String(decoding: host, as: UTF8.self)
        if authority.skip(":"), !authority.octets.isEmpty {
            guard authority.octets.allSatisfy({ $0 &- 0x30 < 10 }),
                let port = UInt16(String(decoding: authority.octets, as: UTF8.self))
            else { throw IMAPURLError(expected: "a port") }
            server.port = port
        } else if !authority.octets.isEmpty {
            throw IMAPURLError(expected: "a port, or the end of the server's name")
        }
        return server
    }

    /// `[icommand]`, or `irelative-path`
    mutating func command(isRelative: Bool) throws(IMAPURLError) -> IMAPURLTarget {
        guard !octets.isEmpty else { return .server }
        var path = URLOctets(take(until: "?"))
        path.octets = try withoutDotSegments(path.octets, isRelative: isRelative)
        if path.octets.isEmpty, octets.isEmpty { return .server }
        var name = path.take(until: ";")
        let hasSlash = name.last == UInt8(ascii: "/")
        var mailbox: IMAPURLMailbox?
        if path.skip(";UIDVALIDITY=") {
            mailbox = IMAPURLMailbox(try mailboxName(name), uidValidity: try path.nonZeroNumber("a UIDVALIDITY"))
            guard path.octets.isEmpty || (path.skip("/") && !path.octets.isEmpty) else {
                throw IMAPURLError(expected: "\"/;UID=\" or the end behind UIDVALIDITY")
            }
        } else if path.octets.isEmpty {
            mailbox = IMAPURLMailbox(try mailboxName(name))
        } else if !name.isEmpty {
            guard hasSlash else { throw IMAPURLError(expected: "\"/\" between a mailbox and \";\"") }
            name = name.dropLast()
            mailbox = IMAPURLMailbox(try mailboxName(name))
        }
        if path.octets.isEmpty, let mailbox {
            guard skip("?") else { return .messages(in: mailbox) }
            guard !octets.isEmpty else { throw IMAPURLError(expected: "search keys behind \"?\"") }
            return .messages(in: mailbox, search: try decoded(octets, "search keys", IMAPURLOctets.bchar))
        }
        guard octets.isEmpty else { throw IMAPURLError(expected: "no \"?\" behind a message") }
        guard mailbox != nil || isRelative else { throw IMAPURLError(expected: "a mailbox's name") }
        return .message(try path.message(in: mailbox, isRelative: isRelative))
    }

    /// What stands behind a mailbox and its slash.
    private mutating func message(
        in mailbox: IMAPURLMailbox?, isRelative: Bool
    ) throws(IMAPURLError) -> IMAPURLMessage {
        var message = IMAPURLMessage(mailbox: mailbox, uid: nil)
        var isFirst = true
        if skip(";UID=") {
            message.uid = try nonZeroNumber("a uid")
            isFirst = false
        } else if mailbox != nil {
            throw IMAPURLError(expected: "\";UID=\"")
        }
        if skip(isFirst ? ";SECTION=" : "/;SECTION=") {
            var section = take(until: ";")
            if octets.starts(with: ";PARTIAL=".utf8, by: { uppercased($0) == $1 }) {
                guard section.last == UInt8(ascii: "/") else {
                    throw IMAPURLError(expected: "\"/\" before \";PARTIAL=\"")
                }
                section = section.dropLast()
                message.section = try self.section(section)
                message.partial = try partial(";PARTIAL=")
            } else {
                message.section = try self.section(section)
            }
            isFirst = false
        } else if octets.starts(with: (isFirst ? ";PARTIAL=" : "/;PARTIAL=").utf8, by: { uppercased($0) == $1 }) {
            message.partial = try partial(isFirst ? ";PARTIAL=" : "/;PARTIAL=")
            isFirst = false
        }
        if !isRelative, !octets.isEmpty { message.authorization = try authorization() }
        guard octets.isEmpty, !isFirst else {
            throw IMAPURLError(expected: "\"/;UID=\", \"/;SECTION=\" or \"/;PARTIAL=\", in this order")
        }
        return message
    }

    /// `enc-section`
    private func section(_ encoded: ArraySlice<UInt8>) throws(IMAPURLError) -> BodySection {
        let octets = try decoded(encoded, "a section", IMAPURLOctets.bchar)
        guard !octets.isEmpty else { throw IMAPURLError(expected: "a section") }
        let bracketed = ByteBuffer(bytes: [UInt8(ascii: "[")] + octets + [UInt8(ascii: "]")])
        let result = ByteCursor.parse(bracketed, limits: ParsingLimits(), encoding: .utf8) {
            (cursor: inout ByteCursor) throws(SyntaxError) -> BodySection in
            let section = try cursor.section()
            guard cursor.isAtEnd else { throw cursor.failure("the end of a section") }
            return section
        }
        guard case .success(let section) = result else { throw IMAPURLError(expected: "a section") }
        return section
    }

    /// `partial-range` behind its name
    private mutating func partial(_ name: StaticString) throws(IMAPURLError) -> IMAPURLPartial {
        _ = skip(name)
        let offset = try number("an offset")
        let count = skip(".") ? try number("a count") : nil
        guard let partial = IMAPURLPartial(offset: offset, count: count) else {
            throw IMAPURLError(expected: "a count greater than 0")
        }
        return partial
    }

    /// `iurlauth`, or `iurlauth-rump`
    private mutating func authorization() throws(IMAPURLError) -> IMAPURLAuthorization {
        var expiry: DateTime?
        if skip(";EXPIRE=") { expiry = try internetDateTime() }
        guard skip(";URLAUTH=") else { throw IMAPURLError(expected: "\";URLAUTH=\"") }
        let access: IMAPURLAccess
        if skip("submit+") {
            access = .submit(try text(of: take(until: ":"), "a user"))
        } else if skip("user+") {
            access = .user(try text(of: take(until: ":"), "a user"))
        } else if skip("authuser") {
            access = .authenticatedUser
        } else if skip("anonymous") {
            access = .anonymous
        } else {
            throw IMAPURLError(expected: "submit+, user+, authuser or anonymous")
        }
        var authorization = IMAPURLAuthorization(expiry: expiry, access: access)
        if skip(":") {
            let mechanism = String(decoding: take(until: ":"), as: UTF8.self)
            guard skip(":"),
                let verifier = IMAPURLVerifier(
                    mechanism: mechanism, token: String(decoding: octets, as: UTF8.self))
            else { throw IMAPURLError(expected: "a mechanism, \":\" and 32 hexadecimal digits or more") }
            authorization.verifier = verifier
            octets = []
        }
        return authorization
    }

    /// `date-time` of RFC 3339, 5.6. Fractions of a second are passed over.
    private mutating func internetDateTime() throws(IMAPURLError) -> DateTime {
        let year = try digits(4)
        try expect("-")
        let month = try digits(2)
        try expect("-")
        let day = try digits(2)
        try expect("T")
        let hour = try digits(2)
        try expect(":")
        let minute = try digits(2)
        try expect(":")
        let second = try digits(2)
        if skip(".") {
            _ = try digits(1)
            while let octet = octets.first, octet &- 0x30 < 10 { octets = octets.dropFirst() }
        }
        var zone = 0
        if !skip("Z") {
            let isWest = skip("-")
            if !isWest { try expect("+") }
            let hours = try digits(2)
            try expect(":")
            let minutes = try digits(2)
            guard hours < 24, minutes < 60 else { throw IMAPURLError(expected: "a zone that exists") }
            zone = (hours * 60 + minutes) * (isWest ? -1 : 1)
        }
        guard let date = CalendarDate(year: year, month: month, day: day),
            let value = DateTime(date: date, hour: hour, minute: minute, second: second, zoneMinutes: zone)
        else { throw IMAPURLError(expected: "a date and time that exists") }
        return value
    }

    // MARK: Pieces

    private mutating func expect(_ text: StaticString) throws(IMAPURLError) {
        guard skip(text) else { throw IMAPURLError(expected: "\"\(text)\" in a date and time") }
    }

    private mutating func digits(_ count: Int) throws(IMAPURLError) -> Int {
        var value = 0
        for _ in 0..<count {
            guard let octet = octets.first, octet &- 0x30 < 10 else {
                throw IMAPURLError(expected: "a date and time of RFC 3339")
            }
            value = value * 10 + Int(octet &- 0x30)
            octets = octets.dropFirst()
        }
        return value
    }

    /// `number` of 63 bits
    private mutating func number(_ expected: String) throws(IMAPURLError) -> UInt64 {
        let found = octets.prefix { $0 &- 0x30 < 10 }
        guard !found.isEmpty, let value = UInt64(String(decoding: found, as: UTF8.self)),
            value <= UInt64(Int64.max)
        else { throw IMAPURLError(expected: expected) }
        octets = octets.dropFirst(found.count)
        return value
    }

    /// `nz-number`
    private mutating func nonZeroNumber(_ expected: String) throws(IMAPURLError) -> UInt32 {
        guard octets.first != UInt8(ascii: "0"), let value = UInt32(exactly: try number(expected)) else {
            throw IMAPURLError(expected: expected)
        }
        return value
    }

    /// `enc-mailbox`: UTF-8 without control characters and line separators, as in commands (RFC 9051, 5.1; RFC 6855, 3).
    private func mailboxName(_ encoded: ArraySlice<UInt8>) throws(IMAPURLError) -> MailboxName {
        let octets = try decoded(encoded, "a mailbox's name", IMAPURLOctets.bchar)
        guard !octets.isEmpty, let name = String(validating: octets, as: UTF8.self),
            name.unicodeScalars.allSatisfy({
                $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0.value != 0x2028 && $0.value != 0x2029
            })
        else { throw IMAPURLError(expected: "a mailbox's name") }
        return MailboxName(name)
    }

    /// A user's or mechanism's name, of UTF-8 and not empty.
    private func text(of encoded: ArraySlice<UInt8>, _ expected: String) throws(IMAPURLError) -> String {
        let octets = try decoded(encoded, expected, IMAPURLOctets.achar)
        guard !octets.isEmpty, let text = String(validating: octets, as: UTF8.self) else {
            throw IMAPURLError(expected: expected)
        }
        return text
    }

    /// Undoes percent-encoding. Octets that are not encoded must be of a class.
    private func decoded(
        _ encoded: ArraySlice<UInt8>, _ expected: String, _ allows: (UInt8) -> Bool
    ) throws(IMAPURLError) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(encoded.count)
        var index = encoded.startIndex
        while index < encoded.endIndex {
            let octet = encoded[index]
            if octet == UInt8(ascii: "%") {
                guard encoded.endIndex - index > 2, let high = hexadecimalValue(of: encoded[index + 1]),
                    let low = hexadecimalValue(of: encoded[index + 2])
                else { throw IMAPURLError(expected: "two hexadecimal digits behind \"%\"") }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                guard allows(octet) else { throw IMAPURLError(expected: "\(expected), percent-encoded") }
                decoded.append(octet)
                index += 1
            }
        }
        return decoded
    }

    /// Takes the steps down and up a path (RFC 3986, 5.2.4). A relative path with such steps is not taken.
    private func withoutDotSegments(
        _ path: ArraySlice<UInt8>, isRelative: Bool
    ) throws(IMAPURLError) -> ArraySlice<UInt8> {
        let segments = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        func steps(_ segment: ArraySlice<UInt8>) -> Int? {
            segment.elementsEqual(".".utf8) ? 0 : segment.elementsEqual("..".utf8) ? 1 : nil
        }
        guard segments.contains(where: { steps($0) != nil }) else { return path }
        guard !isRelative else { throw IMAPURLError(expected: "a path without \".\" and \"..\"") }
        var kept: [ArraySlice<UInt8>] = []
        for segment in segments {
            guard let steps = steps(segment) else {
                kept.append(segment)
                continue
            }
            if steps == 1 { _ = kept.popLast() }
        }
        return ArraySlice(kept.joined(separator: [UInt8(ascii: "/")]))
    }
}
