import Contracts
import IMAPSyntax
import MailMessage
import NIOCore

/// Where the sections of one stored message lie. The message is kept as `prefix + header + body`; the MIME index counts
/// from the first octet after the prefix.
struct StoredMessage: Sendable {
    /// All of it: RFC822.SIZE.
    let octets: Int
    private let prefixOctets: Int
    private let headerOctets: Int
    private let index: MIMEIndex?

    /// Throws when the index cannot be read.
    init(_ message: FetchedMessage) throws {
        guard let octets = Int(exactly: message.octets), let prefix = Int(exactly: message.prefixOctets),
            let header = Int(exactly: message.headerOctets), octets >= 0, prefix >= 0, header >= 0,
            prefix <= octets, header <= octets - prefix
        else { throw Refusal.serverBug }
        self.octets = octets
        prefixOctets = prefix
        headerOctets = header
        let index = message.mimeIndex?.readableBytesView ?? ByteBufferView()
        self.index = index.isEmpty ? nil : try MIMEIndex(decoding: index)
    }

    /// The message's own header, our trace fields before it.
    var header: Range<Int> { 0..<(prefixOctets + headerOctets) }

    /// The octets of a section before HEADER.FIELDS chooses among them; nil when there is no such part.
    func range(of section: BodySection) -> Range<Int>? {
        if section.part.isEmpty {
            switch section.text {
            case nil: return 0..<octets
            case .header, .headerFields, .headerFieldsNot: return header
            case .text: return header.upperBound..<octets
            case .mime: return nil
            }
        }
        let content: SectionContent =
            switch section.text {
            case nil: .body
            case .header, .headerFields, .headerFieldsNot: .header
            case .text: .text
            case .mime: .mime
            }
        return index?.octets(of: SectionSource.path(section.part), content).flatMap(stored)
    }

    /// A part whose transfer encoding can be undone, and its octets; nil when there is no such part.
    func binaryPart(_ part: [UInt32]) -> (encoding: TransferEncoding, range: Range<Int>)? {
        if part.isEmpty { return (.binary, 0..<octets) }
        guard let found = index?.part(at: SectionSource.path(part)), let range = stored(found.body) else { return nil }
        // Only a leaf is encoded as a whole; the parts of others are encoded each for itself (RFC 2045, 6.4).
        return (found.structure == .leaf ? found.encoding : .binary, range)
    }

    /// The parts that hold text, for SEARCH.
    var parts: [(part: MIMEPart, body: Range<Int>)] {
        (index?.parts ?? []).compactMap { part in
            stored(part.body).map { (part, $0) }
        }
    }

    /// The headers of the parts, the message's own included.
    var headers: [Range<Int>] {
        guard let index else { return [] }
        return index.parts.compactMap { stored($0.header) }
    }

    private func stored(_ range: Range<Int>) -> Range<Int>? {
        let lower = range.lowerBound + prefixOctets
        let upper = range.upperBound + prefixOctets
        return lower >= 0 && upper <= octets ? lower..<upper : nil
    }
}

extension SectionText {
    /// The chosen fields, when not all of the header is meant.
    var chosenFields: HeaderFieldChoice? {
        switch self {
        case .headerFields(let names): HeaderFieldChoice(names: names.map(\.utf8), excluding: false)
        case .headerFieldsNot(let names): HeaderFieldChoice(names: names.map(\.utf8), excluding: true)
        case .header, .text, .mime: nil
        }
    }
}
