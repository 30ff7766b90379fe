/// Why octets are no MIME index.
public enum MIMEIndexError: Error, Sendable, Hashable {
    /// Written in a form that this release does not know.
    case unknownVersion(UInt8)
    /// The octets end too early, contradict themselves, or go on behind the end.
    case malformed
}

// The binary form: one octet of version, the number of parts, then each part in preorder. Numbers are unsigned LEB128,
// strings have their length in front. A header begins a distance behind the header of the part before, and the body
// begins where the header ends.
//
// A decoded index is as sound as a parsed one: children lie inside their parents, a message has one child, a multipart
// has at least one, so that those who walk the tree need no checks of their own.

private let codecVersion: UInt8 = 1

private enum Presence {
    static let structureMask = 0b11
    static let contentID = 1 << 2
    static let description = 1 << 3
    static let md5 = 1 << 4
    static let disposition = 1 << 5
    static let languages = 1 << 6
    static let location = 1 << 7
    static let envelope = 1 << 8
}

extension MIMEIndex {
    /// The compact binary form that storage keeps.
    public func encoded() -> [UInt8] {
        var writer = IndexWriter()
        writer.octets.append(codecVersion)
        writer.number(parts.count)
        var lastHeader = 0
        for (position, part) in parts.enumerated() {
            writer.part(part, subtree: part.subtreeEnd - position, headerDistance: part.header.lowerBound - lastHeader)
            lastHeader = part.header.lowerBound
        }
        return writer.octets
    }

    /// Reads the binary form.
    public init(decoding octets: some Collection<UInt8>) throws(MIMEIndexError) {
        var reader = IndexReader(octets: Array(octets))
        let version = try reader.octet()
        guard version == codecVersion else { throw .unknownVersion(version) }
        let count = try reader.count()
        guard count > 0 else { throw .malformed }
        var parts: [MIMEPart] = []
        parts.reserveCapacity(count)
        /// Containers that have room for more children.
        var open: [Int] = []
        var lastHeader = 0
        for position in 0..<count {
            while let container = open.last, parts[container].subtreeEnd == position { open.removeLast() }
            let part = try reader.part(at: position, lastHeader: lastHeader)
            lastHeader = part.header.lowerBound
            if let container = open.last {
                let parent = parts[container]
                let isOnlyChild = position == container + 1 && part.subtreeEnd == parent.subtreeEnd
                guard part.subtreeEnd <= parent.subtreeEnd, parent.structure == .multipart || isOnlyChild,
                    part.header.lowerBound >= parent.body.lowerBound, part.body.upperBound <= parent.body.upperBound
                else { throw .malformed }
            } else {
                guard position == 0, part.subtreeEnd == count else { throw .malformed }
            }
            parts.append(part)
            if part.subtreeEnd > position + 1 { open.append(position) }
        }
        guard reader.isAtEnd else { throw .malformed }
        self.init(parts: parts)
    }
}

private struct IndexWriter {
    var octets: [UInt8] = []

    mutating func number(_ number: Int) {
        var rest = UInt64(bitPattern: Int64(number))
        while rest >= 0x80 {
            octets.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        octets.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func string(_ value: [UInt8]) {
        number(value.count)
        octets += value
    }

    mutating func string(_ value: String) {
        number(value.utf8.count)
        octets += value.utf8
    }

    /// Zero for nil, else the length plus one.
    mutating func optional(_ value: [UInt8]?) {
        number(value.map { $0.count + 1 } ?? 0)
        if let value { octets += value }
    }

    mutating func part(_ part: MIMEPart, subtree: Int, headerDistance: Int) {
        var presence = Int(part.structure.rawValue)
        if part.contentID != nil { presence |= Presence.contentID }
        if part.description != nil { presence |= Presence.description }
        if part.md5 != nil { presence |= Presence.md5 }
        if part.disposition != nil { presence |= Presence.disposition }
        if !part.languages.isEmpty { presence |= Presence.languages }
        if part.location != nil { presence |= Presence.location }
        if part.envelope != nil { presence |= Presence.envelope }
        number(presence)
        number(subtree)
        number(headerDistance)
        number(part.header.count)
        number(part.body.count)
        number(part.lineCount)
        string(part.type)
        string(part.subtype)
        parameters(part.parameters)
        switch part.encoding {
        case .sevenBit: octets.append(0)
        case .eightBit: octets.append(1)
        case .binary: octets.append(2)
        case .quotedPrintable: octets.append(3)
        case .base64: octets.append(4)
        case .other(let token):
            octets.append(5)
            string(token)
        }
        if let value = part.contentID { string(value) }
        if let value = part.description { string(value) }
        if let value = part.md5 { string(value) }
        if let value = part.disposition {
            string(value.type)
            parameters(value.parameters)
        }
        if !part.languages.isEmpty {
            number(part.languages.count)
            for language in part.languages { string(language) }
        }
        if let value = part.location { string(value) }
        if let value = part.envelope { envelope(value) }
    }

    private mutating func parameters(_ parameters: [MIMEParameter]) {
        number(parameters.count)
        for parameter in parameters {
            string(parameter.name)
            string(parameter.value)
        }
    }

    private mutating func envelope(_ envelope: Envelope) {
        optional(envelope.date)
        optional(envelope.subject)
        optional(envelope.inReplyTo)
        optional(envelope.messageID)
        for list in [envelope.from, envelope.sender, envelope.replyTo, envelope.to, envelope.cc, envelope.bcc] {
            number(list.count)
            for address in list {
                optional(address.name)
                optional(address.route)
                optional(address.mailbox)
                optional(address.host)
            }
        }
    }
}

private struct IndexReader {
    let octets: [UInt8]
    var position = 0

    init(octets: [UInt8]) {
        self.octets = octets
    }

    /// Far beyond any message, and far from overflow when a few are added.
    private static let numberLimit: UInt64 = 1 << 48

    var isAtEnd: Bool { position == octets.count }

    mutating func octet() throws(MIMEIndexError) -> UInt8 {
        guard position < octets.count else { throw .malformed }
        position += 1
        return octets[position - 1]
    }

    mutating func number() throws(MIMEIndexError) -> Int {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 56 {
            let next = try octet()
            result |= UInt64(next & 0x7F) << shift
            if next < 0x80 {
                guard result <= Self.numberLimit else { throw .malformed }
                return Int(result)
            }
            shift += 7
        }
        throw .malformed
    }

    /// A number of things that take at least one octet each.
    mutating func count() throws(MIMEIndexError) -> Int {
        let count = try number()
        guard count <= octets.count - position else { throw .malformed }
        return count
    }

    mutating func string() throws(MIMEIndexError) -> [UInt8] {
        let length = try count()
        position += length
        return Array(octets[(position - length)..<position])
    }

    mutating func text() throws(MIMEIndexError) -> String {
        String(decoding: try string(), as: UTF8.self)
    }

    mutating func optional() throws(MIMEIndexError) -> [UInt8]? {
        let length = try number()
        guard length > 0 else { return nil }
        guard length - 1 <= octets.count - position else { throw .malformed }
        position += length - 1
        return Array(octets[(position - length + 1)..<position])
    }

    mutating func part(at index: Int, lastHeader: Int) throws(MIMEIndexError) -> MIMEPart {
        var part = MIMEPart()
        let presence = try number()
        guard let structure = MIMEPart.Structure(rawValue: UInt8(presence & Presence.structureMask)) else {
            throw .malformed
        }
        part.structure = structure
        let subtree = try number()
        guard subtree > 0, structure == .leaf ? subtree == 1 : subtree > 1 else { throw .malformed }
        part.subtreeEnd = index + subtree
        let headerStart = lastHeader + (try number())
        guard headerStart <= Self.numberLimit else { throw .malformed }
        let headerEnd = headerStart + (try number())
        part.header = headerStart..<headerEnd
        part.body = headerEnd..<(headerEnd + (try number()))
        part.lineCount = try number()
        part.type = try text()
        part.subtype = try text()
        part.parameters = try parameters()
        part.encoding = try encoding()
        if presence & Presence.contentID != 0 { part.contentID = try string() }
        if presence & Presence.description != 0 { part.description = try string() }
        if presence & Presence.md5 != 0 { part.md5 = try string() }
        if presence & Presence.disposition != 0 {
            part.disposition = ContentDisposition(type: try text(), parameters: try parameters())
        }
        if presence & Presence.languages != 0 {
            for _ in 0..<(try count()) { part.languages.append(try string()) }
        }
        if presence & Presence.location != 0 { part.location = try string() }
        if presence & Presence.envelope != 0 { part.envelope = try envelope() }
        return part
    }

    private mutating func encoding() throws(MIMEIndexError) -> TransferEncoding {
        switch try octet() {
        case 0: return .sevenBit
        case 1: return .eightBit
        case 2: return .binary
        case 3: return .quotedPrintable
        case 4: return .base64
        case 5: return .other(try text())
        case _: throw .malformed
        }
    }

    private mutating func parameters() throws(MIMEIndexError) -> [MIMEParameter] {
        var result: [MIMEParameter] = []
        for _ in 0..<(try count()) {
            let name = try text()
            result.append(MIMEParameter(name: name, value: try string()))
        }
        return result
    }

    private mutating func envelope() throws(MIMEIndexError) -> Envelope {
        var envelope = Envelope()
        envelope.date = try optional()
        envelope.subject = try optional()
        envelope.inReplyTo = try optional()
        envelope.messageID = try optional()
        envelope.from = try addresses()
        envelope.sender = try addresses()
        envelope.replyTo = try addresses()
        envelope.to = try addresses()
        envelope.cc = try addresses()
        envelope.bcc = try addresses()
        return envelope
    }

    private mutating func addresses() throws(MIMEIndexError) -> [MailAddress] {
        var result: [MailAddress] = []
        for _ in 0..<(try count()) {
            let name = try optional()
            let route = try optional()
            let mailbox = try optional()
            result.append(MailAddress(name: name, route: route, mailbox: mailbox, host: try optional()))
        }
        return result
    }
}
