import Contracts
import Cryptography
import MailMessage
import Messaging
import NIOCore

/// A message that was read once: what is in it, and where its octets are now.
struct Intake: Sendable {
    enum Octets: Sendable {
        /// In memory, to be committed with the message.
        case inline(ByteBuffer)
        /// With storage already.
        case staged(contentID: Int64)
    }

    var message: ParsedMessage
    var octets: Octets
    /// SHA-256 of the octets, when it was asked for.
    var digest: [UInt8] = []
}

extension Intake {
    /// Reads a message. Small ones are taken whole; large ones go to storage while they are parsed. A refusal is
    /// thrown as soon as it is known, which ends the upload.
    static func take(
        _ payload: Payload, digesting: Bool, from delivery: some Delivery, limits: ProcessingLimits,
        _ context: CallContext
    ) async throws -> Intake {
        if payload.octetCount <= limits.inlineOctets {
            let buffer = try await payload.collect(upTo: limits.inlineOctets)
            try expect(payload.octetCount, buffer.readableBytes)
            return try take(buffer, digesting: digesting, limits: limits)
        }
        let tap = ReadingTap(payload, Reading(limits: limits.mime, digesting: digesting))
        let reply: StageReply
        do {
            reply = try await delivery.stage(
                StageRequest(), octets: Payload(octetCount: payload.octetCount) { try await tap.next() },
                context.forwarding())
        } catch {
            // The tap knows better than storage why the octets stopped.
            throw await tap.failure ?? error
        }
        try expect(payload.octetCount, Int(exactly: reply.octets) ?? -1)
        let (message, digest) = try await tap.finish()
        return Intake(message: message, octets: .staged(contentID: reply.contentID), digest: digest)
    }

    /// Reads a message that is in memory.
    static func take(
        _ buffer: ByteBuffer, digesting: Bool, limits: ProcessingLimits
    ) throws(MessageRefusal) -> Intake {
        var reading = Reading(limits: limits.mime, digesting: digesting)
        try reading.consume(buffer)
        return Intake(message: try reading.finish(), octets: .inline(buffer), digest: reading.digest())
    }

    private static func expect(_ announced: Int, _ found: Int) throws(MessagingError) {
        guard announced == found else {
            throw MessagingError(.malformed, "\(announced) octets were announced and \(found) came")
        }
    }

    /// What a commit says of the content.
    func content(digest: [UInt8]) -> MessageContent {
        MessageContent.with {
            if case .staged(let contentID) = octets { $0.stagedContentID = contentID }
            $0.headerOctets = Int64(message.index.root.header.count)
            $0.bodyOctets = Int64(message.index.root.body.count)
            $0.digest = .init(digest)
            $0.mimeIndex = .init(message.index.encoded())
            $0.envelope = .init(message.envelopeOctets())
            $0.bodyStructure = .init(message.bodyStructureOctets())
            $0.body = .init(message.bodyOctets())
            $0.messageID = message.messageID
            $0.sentDate = message.sentDate?.microseconds ?? 0
        }
    }

    /// The payload of a commit: slices of what came, never copies.
    func frames(prefix: [UInt8]) -> [ByteBuffer] {
        switch octets {
        case .inline(var buffer):
            let header = buffer.readSlice(length: message.index.root.header.count) ?? ByteBuffer()
            return [ByteBuffer(bytes: prefix), header, buffer]
        case .staged:
            return [ByteBuffer(bytes: prefix)]
        }
    }
}

/// Parses, and digests if asked, what passes.
struct Reading: Sendable {
    private var parser: MessageParser
    private var hash: SHA256?
    private(set) var octetCount = 0

    init(limits: MIMELimits, digesting: Bool) {
        parser = MessageParser(limits: limits)
        hash = digesting ? SHA256() : nil
    }

    mutating func consume(_ buffer: ByteBuffer) throws(MessageRefusal) {
        octetCount += buffer.readableBytes
        let result = buffer.withUnsafeReadableBytes { octets -> Result<Void, MessageRefusal> in
            hash?.update(octets)
            do throws(MessageRefusal) {
                return .success(try parser.consume(octets))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    mutating func finish() throws(MessageRefusal) -> ParsedMessage { try parser.finish() }

    mutating func digest() -> [UInt8] { hash?.finish() ?? [] }
}

/// Reads a message on its way to storage.
private actor ReadingTap {
    private var source: Payload.Iterator
    private var reading: Reading
    /// Why the octets stopped before their end.
    private(set) var failure: (any Error)?

    init(_ payload: Payload, _ reading: Reading) {
        source = payload.makeAsyncIterator()
        self.reading = reading
    }

    /// The next chunk, parsed in passing.
    func next() async throws -> ByteBuffer? {
        do {
            var source = self.source
            let chunk = try await source.next()
            self.source = source
            if let chunk { try reading.consume(chunk) }
            return chunk
        } catch {
            failure = error
            throw error
        }
    }

    func finish() throws(MessageRefusal) -> (ParsedMessage, digest: [UInt8]) {
        let message = try reading.finish()
        return (message, reading.digest())
    }
}
