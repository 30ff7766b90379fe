/// The structured header fields that IMAP's ENVELOPE shows (RFC 9051, 7.5.2), raw: unfolded and trimmed, with
/// encoded-words as they stand.
public struct Envelope: Sendable, Hashable {
    /// Date.
    public var date: [UInt8]?
    /// Subject.
    public var subject: [UInt8]?
    /// From.
    public var from: [MailAddress] = []
    /// Sender; empty when the message does not say (IMAP then shows From).
    public var sender: [MailAddress] = []
    /// Reply-To; empty when the message does not say (IMAP then shows From).
    public var replyTo: [MailAddress] = []
    /// To, of all fields of that name (RFC 5322, 4.5.3).
    public var to: [MailAddress] = []
    /// Cc, of all fields of that name.
    public var cc: [MailAddress] = []
    /// Bcc, of all fields of that name.
    public var bcc: [MailAddress] = []
    /// In-Reply-To.
    public var inReplyTo: [UInt8]?
    /// Message-ID.
    public var messageID: [UInt8]?

    /// An envelope that says nothing.
    public init() {}

    /// The envelope that a header block describes.
    public init(_ header: HeaderBlock, limits: MIMELimits = MIMELimits()) {
        for field in header.fields {
            switch header.knownName(of: field) {
            case .date: if date == nil { date = header.value(of: field) }
            case .subject: if subject == nil { subject = header.value(of: field) }
            case .from: if from.isEmpty { append(header, field, to: \.from, limits) }
            case .sender: if sender.isEmpty { append(header, field, to: \.sender, limits) }
            case .replyTo: if replyTo.isEmpty { append(header, field, to: \.replyTo, limits) }
            case .to: append(header, field, to: \.to, limits)
            case .cc: append(header, field, to: \.cc, limits)
            case .bcc: append(header, field, to: \.bcc, limits)
            case .inReplyTo: if inReplyTo == nil { inReplyTo = header.value(of: field) }
            case .messageID: if messageID == nil { messageID = header.value(of: field) }
            case .contentType, .contentTransferEncoding, .contentID, .contentDescription, .contentDisposition,
                .contentLanguage, .contentLocation, .contentMD5, .received, nil:
                break
            }
        }
    }

    private mutating func append(
        _ header: HeaderBlock, _ field: HeaderBlock.Field, to list: WritableKeyPath<Envelope, [MailAddress]>,
        _ limits: MIMELimits
    ) {
        let room = limits.addresses - self[keyPath: list].count
        guard room > 0 else { return }
        self[keyPath: list] += AddressList.parse(header.value(of: field), limit: room)
    }
}
