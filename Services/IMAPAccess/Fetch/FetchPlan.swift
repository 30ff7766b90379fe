import Contracts
import IMAPSyntax

/// What a FETCH needs from storage, decided once for all its messages.
struct FetchPlan: Sendable {
    /// How the messages' octets come.
    enum Octets: Sendable, Equatable {
        /// None are needed: the view, or what storage keeps ready, answers.
        case none
        /// Only the header of the message itself: it comes with the item, for many messages at once.
        case headers
        /// Ranges of each message.
        case ranges
    }

    /// In the client's order; the uid first when UID FETCH did not name it.
    let attributes: [FetchAttribute]
    let octets: Octets
    /// Whether storage's `fetch` is asked at all.
    let needsItems: Bool
    /// Whether `\Seen` is set (RFC 9051, 6.4.5).
    let setsSeen: Bool
    private let needsEnvelope: Bool
    private let needsBodyStructure: Bool
    private let needsBody: Bool
    private let needsIndex: Bool
    private let needsRowOnly: Bool

    init(_ command: FetchCommand) {
        var attributes = command.attributes
        if command.numbering == .uids, !attributes.contains(.uid) { attributes.insert(.uid, at: 0) }
        // RFC 7162, 3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
        if command.changedSince != nil, !attributes.contains(.modificationSequence) {
            attributes.append(.modificationSequence)
        }
        self.attributes = attributes
        needsEnvelope = attributes.contains(.envelope)
        needsBodyStructure = attributes.contains(.bodyStructure)
        needsBody = attributes.contains(.body)
        setsSeen = attributes.contains(where: \.setsSeen)
        let sources = attributes.compactMap(SectionSource.init)
        needsIndex = sources.contains(where: \.needsIndex)
        if sources.isEmpty {
            octets = .none
        } else if sources.allSatisfy(\.isMessageHeader) {
            octets = .headers
        } else {
            octets = .ranges
        }
        let needsContents =
            needsEnvelope || needsBodyStructure || needsBody || needsIndex || octets == .headers
            || sources.contains(where: \.needsHeaderLength)
        let needsRow = attributes.contains(.emailID) || attributes.contains(.saveDate)
        needsRowOnly = needsRow && !needsContents
        needsItems = needsRow || needsContents
    }

    /// The request for these messages, as pairs of first and last uid.
    func request(accountID: Int64, mailboxID: Int64, uids: [UInt32]) -> FetchRequest {
        var request = FetchRequest()
        request.accountID = accountID
        request.mailboxID = mailboxID
        request.uids = uids
        request.envelope = needsEnvelope
        request.bodyStructure = needsBodyStructure
        request.body = needsBody
        request.mimeIndex = needsIndex
        request.header = octets == .headers
        request.rowOnly = needsRowOnly
        return request
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
            .threadID, .saveDate:
            return nil
        }
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

    /// Where the header ends must be known.
    var needsHeaderLength: Bool {
        guard case .text(let section) = kind, section.part.isEmpty else { return false }
        return section.text != nil
    }

    /// The part's numbers, for the MIME index.
    static func path(_ part: [UInt32]) -> [Int] { part.map { Int($0) } }
}
