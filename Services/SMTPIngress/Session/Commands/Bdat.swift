import NIOCore
import SMTPSyntax

/// BDAT (RFC 3030, 2): content in chunks of a length told before.
extension SessionMachine {
    /// A chunk that is coming in.
    struct Chunk: Sendable {
        /// As announced.
        let octets: Int
        /// Still to come.
        var remaining: Int
        let isLast: Bool
        /// Why it is thrown away; said at its end.
        let refusal: Reply?
    }

    /// Whatever the answer, the chunk's octets follow the command line: RFC 3030, 2 has no way to stop them.
    mutating func performBdat(_ octets: Int, _ isLast: Bool) {
        var refusal = objectionToContent
        if let current = transaction, refusal == nil {
            transaction?.usesChunks = true
            // Each chunk behind the one that failed gets the same reply: whichever of them the client takes for the
            // message's, it hears whether to come again.
            if let reason = current.refusal, current.usesChunks {
                refusal = reason
            } else if octets > settings.limits.messageOctets - current.contentOctets {
                refuseContent(Replies.messageTooLarge)
            }
        }
        let discarded = refusal ?? transaction?.refusal
        if let discarded, octets > settings.limits.discardedOctets {
            sayLast(discarded)
            return
        }
        phase = .chunk(Chunk(octets: octets, remaining: octets, isLast: isLast, refusal: refusal))
    }

    mutating func nextOfChunk(_ chunk: Chunk, _ input: inout ByteBuffer) -> SessionAction? {
        guard chunk.remaining > 0 else { return chunkEnded(chunk) }
        guard let content = input.readSlice(length: min(chunk.remaining, input.readableBytes)),
            content.readableBytes > 0
        else { return .read }
        var rest = chunk
        rest.remaining -= content.readableBytes
        phase = .chunk(rest)
        guard chunk.refusal == nil else { return nil }
        // Only binary content may have a CR or LF of its own (RFC 3030, 3).
        if let current = transaction, current.refusal == nil, current.parameters.body != .binaryMIME {
            transaction?.checker.check(content)
            if let violation = transaction?.checker.violation { refuseContent(Replies.bareNewline(violation)) }
        }
        return contentReceived(content)
    }

    private mutating func chunkEnded(_ chunk: Chunk) -> SessionAction? {
        phase = .commands
        if let refusal = chunk.refusal {
            // The last chunk of a message that failed before: the transaction is over, and its replies are due, by LMTP as
            // many as when it had come whole. A client that sent all at once counts on that.
            if chunk.isLast, transaction?.refusal != nil { return contentEnded() }
            refuse(refusal)
            return nil
        }
        if chunk.isLast, let current = transaction, current.refusal == nil, current.parameters.body != .binaryMIME {
            transaction?.checker.finish()
            if let violation = transaction?.checker.violation { refuseContent(Replies.bareNewline(violation)) }
        }
        if chunk.isLast { return contentEnded() }
        // A failed chunk fails the message; chunks that are in the pipeline behind it are thrown away.
        if let refusal = transaction?.refusal { refuse(refusal) } else { say(Replies.chunkReceived(chunk.octets)) }
        return nil
    }
}
