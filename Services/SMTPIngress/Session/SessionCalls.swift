import Contracts
import Logging
import Messaging
import NIOCore
import SMTPSyntax
import ServiceRuntime
import Settlement

/// The questions that a session asks its peers. Each is one call: one hop out, one back.
extension SessionHandler {
    func resolve(_ addresses: [String]) {
        let recent = environment.resolutions
        if let known = recent.answers(to: addresses) { return machine.resolved(.success(known)) }
        let directory = environment.peers.directory
        let context = CallContext(
            transaction: machine.transaction?.id ?? .next(), timeout: environment.timeouts.question)
        call {
            var request = ResolveRequest()
            request.addresses = addresses
            let resolutions = try await directory.resolve(request, context).resolutions
            recent.remember(resolutions, to: addresses)
            return resolutions
        } then: { handler, result in
            handler.machine.resolved(result)
        }
    }

    func checkSender(_ address: String, _ accountID: Int64) {
        let directory = environment.peers.directory
        let context = CallContext(timeout: environment.timeouts.question)
        call {
            var request = ResolveRequest()
            request.addresses = [address]
            let resolutions = try await directory.resolve(request, context).resolutions
            // An account over its quota may send all the same.
            return resolutions.first?.targets.contains { $0.accountID == accountID } ?? false
        } then: { handler, result in
            handler.machine.senderChecked(result)
        }
    }

    func authenticate(_ step: AuthenticationStep) {
        let sasl = environment.peers.sasl
        let context = CallContext(timeout: environment.timeouts.question)
        let address = client.address
        let tls = machine.tls
        call {
            switch step {
            case .start(let mechanism, let initialResponse):
                var request = SaslStartRequest()
                request.mechanism = mechanism
                if let initialResponse { request.initialResponse.append(contentsOf: initialResponse) }
                request.service = "smtp"
                request.clientAddress = address
                request.overTls = tls != nil
                request.channelBindings = (tls?.bindings ?? []).map { binding in
                    var entry = ChannelBinding()
                    entry.type = binding.type
                    entry.octets.append(contentsOf: binding.octets)
                    return entry
                }
                return AuthenticationAnswer(try await sasl.start(request, context))
            case .respond(let exchange, let response):
                var request = SaslRespondRequest()
                request.exchange.append(contentsOf: exchange)
                request.response.append(contentsOf: response)
                request.clientAddress = address
                return AuthenticationAnswer(try await sasl.respond(request, context))
            }
        } then: { handler, result in
            handler.authenticationAnswered(result)
        }
    }

    private func authenticationAnswered(_ result: Result<AuthenticationAnswer, PeerRefusal>) {
        let answer = (try? result.get()) ?? .unavailable
        switch answer {
        case .success(let identity, _):
            environment.metrics.authenticationSuccesses.increment()
            environment.logger.info(
                "authenticated", metadata: ["client": "\(client.address)", "account": "\(identity.address)"])
        case .failure(let failure):
            environment.metrics.authenticationFailures.increment()
            environment.logger.info(
                "authentication failed", metadata: ["client": "\(client.address)", "reason": "\(failure)"])
        case .challenge, .unavailable:
            break
        }
        machine.authenticationAnswered(answer)
    }

    /// Hands a whole message over to content processing.
    func handOver(_ transaction: Transaction, _ spool: MessageSpool) {
        let acceptance = environment.peers.acceptance
        let (message, digest) = spool.finish()
        let now = Moment.now
        var request = machine.acceptRequest(
            transaction, client: client, octets: spool.octets, digest: digest, receivedAt: now.wallClock)
        knowledge.begin(&request.client, at: now)
        let handedOver = keepOutcome(of: transaction, octets: spool.octets)
        // The transaction's id is the key: however often the request is repeated, its effect is one.
        let context = CallContext(
            transaction: transaction.id, timeout: environment.timeouts.acceptance, idempotencyKey: transaction.id)
        let began = NIODeadline.now()
        let octets = spool.octets
        let asked = request
        let turns = environment.turns
        let address = client.address
        // A large message passes at its own pace for long; it takes no turn away from small ones.
        let takesTurn = octets <= environment.settings.limits.memoryOctets
        call {
            guard takesTurn else { return try await acceptance.accept(asked, message: message, context) }
            return try await turns.take(address) { try await acceptance.accept(asked, message: message, context) }
        } then: { handler, result in
            switch result {
            case .success(let reply):
                handler.knowledge.replied(reply.receipts)
                if TransactionReplies.areUncertain(reply.statuses) { handler.refused(transaction) }
                handler.finish(handedOver, handler.machine.replies(to: transaction, reply.statuses))
                handler.machine.accepted(reply.statuses)
            case .failure(let refusal):
                let reply = Replies.peerFailure(refusal.failure)
                handler.refused(transaction)
                handler.finish(handedOver, handler.machine.replies(to: transaction, reply))
                handler.machine.notAccepted(reply)
            }
        } afterwards: { handler, result in
            handler.environment.metrics.acceptanceTime.recordNanoseconds((NIODeadline.now() - began).nanoseconds)
            let statuses = (try? result.get())?.statuses ?? []
            handler.record(transaction, octets, code: statuses.map { $0.code }.max() ?? 451)
        }
    }

    /// A transaction that its client named has its replies; whoever waits for them on another connection has them too.
    private func finish(_ transaction: HandedOverTransaction?, _ replies: [Reply]) {
        guard let transaction else { return }
        if environment.checkpoints.finish(transaction, replies) { replied(transaction) }
    }

    /// The client has come again for a reply. Nothing is handed over a second time.
    ///
    /// The receipts of the transaction stay unsettled, although this connection may prove that the client knows: they
    /// belong to the connection that made them. To settle late or never is harmless, and here it is so twice: TRANSID is
    /// part of their fingerprint, so that no honest second message can be taken for this one.
    func awaitOutcome(_ transaction: HandedOverTransaction) {
        call {
            await transaction.replies()
        } then: { handler, result in
            guard let replies = try? result.get() else { return }
            handler.knowledge.replied()
            if !replies.contains(where: \.isTransient) { handler.replied(transaction) }
            handler.machine.answered(replies)
        }
    }

    /// Nobody knows what a transaction that failed has left behind; the session remembers some, and then ends.
    private func refused(_ transaction: Transaction) {
        knowledge.refused(transaction.id)
        if knowledge.denied.count >= ClientKnowledge.deniedLimit { machine.endAfterReply() }
    }

    /// Counts and logs what became of a transaction.
    private func record(_ transaction: Transaction, _ octets: Int, code: UInt32) {
        let metrics = environment.metrics
        switch code / 100 {
        case 2:
            metrics.messageAccepted(environment.settings.kind)
            metrics.acceptedOctets.increment(by: octets)
        case 5: metrics.refusedMessages.increment()
        default: metrics.deferredMessages.increment()
        }
        environment.logger.info(
            "message",
            metadata: [
                "transaction": "\(transaction.id)", "client": "\(client.address)",
                "listener": "\(environment.settings.kind.rawValue)", "from": "<\(transaction.reversePath.text)>",
                "recipients": "\(transaction.recipients.count)", "octets": "\(octets)", "code": "\(code)",
            ])
    }
}
