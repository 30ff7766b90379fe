import Contracts
import Logging
import MailMessage
import Messaging
import NIOCore
import ServiceRuntime

/// Several messages of one IMAP APPEND (RFC 3502): each is read by itself, and one commit makes them durable, all or
/// none. The same commit removes the message whose place another one takes (RFC 8508).
extension AcceptanceService {
    func appendTogether(
        _ request: AppendRequest, _ octets: Payload, _ context: CallContext
    ) async throws -> AppendReply {
        let context = context.leavingTimeToAnswer()
        guard request.messageOctets == 0 else {
            throw MessagingError(.malformed, "the request does not describe the messages that came with it")
        }
        let lengths = try Payload.lengths(of: request.messages, in: octets)
        guard lengths.count <= limits.messagesTogether else {
            return AppendReply(.beyondLimit, "At most \(limits.messagesTogether) messages are appended together")
        }
        guard lengths.allSatisfy({ $0 <= limits.messageOctets }) else {
            return AppendReply(.beyondLimit, "A message is too large")
        }
        let now = WallClock.microseconds
        let isStaged = octets.octetCount > limits.togetherOctets || lengths.contains { $0 > limits.inlineOctets }
        let cost = min(octets.octetCount, limits.togetherOctets) + (isStaged ? limits.stagingOctets : 0)
        return try await admitted(cost) {
            do {
                let intakes = try await takeEach(octets, lengths, context)
                let fingerprints = Fingerprint.together(request, digests: intakes.map(\.digest))
                var commit = CommitRequest()
                commit.origin = Origin(request.client, appendedAt: now)
                if request.hasReplaced {
                    commit.removal = .with {
                        $0.accountID = request.ownerOfReplaced
                        if request.hasUser, $0.accountID != request.client.identity.accountID {
                            $0.userID = request.client.identity.accountID
                        }
                        $0.mailboxID = request.replaced.mailboxID
                        $0.uid = request.replaced.uid
                    }
                }
                var frames: [ByteBuffer] = []
                for (index, intake) in intakes.enumerated() {
                    let message = request.messages[index]
                    let disposition = Disposition.with {
                        $0.fingerprints = [.init(fingerprints[index].octets)]
                        $0.forwardPath = request.mailboxName
                        $0.store = .with {
                            $0.accountID = request.accountID
                            $0.userID = request.guest
                            $0.mailboxName = request.mailboxName
                            $0.flags = message.flags
                            $0.internalDate = message.internalDate == 0 ? now : message.internalDate
                        }
                    }
                    commit.messages.append(
                        .with {
                            $0.content = intake.content(digest: intake.digest)
                            $0.dispositions = [disposition]
                        })
                    frames += intake.frames(prefix: [])
                }
                let reply = try await delivery.commit(
                    commit, payload: frames, context.forwarding(idempotencyKey: context.transaction))
                guard reply.results.count == intakes.count else {
                    throw MessagingError(
                        .failed, "storage answered \(reply.results.count) of \(intakes.count) messages")
                }
                let answer = try AppendReply(together: reply.results)
                if answer.outcome == .stored { metrics.appended.increment(by: intakes.count) }
                return answer
            } catch let refusal as MessageRefusal {
                return AppendReply(refusal)
            }
        }
    }

    /// Reads one message after another. What does not fit into one commit goes to storage meanwhile, where nothing refers
    /// to it before all are there.
    private func takeEach(_ octets: Payload, _ lengths: [Int], _ context: CallContext) async throws -> [Intake] {
        let sections = PayloadSections(octets)
        var intakes: [Intake] = []
        var room = limits.togetherOctets
        for length in lengths {
            await sections.begin(octets: length)
            var limits = limits
            limits.inlineOctets = min(limits.inlineOctets, room)
            intakes.append(
                try await Intake.take(
                    Payload(octetCount: length) { try await sections.next() }, digesting: true, from: delivery,
                    limits: limits, context))
            if length <= limits.inlineOctets { room -= length }
        }
        return intakes
    }
}

extension Payload {
    /// How long each of the messages is that follow one another in the octets; throws unless they make all of them.
    static func lengths(of messages: [AppendedMessage], in octets: Payload) throws(MessagingError) -> [Int] {
        var lengths: [Int] = []
        var total = 0
        for message in messages {
            guard let length = Int(exactly: message.messageOctets), length > 0, length <= octets.octetCount - total
            else {
                throw MessagingError(.malformed, "the request does not describe the messages that came with it")
            }
            total += length
            lengths.append(length)
        }
        guard total == octets.octetCount else {
            throw MessagingError(.malformed, "the request does not describe the messages that came with it")
        }
        return lengths
    }
}

/// Messages that follow one another in one payload, read one by one.
private actor PayloadSections {
    private var source: Payload.Iterator
    /// What was read beyond the last section.
    private var rest = ByteBuffer()
    private var remaining = 0

    init(_ payload: Payload) {
        source = payload.makeAsyncIterator()
    }

    /// The next section has so many octets; the one before was read to its end.
    func begin(octets: Int) { remaining = octets }

    /// The section's next octets, nil at its end or the payload's.
    func next() async throws -> ByteBuffer? {
        guard remaining > 0 else { return nil }
        if rest.readableBytes == 0 {
            var source = self.source
            guard let chunk = try await source.next() else { return nil }
            self.source = source
            rest = chunk
        }
        let piece = rest.readSlice(length: min(remaining, rest.readableBytes))
        remaining -= piece?.readableBytes ?? 0
        return piece
    }
}

extension AppendRequest {
    /// Whether it says who appends.
    var hasUser: Bool { client.hasIdentity && client.identity.accountID != 0 }

    /// Who appends to a mailbox that is not his own; 0 for the account itself.
    var guest: Int64 { hasUser && client.identity.accountID != accountID ? client.identity.accountID : 0 }

    /// Whose the mailbox is that the replaced message is in.
    var ownerOfReplaced: Int64 { replaced.accountID == 0 ? accountID : replaced.accountID }
}
