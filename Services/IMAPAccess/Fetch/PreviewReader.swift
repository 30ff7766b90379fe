import Contracts
import MailMessage

/// Makes previews of messages out of their octets (RFC 8970): the beginning of the first text part that shows something.
struct PreviewReader: Sendable {
    let reader: MessageReader

    /// A message up to this size comes at once.
    private static var wholeOctets: Int64 { 64 * 1024 }
    /// Octets of a part that are asked for first, and each time that they were not enough.
    private static var firstOctets: Int { 8 * 1024 }
    private static var nextOctets: Int { 64 * 1024 }
    /// Octets of a part that are looked through: behind so much markup nobody looks for text.
    private static var partOctets: Int { 256 * 1024 }
    /// Text parts that are looked into.
    private static var parts: Int { 8 }

    /// The previews by uid. Messages that are gone have none; messages of which nothing can be shown have an empty one.
    @concurrent
    func previews(of uids: [UInt32]) async throws -> [UInt32: String] {
        var previews: [UInt32: String] = [:]
        try await reader.messages(
            uids: uids, inPassing: true,
            {
                $0.mimeIndex = true
                $0.wholeOctets = Self.wholeOctets
            },
            { message in previews[message.uid] = try await preview(of: message) })
        return previews
    }

    /// Nil when the message is gone.
    private func preview(of message: FetchedMessage) async throws -> String? {
        guard let stored = try? StoredMessage(message) else { return "" }
        let texts = stored.parts.filter { $0.part.isShown && !$0.body.isEmpty }
        for (part, body) in texts.prefix(Self.parts) {
            guard let decoder = TransferDecoder(part.encoding) else { continue }
            guard let text = try await text(of: part, decoder, body, message) else { return nil }
            // Of what is encrypted there is nothing to show (RFC 8970, 3.2).
            if text.hasPrefix("-----BEGIN PGP MESSAGE-----") { return "" }
            if !text.isEmpty { return text }
        }
        return ""
    }

    private func text(
        of part: MIMEPart, _ decoder: TransferDecoder, _ body: Range<Int>, _ message: FetchedMessage
    ) async throws -> String? {
        var decoder = decoder
        let visible = VisibleText(of: part)
        var preview = PreviewText()
        var decoded: [UInt8] = []
        var next = body.lowerBound
        let end = min(body.upperBound, body.lowerBound + Self.partOctets)
        var length = Self.firstOctets
        while next < end, !preview.isComplete {
            let piece = next..<min(end, next + length)
            guard let octets = try await reader.octets(piece, of: message) else { return nil }
            decoder.decode(octets.readableBytesView, into: &decoded)
            visible.decode(decoded) { preview.append($0) }
            decoded.removeAll(keepingCapacity: true)
            next = piece.upperBound
            length = Self.nextOctets
        }
        decoder.finish(into: &decoded)
        visible.decode(decoded) { preview.append($0) }
        visible.finish { preview.append($0) }
        return preview.text
    }
}

extension MIMEPart {
    /// Whether a reader of the message sees the part as text, unasked.
    fileprivate var isShown: Bool {
        let isData = ["calendar", "vcard", "x-vcard", "directory", "css", "csv", "rfc822-headers"].contains(subtype)
        return structure == .leaf && isText && !isData && disposition?.type != "attachment"
    }
}
