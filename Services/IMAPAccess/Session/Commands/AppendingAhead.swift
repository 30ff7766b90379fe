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
/// While one batch is in hand, the next is read and goes to content processing, which reads its messages meanwhile, but
/// for its end: that is held back until the first batch is answered, and what has no end is not stored. So the order is that
/// of the commands, whichever replicas do the work. Two are on their way at most.
///
/// The parser reads ahead as a copy, which takes the place of the first one only behind a command that is taken: whatever
/// else it meets is met again when its turn comes. That a command runs does not change how an APPEND behind it is read,
/// since only APPENDs stand between.
extension Session {
    /// A command with those behind it that can go with it, when nothing is peculiar about it; nil when it goes alone.
    func company(
        of command: AppendCommand, _ gathered: GatheredMessages, _ request: AppendRequest, _ place: MailboxPlace
    ) -> AppendBatch? {
        guard case .literal = command.message.content, command.replaced == nil, let octets = gathered.octets,
            let message = gathered.messages.first, gathered.messages.count == 1, !place.isForeign,
            selected?.isForeign != true, !machine.isDraining
        else { return nil }
        var batch = AppendBatch(
            FollowingAppend(
                command: command, message: message, octets: octets, transaction: transaction,
                ordinal: request.client.ordinal, receivedUptime: request.client.receivedUptime))
        readAhead(into: &batch)
        return batch.appends.count > 1 ? batch : nil
    }

    /// Takes the commands that stand behind these as far as they can go with them.
    private func readAhead(into batch: inout AppendBatch) {
        while !batch.isClosed {
            switch nextFollower(in: batch) {
            case .follows(let follower): batch.add(follower, most: limits.successiveAppends)
            case .isDifferent: batch.isClosed = true
            case .isIncomplete:
                // Only while little waits in the parser: an APPEND that uses up a few octets must not bring in many each time.
                // A compressed stream that is broken says so again when more is needed.
                guard parser.bufferedOctets < limits.inlineOctets, (try? inflate()) != nil, hasInput else { return }
                feedParser()
            }
        }
    }

    /// What stands behind a batch in the input.
    private enum Ahead {
        case follows(FollowingAppend)
        /// Something that does not go with it.
        case isDifferent
        /// That will be seen when more has come.
        case isIncomplete
    }

    private func nextFollower(in batch: AppendBatch) -> Ahead {
        var ahead = parser
        switch ahead.next() {
        case .needMore: return .isIncomplete
        case .append(let command):
            guard command.replaced == nil, command.mailbox == batch.mailbox,
                case .literal(let literal, _) = command.message.content, !literal.isSynchronizing,
                literal.octets <= limits.inlineOctets - batch.octetCount,
                var message = try? AppendedMessage(command.message)
            else { return .isDifferent }
            guard literal.octets < ahead.bufferedOctets else { return .isIncomplete }
            var octets = ByteBuffer()
            octets.reserveCapacity(literal.octets)
            var header = AppendedHeader()
            var event = ahead.next()
            while case .messageOctets(let piece) = event {
                header.take(piece)
                octets.writeImmutableBuffer(piece)
                event = ahead.next()
            }
            guard case .messageEnd = event else { return .isDifferent }
            switch ahead.next() {
            case .needMore: return .isIncomplete
            case .appendEnd where !header.has8Bit || machine.utf8IsEnabled: break
            default: return .isDifferent
            }
            parser = ahead
            message.messageOctets = Int64(octets.readableBytes)
            var client = ClientConnection()
            knowledge.begin(&client, at: .now)
            return .follows(
                FollowingAppend(
                    command: command, message: message, octets: octets, transaction: .next(), ordinal: client.ordinal,
                    receivedUptime: client.receivedUptime))
        default: return .isDifferent
        }
    }

    // MARK: One batch behind the other

    /// Hands over a command with those behind it, whose outcomes are kept until their turn comes. When nobody says what
    /// came of them, each goes alone: it is the same transaction.
    func handOver(_ request: AppendRequest, _ batch: AppendBatch) async throws -> (AppendReply, isNoted: Bool) {
        await carry(batch, begin(batch, like: request), request)
        let first = followers.removeFirst()
        if let reply = first.reply { return (reply, true) }
        return (try await handOver(request, Payload(first.octets), timeout: limits.peerTimeout), false)
    }

    /// Runs the commands that were read ahead to their tagged responses.
    func answerFollowers(of request: AppendRequest) async throws {
        while true {
            while !followers.isEmpty { try await answer(followers.removeFirst(), request) }
            guard let (batch, call) = nextBatch else { return }
            nextBatch = nil
            await carry(batch, call, request)
        }
    }

    private func answer(_ follower: FollowingAppend, _ request: AppendRequest) async throws {
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

    /// Waits for what comes of a batch while the next one is read. Its commands are the followers then.
    private func carry(_ batch: AppendBatch, _ call: AppendCall, _ request: AppendRequest) async {
        flush()
        var next = AppendBatch(to: batch.mailbox)
        var nextCall: AppendCall?
        if !machine.isDraining {
            await readAhead(into: &next, until: call)
            if !next.appends.isEmpty, !call.isDone { nextCall = begin(next, like: request, waits: true) }
        }
        do {
            let replies = try await call.replies
            if let nextCall {
                nextCall.release()
            } else if !next.appends.isEmpty {
                nextCall = begin(next, like: request)
            }
            nextBatch = nextCall.map { (next, $0) }
            followers = zip(batch.appends, replies).map { $0.answered($1) }
            // What is told with the first answer has all of them.
            let stored = replies.filter { $0.outcome == .stored }
            if let mailboxID = stored.first?.mailboxID { await note(arrivalOf: stored.map(\.uid), in: mailboxID) }
        } catch {
            nextCall?.abandon()
            followers = batch.appends + next.appends
            logger.notice(
                "messages go one by one",
                metadata: [
                    "transaction": "\(transaction)", "messages": "\(followers.count)", "reason": "\(error)",
                ])
        }
    }

    /// Reads what stands behind a batch that is in hand, as it comes, until there is no room for more or the call is over.
    private func readAhead(into next: inout AppendBatch, until call: AppendCall) async {
        while true {
            readAhead(into: &next)
            if next.isClosed || call.isDone { return }
            let woken = await wait(for: [.input, .answered, .ended, .gone], within: limits.peerTimeout)
            if !woken.isDisjoint(with: [.ended, .gone]) { return }
        }
    }

    /// Hands a batch over; when it `waits`, all but its last message, until it is released.
    private func begin(_ batch: AppendBatch, like request: AppendRequest, waits: Bool = false) -> AppendCall {
        let each = AppendEachRequest.with {
            $0.accountID = request.accountID
            $0.mailboxName = request.mailboxName
            $0.client = request.client
            $0.appends = batch.appends.map(\.description)
        }
        let acceptance = services.acceptance
        let context = CallContext(
            transaction: batch.appends[0].transaction, timeout: limits.peerTimeout * (waits ? 2 : 1),
            idempotencyKey: .next())
        return AppendCall(batch, waits: waits, whenDone: { [weak self] in self?.appendAnswered() }) { messages in
            let replies = try await acceptance.appendEach(each, messages: messages, context).replies
            guard replies.count == each.appends.count else {
                throw MessagingError(.failed, "\(replies.count) answers for \(each.appends.count) messages")
            }
            return replies
        }
    }

    private nonisolated func appendAnswered() {
        channel.eventLoop.execute { self.assumeIsolated { $0.signal(.answered) } }
    }

    /// What was handed over ahead is not wanted any more: what waits for its end is not stored.
    func abandonNextBatch() {
        nextBatch?.call.abandon()
        nextBatch = nil
    }
}
