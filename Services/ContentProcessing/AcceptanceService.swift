import Contracts
import Logging
import MailMessage
import Messaging
import NIOCore
import ServiceRuntime

/// Takes messages in: reads each once, plans where its copies go, and has storage make them durable in one commit.
struct AcceptanceService<Storage: Delivery>: Acceptance {
    let delivery: Storage
    let limits: ProcessingLimits
    let logger: Logger
    private let gate: AdmissionGate
    let metrics = ContentMetrics()

    init(delivery: Storage, limits: ProcessingLimits = ProcessingLimits(), logger: Logger) {
        self.delivery = delivery
        self.limits = limits
        self.logger = logger
        gate = AdmissionGate(messages: limits.messagesInHand, octets: limits.octetsInHand)
    }

    // MARK: SMTP, submission, LMTP

    func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply {
        let context = context.leavingTimeToAnswer()
        guard Int(exactly: request.messageOctets) == message.octetCount, request.messageDigest.count == 32 else {
            throw MessagingError(.malformed, "the request does not describe the message that came with it")
        }
        let plan = try DispositionPlan(request)
        guard message.octetCount <= limits.messageOctets else { return refuse(request, .messageTooLarge, context) }
        return try await admitted(message) {
            do {
                let intake = try await Intake.take(
                    message, digesting: false, from: delivery, limits: limits, context)
                guard intake.message.receivedCount <= limits.receivedFields else {
                    return refuse(request, .loop, context)
                }
                return try await commit(intake, plan, request, context)
            } catch let refusal as MessageRefusal {
                return refuse(request, Fate(refusal), context)
            } catch let error as MessagingError where error.isTemporary || error.code == .failed {
                return postpone(request, error, context)
            }
        }
    }

    private func commit(
        _ intake: Intake, _ plan: DispositionPlan, _ request: AcceptRequest, _ context: CallContext
    ) async throws -> AcceptReply {
        var intake = intake
        let prefix = MessagePrefix(
            for: request, &intake.message, transaction: context.transaction, isFinalDelivery: plan.storesAny)
        let content = intake.content(digest: Array(request.messageDigest))
        let frames = intake.frames(prefix: prefix.octets)
        let origin = Origin(request)
        let outcomes = try await commit(plan.dispositions, origin, content, frames, context)
        var receipts = outcomes.filter { $0.hasReceipt }.map { $0.receipt }
        var judgement = Judgement(plan, outcomes, door: request.door)
        let postponed = judgement.postponed
        if !postponed.isEmpty {
            let entries = postponed.map { plan.copies[$0].postponed(of: request) }
            let results = await postponeCopies(entries, origin, content, frames, context)
            judgement.queued(results.count == entries.count && results.allSatisfy { $0.outcome == .done })
            receipts += results.filter { $0.hasReceipt }.map { $0.receipt }
        }
        let reply = AcceptReply.with {
            $0.statuses = judgement.fates(of: context.transaction).map(\.status)
            $0.receipts = receipts
        }
        metrics.messages.increment()
        logger.debug(
            "message committed",
            metadata: [
                "transaction": "\(context.transaction)", "octets": "\(request.messageOctets)",
                "copies": "\(plan.copies.count)", "postponed": "\(postponed.count)",
                "parts": "\(intake.message.index.parts.count)",
            ])
        return reply
    }

    /// One commit; the outcome of each disposition in their order.
    private func commit(
        _ dispositions: [Disposition], _ origin: Origin, _ content: MessageContent, _ frames: [ByteBuffer],
        _ context: CallContext
    ) async throws -> [CommitReply.Result] {
        let request = CommitRequest.with {
            $0.content = content
            $0.dispositions = dispositions
            $0.origin = origin
        }
        let reply = try await delivery.commit(
            request, payload: frames, context.forwarding(idempotencyKey: context.transaction))
        guard reply.results.count == dispositions.count else {
            throw MessagingError(
                .failed, "storage answered \(reply.results.count) of \(dispositions.count) dispositions")
        }
        return reply.results
    }

    /// Puts the copies that could not be stored into the queue; repeated, it finds its receipts. What came of each, or
    /// nothing when the queue could not be written.
    private func postponeCopies(
        _ entries: [Disposition], _ origin: Origin, _ content: MessageContent, _ frames: [ByteBuffer],
        _ context: CallContext
    ) async -> [CommitReply.Result] {
        do {
            let results = try await commit(entries, origin, content, frames, context)
            metrics.postponedCopies.increment(by: entries.count)
            logger.notice(
                "copies queued for recipients that could not take them",
                metadata: ["transaction": "\(context.transaction)", "copies": "\(entries.count)"])
            return results
        } catch {
            logger.warning(
                "copies not queued",
                metadata: ["transaction": "\(context.transaction)", "reason": "\(error)"])
            return []
        }
    }

    // MARK: IMAP APPEND

    func append(_ request: AppendRequest, message: Payload, _ context: CallContext) async throws -> AppendReply {
        guard request.messages.isEmpty, !request.hasReplaced else {
            return try await appendTogether(request, message, context)
        }
        let context = context.leavingTimeToAnswer()
        guard Int(exactly: request.messageOctets) == message.octetCount else {
            throw MessagingError(.malformed, "the request does not describe the message that came with it")
        }
        guard message.octetCount <= limits.messageOctets else {
            return AppendReply(.beyondLimit, "The message is too large")
        }
        let now = WallClock.microseconds
        return try await admitted(message) {
            do {
                let intake = try await Intake.take(message, digesting: true, from: delivery, limits: limits, context)
                let disposition = Disposition(appending: request, digest: intake.digest, at: now)
                // A message that its own user puts there has travelled nowhere: no trace fields, no loop.
                let results = try await commit(
                    [disposition], Origin(request.client, appendedAt: now), intake.content(digest: intake.digest),
                    intake.frames(prefix: []), context)
                metrics.appended.increment()
                return try AppendReply(results[0])
            } catch let refusal as MessageRefusal {
                return AppendReply(refusal)
            }
        }
    }

    // MARK: Answers

    /// Runs `body` if there is room for the message.
    private func admitted<Reply>(_ message: Payload, _ body: () async throws -> Reply) async throws -> Reply {
        try await admitted(
            message.octetCount <= limits.inlineOctets ? message.octetCount : limits.stagingOctets, body)
    }

    func admitted<Reply>(_ cost: Int, _ body: () async throws -> Reply) async throws -> Reply {
        guard gate.enter(cost) else {
            metrics.overloaded.increment()
            throw MessagingError(.overloaded, "too many messages in hand")
        }
        defer { gate.leave(cost) }
        return try await body()
    }

    private func refuse(_ request: AcceptRequest, _ fate: Fate, _ context: CallContext) -> AcceptReply {
        metrics.refused.increment()
        logger.notice(
            "message refused", metadata: ["transaction": "\(context.transaction)", "reason": "\(fate.status.text)"])
        return all(request, fate)
    }

    private func postpone(_ request: AcceptRequest, _ error: MessagingError, _ context: CallContext) -> AcceptReply {
        metrics.deferred.increment()
        logger.warning("storage", metadata: ["transaction": "\(context.transaction)", "reason": "\(error)"])
        return all(request, Fate(error))
    }

    private func all(_ request: AcceptRequest, _ fate: Fate) -> AcceptReply {
        .with { $0.statuses = Array(repeating: fate.status, count: request.recipients.count) }
    }
}

extension Disposition {
    /// What a user's own message is stored as, where he puts it himself.
    init(appending request: AppendRequest, digest: [UInt8], at now: Int64) {
        self.init()
        fingerprints = [.init(Fingerprint(appending: request, digest: digest).octets)]
        forwardPath = request.mailboxName
        store = .with {
            $0.accountID = request.accountID
            $0.userID = request.guest
            $0.mailboxName = request.mailboxName
            $0.flags = request.flags
            $0.internalDate = request.internalDate == 0 ? now : request.internalDate
        }
    }
}

extension Origin {
    /// How a message came by SMTP, submission or LMTP.
    init(_ request: AcceptRequest) {
        self.init(request.client)
        entrance =
            switch request.door {
            case .relay: .relay
            case .submission: .submission
            case .lmtp: .lmtp
            case .unspecified, .UNRECOGNIZED: .unspecified
            }
        reversePath = request.reversePath
        receivedAt = request.receivedAt
    }

    /// How a message came by IMAP.
    init(_ client: ClientConnection, appendedAt receivedAt: Int64) {
        self.init(client)
        entrance = .append
        self.receivedAt = receivedAt
    }

    private init(_ client: ClientConnection) {
        self.init()
        clientAddress = client.address
        identity = client.identity.address
        connectionID = client.connectionID
        ordinal = client.ordinal
        beganAt = client.beganAt
        denied = client.denied
        machine = client.machine
        beganUptime = client.beganUptime
        receivedUptime = client.receivedUptime
    }
}

extension CallContext {
    /// The same call with a deadline that comes a little earlier, so that what storage does not answer in time is
    /// still answered in time to who asked.
    func leavingTimeToAnswer() -> CallContext {
        var context = self
        let remaining = ContinuousClock.now.duration(to: deadline)
        context.deadline = deadline.advanced(by: .zero - min(remaining / 10, .milliseconds(500)))
        return context
    }
}
