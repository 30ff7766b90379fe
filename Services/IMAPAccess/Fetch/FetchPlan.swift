import Contracts
import IMAPSyntax
import MailMessage

/// What a FETCH needs from storage, decided once for all its messages.
struct FetchPlan: Sendable {
    /// How the messages' octets come.
    enum Octets: Sendable, Equatable {
        /// None are needed: the view, or what storage keeps ready, answers.
        case none
        /// Only the header of the message itself.
        case header
        /// The whole message, when it has no more than so many octets; a larger one is asked for by itself.
        case whole(upTo: Int)
    }

    /// An attribute, and where its octets come from; no source for one that needs none.
    struct Item: Sendable {
        let attribute: FetchAttribute
        let source: SectionSource?
    }

    /// In the client's order; the uid first when UID FETCH did not name it, unless the response begins with it.
    let items: [Item]
    let octets: Octets
    /// Whether storage is asked at all.
    let needsStorage: Bool
    /// Whether `\Seen` is set (RFC 9051, 6.4.5).
    let setsSeen: Bool
    private let needsEnvelope: Bool
    private let needsBodyStructure: Bool
    private let needsBody: Bool
    private let needsIndex: Bool
    private let needsRowOnly: Bool

    /// Messages of no more than this come whole; of larger ones what is wanted.
    static let wholeOctets = 256 * 1024
    /// The same when only a part of what a message holds is wanted of each.
    private static let partialOctets = 16 * 1024

    /// `byUIDOnly` when responses begin with the uid (RFC 9586, 3.3).
    init(_ command: FetchCommand, byUIDOnly: Bool = false) {
        var attributes = command.attributes
        if command.numbering == .uids, !byUIDOnly, !attributes.contains(.uid) { attributes.insert(.uid, at: 0) }
        // RFC 7162, 3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
        if command.changedSince != nil, !attributes.contains(.modificationSequence) {
            attributes.append(.modificationSequence)
        }
        items = attributes.map { Item(attribute: $0, source: SectionSource($0)) }
        needsEnvelope = attributes.contains(.envelope)
        needsBodyStructure = attributes.contains(.bodyStructure)
        needsBody = attributes.contains(.body)
        setsSeen = attributes.contains(where: \.setsSeen)
        let sources = items.compactMap(\.source)
        needsIndex = sources.contains(where: \.needsIndex)
        if sources.isEmpty {
            octets = .none
        } else if sources.allSatisfy(\.isMessageHeader) {
            octets = .header
        } else {
            octets = .whole(upTo: sources.allSatisfy { $0.partial != nil } ? Self.partialOctets : Self.wholeOctets)
        }
        let needsContents = needsEnvelope || needsBodyStructure || needsBody || octets != .none
        let needsRow = attributes.contains(.emailID) || attributes.contains(.saveDate)
        needsRowOnly = needsRow && !needsContents
        needsStorage = needsRow || needsContents
    }

    func has(_ attribute: FetchAttribute) -> Bool { items.contains { $0.attribute == attribute } }

    /// Asks for what is needed of each message.
    func choose(_ request: inout FetchRequest) {
        request.envelope = needsEnvelope
        request.bodyStructure = needsBodyStructure
        request.body = needsBody
        request.mimeIndex = needsIndex
        request.header = octets == .header
        if case .whole(let limit) = octets { request.wholeOctets = Int64(limit) }
        request.rowOnly = needsRowOnly
    }
}

/// Where the octets of an attribute come from.
struct SectionSource: Sendable {
    enum Kind: Sendable {
        case text(BodySection)
        /// Decoded from its transfer encoding (RFC 3516).
        case binary([UInt32])
        case binarySize([UInt32])
    }

    let kind: Kind
    let partial: PartialRange?
    /// How the answer names them; nil for BINARY.SIZE.
    let label: FetchOctetsLabel?
    /// Which fields of the header are wanted; nil for all octets.
    let fields: HeaderFieldChoice?

    /// Nil for attributes that need no octets.
    init?(_ attribute: FetchAttribute) {
        switch attribute {
        case .rfc822: (kind, partial) = (.text(.whole), nil)
        case .rfc822Header: (kind, partial) = (.text(BodySection(text: .header)), nil)
        case .rfc822Text: (kind, partial) = (.text(BodySection(text: .text)), nil)
        case .section(let section, _, let range): (kind, partial) = (.text(section), range)
        case .binary(let part, _, let range): (kind, partial) = (.binary(part), range)
        case .binarySize(let part): (kind, partial) = (.binarySize(part), nil)
        case .envelope, .flags, .internalDate, .uid, .rfc822Size, .body, .bodyStructure, .modificationSequence,
            .emailID,
            .threadID, .saveDate, .preview:
            return nil
        }
        label = FetchOctetsLabel(attribute)
        if case .text(let section) = kind { fields = section.text?.chosenFields } else { fields = nil }
    }

    /// A part's place is in the MIME index.
    var needsIndex: Bool {
        switch kind {
        case .text(let section): !section.part.isEmpty
        case .binary(let part), .binarySize(let part): !part.isEmpty
        }
    }

    /// HEADER and its fields, of the message itself.
    var isMessageHeader: Bool {
        guard case .text(let section) = kind, section.part.isEmpty else { return false }
        switch section.text {
        case .header, .headerFields, .headerFieldsNot: return true
        case .text, .mime, nil: return false
        }
    }

    /// The part's numbers, for the MIME index.
    static func path(_ part: [UInt32]) -> [Int] { part.map { Int($0) } }
}
