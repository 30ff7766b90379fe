import Contracts
import MailMessage
import Messaging
import NIOCore
import ServiceRuntime

/// The messages of several IMAP APPENDs that a client sent one behind the other: each is read and judged by itself, as if
/// it had come alone, and one request to storage commits them in their order.
extension AcceptanceService {
    func appendEach(
        _ request: AppendEachRequest, messages: Payload, _ context: CallContext
    ) async throws -> AppendEachReply {
        let context = context.leavingTimeToAnswer()
        let lengths = try Payload.lengths(of: request.appends.map(\.message), in: messages)
        guard lengths.count <= limits.messagesTogether, messages.octetCount <= limits.togetherOctets,
            lengths.allSatisfy({ $0 <= min(limits.inlineOctets, limits.messageOctets) })
        else { throw MessagingError(.malformed, "more or larger messages than go in one request") }
        guard request.client.identity.accountID == request.accountID else {
            throw MessagingError(.malformed, "only to a user's own mailboxes messages go one behind the other")
        }
        let now = WallClock.microseconds
        return try await admitted(messages.octetCount) {
            var replies: [AppendReply] = []
            // Which of the messages can be kept, and go to storage; and where their octets are.
            var committed: [Int] = []
            var kept: [Range<Int>] = []
            var commit = CommitEachRequest()
            commit.origin = Origin(request.client, appendedAt: now)
            // Each is read when its octets have come. Nothing is stored before all have: their end may be held back until it is
            // known that what stands before them is stored.
            var octets = ByteBuffer()
            var begin = 0
            for try await chunk in messages {
                if chunk.readableBytes == messages.octetCount {
                    octets = chunk
                } else {
                    octets.reserveCapacity(messages.octetCount)
                    octets.writeImmutableBuffer(chunk)
                }
                guard octets.readableBytes <= messages.octetCount else { break }
                while replies.count < lengths.count {
                    let end = begin + lengths[replies.count]
                    guard let message = octets.getSlice(at: octets.readerIndex + begin, length: end - begin) else {
                        break
                    }
                    do {
                        let intake = try Intake.take(message, digesting: true, limits: limits)
                        commit.commits.append(
                            Self.commit(intake, of: request.appends[replies.count], in: request, at: now))
                        committed.append(replies.count)
                        kept.append(begin..<end)
                        replies.append(AppendReply())
                    } catch let refusal as MessageRefusal {
                        replies.append(AppendReply(refusal))
                    }
                    begin = end
                }
            }
            guard replies.count == lengths.count, octets.readableBytes == messages.octetCount else {
                throw MessagingError(.malformed, "the request does not describe the messages that came with it")
            }
            if !committed.isEmpty {
                // The octets go on as they came, unless some stay behind.
                let going =
                    committed.count == replies.count
                    ? octets
                    : kept.reduce(into: ByteBuffer()) { going, range in
                        going.writeBytes(octets.readableBytesView.dropFirst(range.lowerBound).prefix(range.count))
                    }
                let reply = try await delivery.commitEach(
                    commit, payload: [going], context.forwarding(idempotencyKey: context.transaction))
                guard reply.replies.count == committed.count else {
                    throw MessagingError(
                        .failed, "storage answered \(reply.replies.count) of \(committed.count) messages")
                }
                for (index, made) in zip(committed, reply.replies) {
                    guard let result = made.results.first else {
                        throw MessagingError(.failed, "storage answered without a result")
                    }
                    replies[index] = try AppendReply(result)
                }
                metrics.appended.increment(by: replies.count { $0.outcome == .stored })
            }
            return AppendEachReply.with { $0.replies = replies }
        }
    }

    /// What storage is to do with one of them: the same as with a single one.
    private static func commit(
        _ intake: Intake, of append: SuccessiveAppend, in request: AppendEachRequest, at now: Int64
    ) -> SuccessiveCommit {
        let single = AppendRequest.with {
            $0.accountID = request.accountID
            $0.mailboxName = request.mailboxName
            $0.flags = append.message.flags
            $0.internalDate = append.message.internalDate
        }
        return SuccessiveCommit.with {
            $0.transactionID = append.transactionID
            $0.ordinal = append.ordinal
            $0.receivedUptime = append.receivedUptime
            $0.content = intake.content(digest: intake.digest)
            $0.dispositions = [Disposition(appending: single, digest: intake.digest, at: now)]
        }
    }
}
