import Contracts
import MailMessage
import NIOCore

/// Looks for a search's needles in messages: in their text parts, decoded, and in their headers (RFC 9051, 6.4.4).
struct MessageTexts: Sendable {
    let needles: [TextNeedle]
    let reader: MessageReader

    /// A message up to this size comes at once, a larger one part by part.
    private static let wholeOctets = 512 * 1024

    /// What is needed of a message.
    static func choose(_ request: inout FetchRequest) {
        request.mimeIndex = true
        request.wholeOctets = Int64(wholeOctets)
    }

    struct Findings {
        var header: HeaderText
        /// Whether each needle is in a text part, or in the header of a message within the message.
        var inBody: [Bool]
        /// Whether it is there, or in the message's own header.
        var inText: [Bool]
        /// Nil when none was wanted.
        var signature: TextSignature?
    }

    /// Nil when the message is gone.
    func scan(_ message: FetchedMessage, signing: Bool) async throws -> Findings? {
        let stored = try StoredMessage(message)
        guard let octets = try await reader.octets(stored.header, of: message) else { return nil }
        let header = HeaderText(octets)
        var scanner = TextScanner(needles, signing: signing)
        guard try await scanBody(stored, message, &scanner) else { return nil }
        let inBody = scanner.found
        Self.scan(header, &scanner)
        return Findings(header: header, inBody: inBody, inText: scanner.found, signature: scanner.signature)
    }

    private static func scan(_ header: HeaderText, _ scanner: inout TextScanner) {
        for line in header.lines where !scanner.isComplete {
            scanner.consume(line)
            scanner.endOfText()
        }
    }

    /// False when the message is gone.
    private func scanBody(
        _ stored: StoredMessage, _ message: FetchedMessage, _ scanner: inout TextScanner
    ) async throws -> Bool {
        for header in stored.headers.dropFirst() where !scanner.isComplete && header.count <= Self.wholeOctets {
            guard let octets = try await reader.octets(header, of: message) else { return false }
            Self.scan(HeaderText(octets), &scanner)
        }
        for (part, body) in stored.parts where part.structure == .leaf && part.isText && !scanner.isComplete {
            guard var decoder = TransferDecoder(part.encoding) else { continue }
            let text = VisibleText(of: part)
            var decoded: [UInt8] = []
            if let octets = message.octets(body) {
                decoder.decode(octets.readableBytesView, into: &decoded)
            } else {
                let found = try await reader.stream(uid: message.uid, body) { chunk in
                    decoder.decode(chunk.readableBytesView, into: &decoded)
                    text.decode(decoded) { scanner.consume($0) }
                    decoded.removeAll(keepingCapacity: true)
                }
                guard found else { return false }
            }
            decoder.finish(into: &decoded)
            text.decode(decoded) { scanner.consume($0) }
            text.finish { scanner.consume($0) }
            scanner.endOfText()
        }
        return true
    }
}
