/// What is known of a message once it has passed.
public struct ParsedMessage: Sendable, Hashable {
    /// Where its parts lie.
    public var index: MIMEIndex
    /// What its header says of who, when and what. A server that supplies a missing field sets it here too.
    public var envelope: Envelope
    /// The message's own header block, empty line included.
    public let header: HeaderBlock

    /// ENVELOPE in IMAP's syntax (RFC 9051, 7.5.2).
    public func envelopeOctets() -> [UInt8] {
        var writer = IMAPWriter()
        writer.envelope(envelope)
        return writer.octets
    }

    /// BODYSTRUCTURE with extension data, in IMAP's syntax.
    public func bodyStructureOctets() -> [UInt8] {
        var writer = IMAPWriter()
        writer.bodyStructure(index, extended: true)
        return writer.octets
    }

    /// BODY, which is BODYSTRUCTURE without extension data.
    public func bodyOctets() -> [UInt8] {
        var writer = IMAPWriter()
        writer.bodyStructure(index, extended: false)
        return writer.octets
    }

    /// How many Received fields the message carries: its hops so far (RFC 5321, 6.3).
    public var receivedCount: Int {
        header.fields.reduce(0) { $0 + (header.knownName(of: $1) == .received ? 1 : 0) }
    }

    /// The message's identifier with angle brackets; empty when it has none.
    public var messageID: String {
        envelope.messageID.flatMap { MessageIdentifier.all(in: $0).first } ?? ""
    }

    /// When the message says that it was written.
    public var sentDate: MailDate? {
        envelope.date.flatMap { MailDate(parsing: $0) }
    }
}
