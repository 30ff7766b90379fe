import Contracts
import DequeModule
import Logging
import NIOCore
import ProxyProtocol
import SMTPSyntax
import ServiceRuntime
import Settlement
import TransportSecurity

/// Performs what the machine wants on a channel. There is no policy here.
///
/// Reading is on demand: the next octets are read when the machine needs some, the spool keeps up, and the client reads
/// what we write. All replies of one batch leave with one flush. Everything happens on the channel's event loop.
final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let environment: SessionEnvironment
    let client: ClientEndpoint
    let channel: any Channel
    var machine: SessionMachine
    private var inbound = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var end: ConnectionEndObserver
    /// What the client surely knows of our replies.
    var knowledge = ClientKnowledge(at: .now)
    var spool: MessageSpool?
    /// A transaction whose last octets are being written to the spool.
    var finishing: Transaction?
    /// A transaction whose client was lost while its content was being written.
    var suspending: (transaction: Transaction, spool: MessageSpool)?
    /// The transaction in hand, if its client named it: another connection may demand it.
    var open: (key: CheckpointKey, transaction: OpenTransaction)?
    /// Transactions that their client named, and that it may not know the outcome of; `number` counts the replies.
    var unheard: Deque<(number: Int, transaction: HandedOverTransaction)> = []
    private var isAdmitted = false
    /// What a client that is turned away will be told.
    private var refusal: Reply?
    private var isPumping = false
    /// Our last word was said.
    private(set) var isClosing = false
    private var hasInputEnded = false
    /// Calls without an answer.
    private var openCalls = 0
    /// Writes to the spool under way.
    var openWrites = 0
    private let executor: EventLoopTaskExecutor
    private var idleTimer: Scheduled<Void>?
    /// From our last word on.
    private var lingering: Lingering?
    private var lastHeard = NIODeadline.now()
    private var isAwaitingClient = true

    init(environment: SessionEnvironment, channel: any Channel, origin: ConnectionOrigin) {
        self.environment = environment
        self.channel = channel
        client = ClientEndpoint(address: origin.address, port: origin.port)
        end = ConnectionEndObserver(isProxied: origin.isProxied)
        machine = SessionMachine(settings: environment.settings, mechanisms: environment.mechanisms.mechanisms)
        executor = EventLoopTaskExecutor(channel.eventLoop)
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        let kind = environment.settings.kind
        switch environment.registry.enter(channel, address: client.address) {
        case .admitted: break
        case .refused(.tooMany, let time): return turnAway(Replies.tooManySessions, after: time)
        case .refused(.tooManyFromAddress, let time): return turnAway(Replies.tooManySessionsFromAddress, after: time)
        case .refused(.draining, let time): return turnAway(Replies.shuttingDown, after: time)
        }
        isAdmitted = true
        environment.metrics.sessionBegan(kind)
        startIdleTimer(after: environment.timeouts.idle)
        if !kind.hasImplicitTLS { machine.connected() }
        pump()
        // The handshake needs octets before the machine asks for any.
        if kind.hasImplicitTLS { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        var incoming = unwrapInboundIn(data)
        lastHeard = .now()
        settle(knowledge.promptAnswered())
        if inbound.readableBytes == 0 { inbound = incoming } else { inbound.writeBuffer(&incoming) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isClosing {
            if machine.tls == nil, end.readCompleted(on: channel) {
                knowledge.inputEnded(inOrder: end.hasEndedInOrder)
            }
            // What still comes is thrown away; to leave it unread would turn our last octets into a reset.
            context.read()
        } else {
            pump()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { pump() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as TLSHandshakeCompleted:
            machine.tlsEstablished(TLSFacts(event))
            pump()
        case let event as TLSInputEnded:
            inputEnded(event)
        case let event as TLSOutputEnded:
            end.outputEnded(event)
        case ChannelEvent.inputClosed:
            inputEnded(.closeNotify)
            hasInputEnded = true
            if !isClosing {
                pump()
            } else if machine.tls == nil {
                context.close(promise: nil)
            } else {
                context.read()
            }
        case let event as TransactionDemanded:
            demanded(event.transaction)
        case is DrainRequested:
            // Whoever is being turned away need not wait for it any longer; who has not come in yet is told then.
            guard isAdmitted else {
                if let refusal { sayNo(refusal) }
                return
            }
            machine.drain()
            // Nothing is in hand before the handshake is done, and nobody would understand a word.
            if machine.isBeforeHandshake { context.close(promise: nil) } else { pump() }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end.failed(error)
        environment.logger.debug(
            "connection failed", metadata: ["client": "\(client.address)", "error": "\(error)"])
        context.close(promise: nil)
    }

    private func inputEnded(_ event: TLSInputEnded) {
        end.inputEnded(event, on: channel)
        knowledge.inputEnded(inOrder: end.hasEndedInOrder)
    }

    private func settle(_ settlement: Settlement?) {
        if let settlement { environment.settlements.send(settlement) }
        forgetHeard()
    }

    func channelInactive(context: ChannelHandlerContext) {
        idleTimer?.cancel()
        lingering?.cancel()
        settle(knowledge.closed(inOrder: end.hasEndedInOrder))
        machine.disconnected()
        isClosing = true
        keepInterrupted()
        environment.logger.debug(
            "session ended",
            metadata: [
                "client": "\(client.address)", "listener": "\(environment.settings.kind.rawValue)",
                "end": "\(end.end.rawValue)", "transactions": "\(machine.transactionCount)",
            ])
        leaveWhenDone()
        context.fireChannelInactive()
    }

    /// A session counts until its connection is closed, its calls are answered and its writes are done.
    func leaveWhenDone() {
        guard isAdmitted, openCalls == 0, openWrites == 0, !channel.isActive else { return }
        isAdmitted = false
        environment.registry.leave(channel, address: client.address)
    }

    /// No session: one line and good-bye. Under implicit TLS that would cost a handshake, so there it is just
    /// good-bye.
    private func turnAway(_ reply: Reply, after time: Duration) {
        isClosing = true
        guard time > .zero else { return sayNo(reply) }
        refusal = reply
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        idleTimer = channel.eventLoop.scheduleTask(in: TimeAmount(time)) { handler.value.sayNo(reply) }
    }

    private func sayNo(_ reply: Reply) {
        refusal = nil
        idleTimer?.cancel()
        guard let context, !environment.settings.kind.hasImplicitTLS else { return channel.close(promise: nil) }
        var line = ByteBuffer()
        reply.write(to: &line)
        context.writeAndFlush(wrapOutboundOut(line)).assumeIsolated().whenComplete { [channel] _ in
            channel.close(promise: nil)
        }
    }

    // MARK: The pump

    /// Lets the machine go on as far as it can.
    func pump() {
        guard !isPumping, !isClosing, isAdmitted, let context else { return }
        isPumping = true
        defer { isPumping = false }
        isAwaitingClient = false
        while true {
            switch machine.next(&inbound) {
            case .read:
                if machine.takePrompt(), inbound.readableBytes == 0 {
                    knowledge.prompted(at: .now)
                }
                flush(context)
                if inbound.readableBytes == 0 { inbound = ByteBuffer() }
                if hasInputEnded { return finish(context) }
                isAwaitingClient = true
                if spool?.isCongested != true, context.channel.isWritable { context.read() }
                return
            case .wait:
                return flush(context)
            case .close:
                return finish(context)
            case .startTLS:
                startTLS(context)
            case .content(let content):
                // Content that was there before the prompt answers nothing.
                _ = machine.takePrompt()
                keep(content)
            case .findCheckpoint(let transaction):
                findCheckpoint(transaction)
            case .forgetCheckpoint(let transaction):
                environment.checkpoints.forget(transaction)
            case .discard:
                spool = nil
            case .accept(let transaction):
                finishing = transaction
                spool?.flush()
                handOverWhenWritten()
            case .awaitOutcome(let transaction):
                awaitOutcome(transaction)
            case .resolve(let addresses):
                resolve(addresses)
            case .checkSender(let address, let accountID):
                checkSender(address, accountID)
            case .authenticate(let step):
                authenticate(step)
            }
        }
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard let output = machine.takeOutput() else { return }
        end.writeBegan()
        context.writeAndFlush(wrapOutboundOut(output)).assumeIsolated().whenComplete { result in
            self.end.writeEnded(sent: (try? result.get()) != nil)
        }
    }

    /// Says what is left to say, ends our side of the connection, and gives the client some time to end its own.
    private func finish(_ context: ChannelHandlerContext) {
        isClosing = true
        machine.interrupt()
        keepInterrupted()
        inbound = ByteBuffer()
        flush(context)
        idleTimer?.cancel()
        let channel = channel
        end.outputClosed()
        // Behind close_notify a reset may still come, from a client that closed without reading what we said.
        if hasInputEnded, machine.tls == nil {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
                channel.close(promise: nil)
            }
        } else {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
                channel.close(mode: .output, promise: nil)
            }
            context.read()
        }
        lingering = Lingering(on: channel, for: environment.timeouts.linger)
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        guard let tls = environment.tls else { return context.close(promise: nil) }
        do {
            let injected = try TLSHandler.startTLS(
                server: tls, below: context, announcing: machine.takeOutput(), discarding: &inbound)
            if injected > 0 {
                environment.metrics.injectedOctets.increment(by: injected)
                environment.logger.warning(
                    "octets behind STARTTLS thrown away",
                    metadata: ["client": "\(client.address)", "octets": "\(injected)"])
            }
            context.read()
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    // MARK: Calls

    /// Asks somebody on this event loop and gives the answer to the machine; what need not be done before the client
    /// has its reply is done afterwards.
    func call<Answer: Sendable>(
        _ question: @escaping @Sendable () async throws -> Answer,
        then answered: @escaping @Sendable (SessionHandler, Result<Answer, PeerRefusal>) -> Void,
        afterwards told: @escaping @Sendable (SessionHandler, Result<Answer, PeerRefusal>) -> Void = { _, _ in }
    ) {
        openCalls += 1
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        let logger = environment.logger
        let metrics = environment.metrics
        Task(executorPreference: executor) {
            let result: Result<Answer, PeerRefusal>
            do {
                result = .success(try await question())
            } catch {
                logger.warning("a peer did not answer", metadata: ["error": "\(error)"])
                metrics.peerFailures.increment()
                result = .failure(PeerRefusal(error))
            }
            handler.value.finished(result, answered, told)
        }
    }

    private func finished<Answer: Sendable>(
        _ result: Result<Answer, PeerRefusal>,
        _ answered: (SessionHandler, Result<Answer, PeerRefusal>) -> Void,
        _ told: (SessionHandler, Result<Answer, PeerRefusal>) -> Void
    ) {
        openCalls -= 1
        answered(self, result)
        // The client's time begins anew.
        lastHeard = .now()
        pump()
        told(self, result)
        leaveWhenDone()
    }

    // MARK: Time

    private func startIdleTimer(after time: Duration) {
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        idleTimer = channel.eventLoop.scheduleTask(in: TimeAmount(time)) { handler.value.idleTimerFired() }
    }

    private func idleTimerFired() {
        guard !isClosing else { return }
        let limit = environment.timeouts.idle
        let idle = Duration.nanoseconds((NIODeadline.now() - lastHeard).nanoseconds)
        if !isAwaitingClient {
            // A handshake that never ends has nobody else to end it; every call has a deadline of its own.
            guard openCalls == 0, spool?.isWriting != true else { return startIdleTimer(after: limit) }
        }
        if idle < limit { return startIdleTimer(after: limit - idle) }
        end.timedOut()
        if machine.isBeforeHandshake { return channel.close(promise: nil) }
        machine.idleTooLong()
        pump()
    }
}

extension TLSFacts {
    init(_ event: TLSHandshakeCompleted) {
        self.init(
            version: event.version.description, cipher: event.cipher,
            bindings: event.channelBindings.map { Binding(type: $0.type, octets: $0.octets) })
    }
}
