import Contracts
import NIOCore

/// What SORT needs of an ENVELOPE as storage keeps it: in IMAP's syntax (RFC 9051, 7.5.2 and 9), raw.
struct EnvelopeFields: Equatable, Sendable {
    /// One address, or the begin of a group.
    struct Address: Equatable, Sendable {
        var name: [UInt8]?
        /// The local part, or a group's name.
        var mailbox: [UInt8]?
        /// Nil at the begin of a group.
        var host: [UInt8]?
    }

    var date: [UInt8]?
    var subject: [UInt8]?
    /// The first address of each list; nil when the list is NIL.
    var from: Address?
    var to: Address?
    var cc: Address?

    /// An envelope that says nothing.
    init() {}

    /// Those of a message with its envelope; they say nothing when it cannot be read.
    init(of message: FetchedMessage) {
        self = message.envelope.flatMap { EnvelopeFields(Array($0.readableBytesView)) } ?? EnvelopeFields()
    }

    /// Nil when the octets are no ENVELOPE.
    init?(_ octets: [UInt8]) {
        var scanner = EnvelopeScanner(octets: octets)
        do {
            try scanner.expect(UInt8(ascii: "("))
            date = try scanner.nilOrString()
            try scanner.expect(0x20)
            subject = try scanner.nilOrString()
            from = try scanner.firstAddress()
            try scanner.skipAddresses()
            try scanner.skipAddresses()
            to = try scanner.firstAddress()
            cc = try scanner.firstAddress()
        } catch {
            return nil
        }
    }
}

private struct EnvelopeScanner {
    struct Malformed: Error {}

    let octets: [UInt8]
    private(set) var position = 0

    init(octets: [UInt8]) { self.octets = octets }

    private var next: UInt8? { position < octets.count ? octets[position] : nil }

    mutating func expect(_ octet: UInt8) throws(Malformed) {
        guard next == octet else { throw Malformed() }
        position += 1
    }

    /// `SP` and a list of addresses, or NIL.
    mutating func firstAddress() throws(Malformed) -> EnvelopeFields.Address? {
        try expect(0x20)
        guard next == UInt8(ascii: "(") else {
            try absent()
            return nil
        }
        position += 1
        try expect(UInt8(ascii: "("))
        var address = EnvelopeFields.Address()
        address.name = try nilOrString()
        try expect(0x20)
        _ = try nilOrString()
        try expect(0x20)
        address.mailbox = try nilOrString()
        try expect(0x20)
        address.host = try nilOrString()
        try expect(UInt8(ascii: ")"))
        try skip(depth: 1)
        return address
    }

    /// `SP` and a list of addresses, or NIL, unread.
    mutating func skipAddresses() throws(Malformed) {
        try expect(0x20)
        guard next == UInt8(ascii: "(") else { return try absent() }
        position += 1
        try skip(depth: 1)
    }

    /// Goes behind so many closing parentheses, and all that stands before them.
    private mutating func skip(depth: Int) throws(Malformed) {
        var depth = depth
        while depth > 0 {
            switch next {
            case UInt8(ascii: "("):
                depth += 1
                position += 1
            case UInt8(ascii: ")"):
                depth -= 1
                position += 1
            case UInt8(ascii: "\""), UInt8(ascii: "{"): _ = try string()
            case nil: throw Malformed()
            default: position += 1
            }
        }
    }

    private mutating func absent() throws(Malformed) {
        for octet in "NIL".utf8 { try expect(octet) }
    }

    mutating func nilOrString() throws(Malformed) -> [UInt8]? {
        if next == UInt8(ascii: "N") {
            try absent()
            return nil
        }
        return try string()
    }

    /// A quoted string or a literal.
    private mutating func string() throws(Malformed) -> [UInt8] {
        if next == UInt8(ascii: "{") { return try literal() }
        try expect(UInt8(ascii: "\""))
        var content: [UInt8] = []
        while let octet = next {
            position += 1
            if octet == UInt8(ascii: "\"") { return content }
            if octet == UInt8(ascii: "\\"), let escaped = next {
                content.append(escaped)
                position += 1
            } else {
                content.append(octet)
            }
        }
        throw Malformed()
    }

    private mutating func literal() throws(Malformed) -> [UInt8] {
        position += 1
        var count = 0
        while let octet = next, octet &- 0x30 < 10 {
            count = count * 10 + Int(octet &- 0x30)
            guard count <= octets.count else { throw Malformed() }
            position += 1
        }
        for octet in "}\r\n".utf8 { try expect(octet) }
        guard count <= octets.count - position else { throw Malformed() }
        defer { position += count }
        return Array(octets[position..<position + count])
    }
}
