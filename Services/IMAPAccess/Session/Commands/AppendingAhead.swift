import Contracts
import IMAPSyntax
import Messaging
import NIOCore
import ServiceRuntime

/// APPENDs that a client sends one behind the other without waiting (RFC 7888, RFC 9051, 5.5).
///
/// Those that are here whole when the first of them is handed over, and go to the same mailbox, go with it in one request:
/// one commit then serves them all. It is a matter of speed alone. Each stays a command of its own, with its own transaction,
/// fingerprint, outcome and answer, so that nothing depends on which of them went together; storage does them in their
/// order. Which are taken is up to what has come, and so is never told.
///
/// The parser reads ahead as a copy, which takes the place of the first one only behind a command that is taken: whatever
/// else it meets is met again when its turn comes. That a command runs does not change how an APPEND behind it is read,
/// since only APPENDs stand between.
extension Session {
    /// Where a command's message goes when nothing is peculiar about it, so that others may go with it.
    func mayHaveCompany(_ command: AppendCommand, _ gathered: GatheredMessages, _ place: MailboxPlace) -> Bool {
        guard case .literal = command.message.content else { return false }
        return command.replaced == nil && gathered.messages.count == 1 && gathered.isInMemory && !place.isForeign
            && selected?.isForeign != true && !machine.isDraining
    }

    /// Takes the commands that stand behind this one as far as they can go with it.
    func readAhead(behind first: AppendCommand, octets: Int) -> [FollowingAppend] {
        var followers: [FollowingAppend] = []
        var room = limits.inlineOctets - octets
        while followers.count + 1 < limits.successiveAppends {
            guard let follower = nextFollower(to: first.mailbox, room: room) else {
                // Only while little waits in the parser: an APPEND that uses up a few octets must not bring in many each time.
                // A compressed stream that is broken says so again when more is needed.
                guard parser.bufferedOctets < limits.inlineOctets, (try? inflate()) != nil, hasInput else { break }
                feedParser()
                continue
            }
            room -= follower.octets.readableBytes
            followers.append(follower)
        }
        return followers
    }

    private func nextFollower(to mailbox: MailboxName, room: Int) -> FollowingAppend? {
        var ahead = parser
        guard case .append(let command) = ahead.next(), command.replaced == nil, command.mailbox == mailbox,
            case .literal(let literal, _) = command.message.content, !literal.isSynchronizing,
            literal.octets <= room, literal.octets < ahead.bufferedOctets,
            var message = try? AppendedMessage(command.message)
        else { return nil }
        var octets = ByteBuffer()
        octets.reserveCapacity(literal.octets)
        var header = AppendedHeader()
        var event = ahead.next()
        while case .messageOctets(let piece) = event {
            header.take(piece)
            octets.writeImmutableBuffer(piece)
            event = ahead.next()
        }
        guard case .messageEnd = event, case .appendEnd = ahead.next(), !header.has8Bit || machine.utf8IsEnabled
        else { return nil }
        parser = ahead
        message.messageOctets = Int64(octets.readableBytes)
        var client = ClientConnection()
        knowledge.begin(&client, at: .now)
        return FollowingAppend(
            command: command, message: message, octets: octets, transaction: .next(), ordinal: client.ordinal,
            receivedUptime: client.receivedUptime)
    }

    /// Hands over a command's message with those that follow it, whose outcomes are kept until their turn comes. When nobody
    /// says what came of them, each goes alone: it is the same transaction.
    func handOver(
        _ request: AppendRequest, _ octets: ByteBuffer, with followers: [FollowingAppend]
    ) async throws -> (AppendReply, isNoted: Bool) {
        var each = AppendEachRequest()
        each.accountID = request.accountID
        each.mailboxName = request.mailboxName
        each.client = request.client
        each.appends.append(
            .with {
                $0.message.flags = request.flags
                $0.message.internalDate = request.internalDate
                $0.message.messageOctets = request.messageOctets
                $0.transactionID = .init(transaction.octets)
                $0.ordinal = request.client.ordinal
                $0.receivedUptime = request.client.receivedUptime
            })
        var all = octets
        all.reserveCapacity(octets.readableBytes + followers.reduce(0) { $0 + $1.octets.readableBytes })
        for follower in followers {
            each.appends.append(follower.description)
            all.writeImmutableBuffer(follower.octets)
        }
        do {
            let context = CallContext(
                transaction: transaction, timeout: limits.peerTimeout, idempotencyKey: .next())
            let replies = try await services.acceptance.appendEach(each, messages: Payload(all), context).replies
            guard replies.count == each.appends.count else {
                throw MessagingError(.failed, "\(replies.count) answers for \(each.appends.count) messages")
            }
            // What is told with the first answer has all of them.
            let stored = replies.filter { $0.outcome == .stored }
            if let mailboxID = stored.first?.mailboxID { await note(arrivalOf: stored.map(\.uid), in: mailboxID) }
            self.followers = zip(followers, replies.dropFirst()).map { follower, reply in
                var answered = follower
                answered.reply = reply
                return answered
            }
            return (replies[0], true)
        } catch {
            logger.notice(
                "messages go one by one",
                metadata: [
                    "transaction": "\(transaction)", "messages": "\(each.appends.count)", "reason": "\(error)",
                ])
            self.followers = followers
            return (try await handOver(request, Payload(octets), timeout: limits.peerTimeout), false)
        }
    }

    /// Runs the commands that were read ahead to their tagged responses.
    func answerFollowers(of request: AppendRequest) async throws {
        while !followers.isEmpty {
            let follower = followers.removeFirst()
            guard case .run = machine.appendArrived(follower.command) else {
                throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
            }
            machine.appendComplete()
            try await complete(follower.command.tag, follower.command.name, as: follower.transaction) { session in
                if let reply = follower.reply {
                    return try await session.outcome(of: reply, follower.command, .all, replacing: 0, isNoted: true)
                }
                let reply = try await session.handOver(
                    follower.request(like: request, denied: session.knowledge.denied), Payload(follower.octets),
                    timeout: session.limits.peerTimeout)
                return try await session.outcome(of: reply, follower.command, .all, replacing: 0)
            }
        }
    }
}

/// An APPEND that was read while the one before it was in hand.
struct FollowingAppend: Sendable {
    let command: AppendCommand
    let message: AppendedMessage
    let octets: ByteBuffer
    let transaction: TransactionID
    /// As in `ClientConnection`.
    let ordinal: UInt32
    let receivedUptime: Int64
    /// What came of it, when it was handed over with the one before it.
    var reply: AppendReply?

    fileprivate var description: SuccessiveAppend {
        .with {
            $0.message = message
            $0.transactionID = .init(transaction.octets)
            $0.ordinal = ordinal
            $0.receivedUptime = receivedUptime
        }
    }

    /// As it goes alone, behind one of the same connection for the same mailbox.
    fileprivate func request(like other: AppendRequest, denied: [TransactionID]) -> AppendRequest {
        .with {
            $0.accountID = other.accountID
            $0.mailboxName = other.mailboxName
            $0.client = other.client
            $0.client.ordinal = ordinal
            $0.client.receivedUptime = receivedUptime
            $0.client.denied = denied.map { .init($0.octets) }
            $0.flags = message.flags
            $0.internalDate = message.internalDate
            $0.messageOctets = message.messageOctets
        }
    }
}
