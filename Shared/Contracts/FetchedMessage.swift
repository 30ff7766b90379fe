import Messaging
import NIOCore

/// One message of a `FetchPage`, with what was asked for of its contents; nil is what was not.
public struct FetchedMessage: Sendable, Equatable {
    /// Its uid in the mailbox.
    public var uid: UInt32
    /// Octets of Martlet's own trace fields before the message as received: offsets of the MIME index plus this are
    /// offsets in the stored message.
    public var prefixOctets: Int64 = 0
    /// Octets of the header block as received, with its empty line.
    public var headerOctets: Int64 = 0
    /// All octets of the stored message: RFC822.SIZE.
    public var octets: Int64 = 0
    /// The same for all messages that say the same (RFC 8474, 5.1).
    public var contentID: Int64 = 0
    /// When it was saved in this mailbox, microseconds since 1970-01-01 UTC; 0 when that was before it was kept.
    public var savedAt: Int64 = 0
    /// ENVELOPE in IMAP's syntax (RFC 9051, 7.5.2).
    public var envelope: ByteBuffer?
    /// BODYSTRUCTURE in IMAP's syntax.
    public var bodyStructure: ByteBuffer?
    /// BODY in IMAP's syntax.
    public var body: ByteBuffer?
    /// Where the MIME parts lie, in the form of the MailMessage library.
    public var mimeIndex: ByteBuffer?
    /// Our own trace fields and the header block.
    public var header: ByteBuffer?
    /// The whole message; nil also when it is larger than was asked for.
    public var whole: ByteBuffer?

    /// A message of which nothing else is known yet.
    public init(uid: UInt32) { self.uid = uid }

    /// The entry of a column.
    public subscript(_ kind: FetchColumnKind) -> ByteBuffer? {
        get {
            switch kind {
            case .envelope: envelope
            case .bodyStructure: bodyStructure
            case .body: body
            case .mimeIndex: mimeIndex
            case .header: header
            case .whole: whole
            case .unspecified, .UNRECOGNIZED: nil
            }
        }
        set {
            switch kind {
            case .envelope: envelope = newValue
            case .bodyStructure: bodyStructure = newValue
            case .body: body = newValue
            case .mimeIndex: mimeIndex = newValue
            case .header: header = newValue
            case .whole: whole = newValue
            case .unspecified, .UNRECOGNIZED: break
            }
        }
    }
}

extension FetchRequest {
    /// The columns that are asked for, in the order in which a page has them.
    public var kinds: [FetchColumnKind] {
        if rowOnly { return [] }
        var kinds: [FetchColumnKind] = []
        if envelope { kinds.append(.envelope) }
        if bodyStructure { kinds.append(.bodyStructure) }
        if body { kinds.append(.body) }
        if mimeIndex { kinds.append(.mimeIndex) }
        if header { kinds.append(.header) }
        if wholeOctets > 0 { kinds.append(.whole) }
        return kinds
    }
}

extension FetchPage {
    /// The page's messages; their entries are parts of the payload's frames, not copies. Throws when page and payload do
    /// not fit together.
    public func messages(_ payload: [ByteBuffer]) throws(MessagingError) -> [FetchedMessage] {
        let count = uids.count
        guard prefixOctets.count == count, headerOctets.count == count, octets.count == count,
            contentIds.count == count, savedAt.count == count, payload.count == columns.count
        else { throw Self.malformed }
        var messages: [FetchedMessage] = []
        messages.reserveCapacity(count)
        for index in 0..<count {
            var message = FetchedMessage(uid: uids[index])
            message.prefixOctets = prefixOctets[index]
            message.headerOctets = headerOctets[index]
            message.octets = octets[index]
            message.contentID = contentIds[index]
            message.savedAt = savedAt[index]
            messages.append(message)
        }
        for (column, var frame) in zip(columns, payload) {
            guard column.lengths.count == count else { throw Self.malformed }
            for (index, length) in column.lengths.enumerated() {
                guard let entry = frame.readSlice(length: Int(length)) else { throw Self.malformed }
                if column.kind == .whole, Int64(length) != messages[index].octets { continue }
                messages[index][column.kind] = entry
            }
            guard frame.readableBytes == 0 else { throw Self.malformed }
        }
        return messages
    }

    private static var malformed: MessagingError { MessagingError(.failed, "a page of messages cannot be read") }

    /// A page of these messages with its payload. A message without an entry of a column has an empty one.
    public static func page(
        of messages: [FetchedMessage], _ kinds: [FetchColumnKind]
    ) -> (page: FetchPage, payload: [ByteBuffer]) {
        var page = FetchPage()
        page.uids = messages.map(\.uid)
        page.prefixOctets = messages.map(\.prefixOctets)
        page.headerOctets = messages.map(\.headerOctets)
        page.octets = messages.map(\.octets)
        page.contentIds = messages.map(\.contentID)
        page.savedAt = messages.map(\.savedAt)
        var payload: [ByteBuffer] = []
        for kind in kinds {
            var column = FetchColumn()
            column.kind = kind
            var frame = ByteBuffer()
            for message in messages {
                let entry = message[kind] ?? ByteBuffer()
                column.lengths.append(UInt32(clamping: entry.readableBytes))
                frame.writeImmutableBuffer(entry)
            }
            page.columns.append(column)
            payload.append(frame)
        }
        return (page, payload)
    }
}
