import Contracts
import IMAPSyntax
import Logging
import Messaging
import NIOCore
import ServiceRuntime
import Settlement
import TransportSecurity

/// One client's connection: takes what `SessionHandler` reads, runs one command after another, writes the answers.
///
/// The actor runs on its channel's event loop, so that neither reading nor writing changes threads. What may come when
/// is `SessionMachine`'s business; each family of commands is an extension in `Commands`.
///
/// Invariants:
/// - one command at a time; what follows stays unparsed in `input` until it is answered, and reading stops beyond
///   `Limits.pipelinedOctets`;
/// - the session waits in one place only (`wait(for:within:)`), always with a limit in time;
/// - output is produced only while the channel is writable.
actor Session {
    nonisolated let id = TransactionID.next()
    nonisolated let clientAddress: String
    nonisolated let channel: any Channel
    nonisolated let services: SessionServices

    var machine: SessionMachine
    var parser: CommandParser
    var printer = ResponsePrinter()
    var logger: Logger
    var selected: SelectedMailbox?
    /// Set from the first NOTIFY on.
    var notifications: Notifications?
    var tls: TLSHandshakeCompleted?
    /// The trace id of the command in hand.
    var transaction = TransactionID.next()
    /// The message that an APPEND streams through at this moment.
    var upload: AppendUpload?
    /// APPENDs that were read ahead and are not answered yet.
    var followers: [FollowingAppend] = []
    /// Those that are handed over behind them.
    var nextBatch: (batch: AppendBatch, call: AppendCall)?
    /// What the client surely knows of the answers to its APPENDs.
    var knowledge: ClientKnowledge
    var end: ConnectionEndObserver
    /// FETCH responses are being written, in pieces.
    var isAnsweringFetch = false
    /// One of them at least is written.
    var fetchHasBegun = false
    /// By uid, of the messages that are being answered for; those that are missing are NIL.
    var previews: [UInt32: String] = [:]
    /// What the session ends with once the command in hand is answered.
    var farewell: StatusResponse?

    var wakeup = Wakeup()
    var input = ByteBuffer()
    var readingIsPaused = false
    private var deadline: NIODeadline?
    var timer: (task: Scheduled<Void>, deadline: NIODeadline)?
    var handler: NIOLoopBound<SessionHandler>?
    /// From the first COMPRESS on.
    var layer: NIOLoopBound<CompressionHandler>?

    nonisolated var unownedExecutor: UnownedSerialExecutor { channel.eventLoop.executor.asUnownedSerialExecutor() }

    init(
        channel: any Channel, clientAddress: String, isProxied: Bool, implicitTLS: Bool, services: SessionServices
    ) {
        self.channel = channel
        self.clientAddress = clientAddress
        self.services = services
        self.machine = SessionMachine(
            limits: services.limits, offersTLS: services.tls != nil, implicitTLS: implicitTLS,
            offersUnauthenticate: services.offersUnauthenticate)
        self.parser = CommandParser(limits: .unauthenticated)
        self.end = ConnectionEndObserver(isProxied: isProxied)
        self.knowledge = ClientKnowledge(connection: id, at: .now)
        var logger = services.logger
        logger[metadataKey: "session"] = "\(id)"
        logger[metadataKey: "client"] = "\(clientAddress)"
        self.logger = logger
    }

    var limits: Limits { services.limits }

    // MARK: Life

    /// Serves the client until the session ends; nothing of it is left afterwards.
    nonisolated func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.serve() }
            // A command that waits for a peer is cancelled when its client vanishes.
            group.addTask { try? await self.channel.closeFuture.get() }
            await group.next()
            group.cancelAll()
        }
    }

    private func serve() async {
        SessionMetrics.sessionsStarted.increment()
        do {
            try await begin()
            while machine.phase != .logout { try await serveNext() }
            throw SessionEnd.loggedOut
        } catch let end as SessionEnd {
            switch end {
            case .loggedOut, .clientGone: break
            case .bye(let status): printer.untagged(status)
            }
            logger.info("session ended", metadata: ["reason": "\(end.reason)"])
        } catch {
            logger.error("session failed", metadata: ["error": "\(error)"])
        }
        unselect()
        endNotifications()
        machine.ended()
        await close()
    }

    private func begin() async throws {
        if !channel.isActive {
            let woken = await wait(for: [.opened, .gone], within: limits.unauthenticatedTimeout)
            guard woken.contains(.opened) else { throw SessionEnd.clientGone }
        }
        if machine.waiting == .tlsHandshake { try await handshake() }
        let capabilities = await capabilities()
        printer.untagged(
            StatusResponse(.ok, .capability(capabilities), "Martlet is ready"))
        logger.info("session began", metadata: ["tls": "\(tls?.version.description ?? "none")"])
    }

    private func serveNext() async throws {
        switch try await nextEvent() {
        case .command(let command):
            try await execute(command)
        case .append(let command):
            try await append(command)
        case .literal:
            invite(ResponseText(nil, "Go on"))
        case .invalid(let failure):
            try refuse(failure)
        case .needMore, .appendPart, .messageOctets, .messageEnd, .appendNext, .appendEnd, .authenticationLine,
            .idleEnd:
            // The parser gives these only after a call that no command in hand has made.
            throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
        }
    }

    /// Answers a command that is none.
    func refuse(_ failure: InvalidCommand) throws {
        SessionMetrics.badCommands.increment()
        if failure.mustClose { throw SessionEnd.bye(failure.response) }
        if let tag = failure.tag {
            printer.tagged(tag, failure.response)
        } else {
            printer.untagged(failure.response)
        }
        try accept(machine.badCommandArrived())
    }

    func accept(_ consequence: SessionMachine.Consequence) throws {
        switch consequence {
        case .goOn: break
        case .end(let status): throw SessionEnd.bye(status)
        }
    }

    // MARK: What the handler sees; on the event loop

    func attach(_ handler: NIOLoopBound<SessionHandler>) {
        self.handler = handler
    }

    func received(_ octets: inout ByteBuffer) {
        take(&octets)
        let room = machine.isAppending ? limits.inlineOctets : limits.pipelinedOctets
        if !readingIsPaused, input.readableBytes >= room {
            readingIsPaused = true
            try? channel.syncOptions?.setOption(.autoRead, value: false)
        }
        signal(.input)
    }

    private func take(_ octets: inout ByteBuffer) {
        settle(knowledge.promptAnswered())
        if input.readableBytes == 0 { input = octets } else { input.writeBuffer(&octets) }
    }

    func secured(_ handshake: TLSHandshakeCompleted) {
        tls = handshake
        signal(.secured)
    }

    /// The client says that it is done, or the connection broke.
    func inputEnded(_ ended: TLSInputEnded) {
        end.inputEnded(ended, on: channel)
        knowledge.inputEnded(inOrder: end.hasEndedInOrder)
    }

    func outputEnded(_ ended: TLSOutputEnded) {
        end.outputEnded(ended)
    }

    func readCompleted() {
        guard knowledge.isInDoubt, tls == nil, end.readCompleted(on: channel) else { return }
        knowledge.inputEnded(inOrder: end.hasEndedInOrder)
    }

    func failed(_ error: any Error) {
        end.failed(error)
    }

    /// The channel is closed for good.
    func closed() {
        settle(knowledge.closed(inOrder: end.hasEndedInOrder))
    }

    private func settle(_ settlement: Settlement?) {
        if let settlement { services.settlements.send(settlement) }
    }

    func signal(_ event: Wakeups) {
        if let (continuation, woken) = wakeup.signal(event) { continuation.resume(returning: woken) }
    }

    // MARK: What others say; from any thread

    /// The service stops: end after the command in hand.
    nonisolated func drain() {
        channel.eventLoop.execute {
            self.assumeIsolated { session in
                session.machine.drainRequested()
                session.signal(.draining)
            }
        }
    }

    /// The selected mailbox has changed.
    nonisolated func mailboxChanged() {
        channel.eventLoop.execute { self.assumeIsolated { $0.signal(.changed) } }
    }

    // MARK: Waiting

    /// Waits for one of these, or until the time is up.
    func wait(for interest: Wakeups, within patience: Duration) async -> Wakeups {
        let ready = wakeup.take(interest)
        if !ready.isEmpty { return ready }
        wakeup.clear(.timedOut)
        let deadline = NIODeadline.now() + TimeAmount(patience)
        self.deadline = deadline
        arm(deadline)
        defer { self.deadline = nil }
        return await withCheckedContinuation { wakeup.park($0, for: interest.union(.timedOut)) }
    }

    /// One timer serves all waits: it looks at the deadline of the day when it fires.
    private func arm(_ deadline: NIODeadline) {
        if let timer {
            if timer.deadline <= deadline { return }
            timer.task.cancel()
        }
        let task = channel.eventLoop.scheduleTask(deadline: deadline) { [weak self] () -> Void in
            self?.assumeIsolated { $0.timerFired() }
        }
        timer = (task, deadline)
    }

    private func timerFired() {
        timer = nil
        guard let deadline else { return }
        if deadline <= .now() { signal(.timedOut) } else { arm(deadline) }
    }

    // MARK: Input

    /// The next thing that the parser makes of the client's octets.
    func nextEvent() async throws -> CommandEvent {
        while true {
            let event = parser.next()
            guard case .needMore = event else { return event }
            try await moreInput()
        }
    }

    /// Gives the parser what came, or waits for it. Everything written so far goes out first.
    func moreInput() async throws {
        flush()
        try inflate()
        let end = NIODeadline.now() + TimeAmount(machine.patience)
        var isUpToDate = true
        while input.readableBytes == 0 {
            try await writable()
            let isBetweenCommands = machine.waiting == .command
            var interest: Wakeups = [.input, .ended, .gone, .interrupted]
            if isBetweenCommands { interest.insert(.draining) }
            if isBetweenCommands, parser.bufferedOctets == 0 { interest.formUnion(awaitedNotifications) }
            let woken = await wait(for: interest, within: patience(until: end, isUpToDate: isUpToDate))
            try Task.checkGone(woken)
            try inflate()
            if input.readableBytes > 0 { break }
            if woken.contains(.interrupted) { throw CancellationError() }
            if woken.contains(.draining) { throw SessionEnd.bye(Self.stopping) }
            if woken.contains(.ended) { throw SessionEnd.clientGone }
            if end <= .now() { throw SessionEnd.bye(StatusResponse(.bye, nil, "Silent for too long")) }
            isUpToDate = try await tellNotifications()
            flush()
        }
        feedParser()
    }

    /// What storage could not tell is asked again soon.
    func patience(until end: NIODeadline, isUpToDate: Bool) -> Duration {
        let remaining = Duration(end - .now())
        return isUpToDate ? remaining : min(remaining, .seconds(1))
    }

    /// Gives the parser what came.
    func feedParser() {
        parser.feed(input)
        input = ByteBuffer()
        if readingIsPaused {
            readingIsPaused = false
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    var hasInput: Bool { input.readableBytes > 0 }

    static let stopping = StatusResponse(.bye, .unavailable, "The service stops, come again")

    // MARK: Compression

    /// The layer of COMPRESS, once there is one.
    var compression: CompressionHandler? { layer?.value }

    /// COMPRESS: the reply goes out as it is, all that follows it is compressed, both ways (RFC 4978, 3).
    func startCompression(announcing reply: StatusResponse, _ tag: String) throws {
        guard let handler = handler?.value, let streams = try? CompressionHandler.Streams() else {
            throw Refusal.unavailable
        }
        let layer = try self.layer ?? handler.addCompression()
        self.layer = layer
        printer.tagged(tag, reply)
        flush()
        var unread = parser.takeUnread()
        unread.writeBuffer(&input)
        input = ByteBuffer()
        wakeup.clear(.input)
        layer.value.begin(streams, with: unread)
        if readingIsPaused { feedParser() }
    }

    /// Sends what was printed as the last that is compressed, either way (RFC 8437, 4.1). It shares its block with the
    /// end of the stream, so that no reader takes the one without the other.
    func endCompression() throws {
        guard !hasInput, parser.bufferedOctets == 0 else {
            throw SessionEnd.bye(StatusResponse(.bye, .clientBug, "Compressed octets behind UNAUTHENTICATE"))
        }
        if printer.buffer.readableBytes > 0 { send(printer.take()) }
        compression?.end()
    }

    /// Takes the next piece of what the client sent compressed, when the last one is used up.
    func inflate() throws {
        guard let compression, input.readableBytes == 0 else { return }
        do {
            guard var piece = try compression.next() else { return }
            take(&piece)
        } catch {
            logger.notice("compressed input cannot be read", metadata: ["error": "\(error)"])
            throw SessionEnd.bye(StatusResponse(.bye, .clientBug, "Not a DEFLATE stream"))
        }
    }

    // MARK: TLS

    /// STARTTLS: after the reply, nothing that came in the clear counts (RFC 9051, 6.2.1).
    func startTLS(announcing reply: ByteBuffer) async throws {
        guard let context = services.tls, let handler = handler?.value else { throw Refusal.serverBug }
        machine.handshakeBegan()
        var unread = input
        input = ByteBuffer()
        let injected = parser.bufferedOctets + unread.readableBytes
        parser.abandon()
        wakeup.clear(.input)
        flush()
        try handler.startTLS(context, announcing: reply, discarding: &unread)
        if readingIsPaused { feedParser() }
        if injected > 0 { logger.warning("plaintext after STARTTLS dropped", metadata: ["octets": "\(injected)"]) }
        try await handshake()
    }

    private func handshake() async throws {
        let woken = await wait(for: [.secured, .ended, .gone], within: limits.unauthenticatedTimeout)
        guard woken.contains(.secured) else { throw SessionEnd.clientGone }
        machine.secured()
    }
}

extension Task where Success == Never, Failure == Never {
    /// Throws when the connection is gone.
    static func checkGone(_ woken: Wakeups) throws {
        if woken.contains(.gone) { throw SessionEnd.clientGone }
    }
}
