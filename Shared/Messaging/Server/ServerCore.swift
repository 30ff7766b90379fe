import Atomics
import CZeroMQ
import Logging
import NIOCore

/// The inside of a `ServerSocket`; confined to the socket thread.
///
/// Invariants: `requestsInFlight` and `octetsInFlight` count exactly the calls whose handler has not returned and the
/// answers that a full socket has not taken; each call gets one reply, failure or end, or none when its caller is
/// gone or gave up.
final class ServerCore: @unchecked Sendable {
    let thread: SocketThread
    private let context: MessagingContext
    private let logger: Logger
    private let access: any AccessPolicy
    private let limits: ServerLimits
    private let placement: HandlerPlacement
    private var contracts: [UInt8: any ContractServer] = [:]
    private var allowed: [CurvePublicKey: PeerIdentity]
    private var socket: ZeroMQSocket?
    private var domain: String?
    private var knowsCallers = false
    private var peers: [UInt32: ServerPeer] = [:]
    private var requestsInFlight = 0 {
        didSet { inFlightGauge.store(requestsInFlight, ordering: .relaxed) }
    }
    private var octetsInFlight = 0
    private var isDraining = false
    private var drained: [() -> Void] = []
    private var lastWarning: ContinuousClock.Instant?
    private var timers: [ThreadTimer] = []
    private lazy var deadlines = timer { $0.passDeadlines() }
    private lazy var sweep = timer { $0.sweepPeers() }
    private lazy var retry = timer { $0.flushOutboxes() }
    private lazy var drainLimit = timer { $0.endDrain() }
    let inFlightGauge = ManagedAtomic<Int>(0)

    /// A connection that has nothing in hand is forgotten after so long; its next message makes it known again.
    private static let idle = Duration.seconds(60)
    /// Refusals are not kept for a connection that so many messages wait for.
    private static let refusalLimit = 1_024

    init(
        _ context: MessagingContext, contracts: [any ContractServer], peers: [CurvePublicKey: PeerIdentity],
        access: any AccessPolicy, limits: ServerLimits, placement: HandlerPlacement
    ) {
        self.context = context
        thread = context.thread
        logger = context.logger
        self.access = access
        self.limits = limits
        self.placement = placement
        allowed = peers
        for server in contracts { self.contracts[server.contract.number] = server }
    }

    // MARK: Life

    func bind(_ endpoint: String) -> Result<String, MessagingError> {
        do {
            let socket = try ZeroMQSocket(thread, ZMQ_ROUTER)
            context.configure(socket, lingering: .seconds(1))
            socket.set(ZMQ_ROUTER_MANDATORY, Int32(1))
            if context.keys != nil, !endpoint.hasPrefix("inproc://") {
                let domain = context.zap.addDomain { [unowned self] key in self.judge(key) }
                self.domain = domain
                context.secure(server: socket, domain: domain)
                knowsCallers = true
            }
            socket.wantsUser = { [unowned self] route in self.peers[route] == nil }
            socket.onMessage = { [unowned self] message in self.receive(message) }
            socket.onEnd = { [unowned self] in self.end() }
            self.socket = socket
            return .success(try socket.bind(endpoint))
        } catch {
            close()
            return .failure(error)
        }
    }

    /// Tells the callers that their calls were left unfinished, then closes.
    func close() {
        cancelCalls(MessagingError(.draining, "the server closed"))
        end()
    }

    private func end() {
        for peer in peers.values {
            for call in peer.calls.values { call.stop(MessagingError(.cancelled, "the server closed")) }
        }
        socket?.close()
        socket = nil
        if let domain { context.zap.removeDomain(domain) }
        domain = nil
        for timer in timers { thread.unregister(timer) }
        timers = []
        peers = [:]
        for completion in drained { completion() }
        drained = []
    }

    private func timer(_ action: @escaping (ServerCore) -> Void) -> ThreadTimer {
        let timer = ThreadTimer { [unowned self] in action(self) }
        timers.append(timer)
        thread.register(timer)
        return timer
    }

    func setPeers(_ peers: [CurvePublicKey: PeerIdentity]) {
        allowed = peers
        for peer in self.peers.values { peer.grants = [:] }
    }

    func drain(until limit: ContinuousClock.Instant, _ completion: @escaping @Sendable () -> Void) {
        guard socket != nil else { return completion() }
        drained.append(completion)
        if !isDraining {
            isDraining = true
            for peer in peers.values { send(Frame(kind: .draining, call: 0), to: peer) }
        }
        drainLimit.arm(at: limit)
        checkDrained()
    }

    private func checkDrained() {
        guard isDraining, requestsInFlight == 0 else { return }
        finishDrain()
    }

    /// The time is over: what is still in hand is cancelled, and not waited for.
    private func endDrain() {
        cancelCalls(MessagingError(.draining, "the server left"))
        finishDrain()
    }

    private func finishDrain() {
        drainLimit.disarm()
        let completions = drained
        drained = []
        for completion in completions { completion() }
    }

    private func cancelCalls(_ error: MessagingError) {
        for peer in peers.values {
            for call in peer.calls.values where !call.isAnswered { fail(call, error, peer) }
        }
    }

    // MARK: Access

    /// ZAP: a key may connect when its service may call anything that is served here.
    private func judge(_ key: CurvePublicKey) -> PeerIdentity? {
        guard let identity = allowed[key],
            contracts.keys.contains(where: { grants(of: identity, contract: $0) != 0 })
        else { return nil }
        return identity
    }

    private func grants(of identity: PeerIdentity, contract: UInt8) -> UInt64 {
        (UInt8(1)...63).reduce(0) { bits, method in
            access.permits(identity, contract: contract, method: method) ? bits | 1 << UInt64(method) : bits
        }
    }

    private func permits(_ peer: ServerPeer, contract: UInt8, method: UInt8) -> Bool {
        guard knowsCallers else { return true }
        guard let identity = peer.identity, method < 64 else { return false }
        let bits: UInt64
        if let known = peer.grants[contract] {
            bits = known
        } else {
            bits = allowed.values.contains(identity) ? grants(of: identity, contract: contract) : 0
            peer.grants[contract] = bits
        }
        return bits & (1 << UInt64(method)) != 0
    }

    /// At most once a second: whoever is denied may ask as often as it likes.
    private func warnOfDenial(_ request: Frame.Request, _ contract: ContractDescription, _ peer: ServerPeer) {
        if let lastWarning, thread.now < lastWarning.advanced(by: .seconds(1)) { return }
        lastWarning = thread.now
        logger.warning(
            "call denied",
            metadata: [
                "caller": "\(peer.identity?.service ?? "unknown")", "contract": "\(contract.name)",
                "method": "\(request.method)", "transaction": "\(request.transaction)",
            ])
    }

    // MARK: Receiving

    private func receive(_ message: ArrivedMessage) {
        var body = message.first
        // What cannot be read has no call that could be answered: it is dropped, and the sender's deadline tells it.
        guard let (frame, length) = try? body.withUnsafeReadableBytes({ try Frame.decode($0) }) else {
            logger.debug("a frame that cannot be read was dropped")
            return
        }
        body.moveReaderIndex(forwardBy: length)
        let peer = peer(of: message)
        switch frame.kind {
        case .request(let request):
            begin(request, frame.call, body, message.rest, peer)
        case .chunk(let isLast):
            guard let call = peer.calls[frame.call] else { return }
            receive(chunk: message.rest, isLast: isLast, of: call, peer)
        case .credit(let octets):
            peer.calls[frame.call]?.outflow?.grant(Int(octets))
        case .cancel:
            peer.calls[frame.call]?.stop(MessagingError(.cancelled, "the caller gave up"))
        case .reply, .failure, .item, .end, .draining, .ping, .subscribed:
            break
        }
    }

    private func peer(of message: ArrivedMessage) -> ServerPeer {
        if let peer = peers[message.route] {
            peer.lastHeard = thread.now
            return peer
        }
        let identity = message.user.map(PeerIdentity.init(service:))
        let peer = ServerPeer(route: message.route, identity: identity, now: thread.now)
        peers[message.route] = peer
        sweep.arm(at: thread.now.advanced(by: .seconds(1)))
        return peer
    }

    private func begin(
        _ request: Frame.Request, _ number: UInt64, _ body: ByteBuffer, _ frames: [ByteBuffer], _ peer: ServerPeer
    ) {
        func refuse(_ code: MessagingError.Code, _ text: String) {
            // Whoever asks without end and reads no answer loses nothing when it gets none.
            guard peer.outbox.count < Self.refusalLimit else { return }
            send(Frame(kind: .failure(code, notBegun: true), call: number), body: ByteBuffer(string: text), to: peer)
        }
        guard peer.calls[number] == nil else { return }
        guard let server = contracts[request.contract] else {
            return refuse(.unknownMethod, "contract \(request.contract) is not served here")
        }
        guard permits(peer, contract: request.contract, method: request.method) else {
            warnOfDenial(request, server.contract, peer)
            return refuse(.denied, "\(server.contract.name) method \(request.method)")
        }
        guard !isDraining else { return refuse(.draining, "this replica is about to leave") }
        guard request.remainingMicroseconds > 0 else { return refuse(.deadlineExceeded, "on arrival") }
        let upload = request.uploadOctets.map { Int(clamping: $0) }
        let window = min(upload ?? 0, Credit.uploadWindow)
        let octets = frames.reduce(body.readableBytes + window) { $0 + $1.readableBytes }
        guard requestsInFlight < limits.requestsInFlight, octetsInFlight + octets <= limits.octetsInFlight else {
            return refuse(.overloaded, "\(requestsInFlight) calls and \(octetsInFlight) octets in hand")
        }
        let deadline = thread.now.advanced(by: .microseconds(Int64(request.remainingMicroseconds)))
        let call = ServerCall(
            self, route: peer.route, number: number, octets: octets,
            outflow: request.window.map { Outflow(window: min(Int($0), Credit.streamWindow)) }, deadline: deadline)
        peer.calls[number] = call
        requestsInFlight += 1
        octetsInFlight += octets
        deadlines.arm(at: deadline)
        let payload = upload.map { self.upload($0, window: window, of: call) } ?? Payload(frames: frames)
        let incoming = IncomingCall(
            call, request: request,
            context: CallContext(
                transaction: request.transaction, deadline: deadline, idempotencyKey: request.idempotencyKey,
                caller: peer.identity),
            body: body, payload: payload)
        run(server, incoming, call)
    }

    /// The task belongs to the call: it is cancelled with it, and the call is in hand until it has returned.
    private func run(_ server: any ContractServer, _ incoming: IncomingCall, _ call: ServerCall) {
        let executor: (any TaskExecutor)? =
            switch placement {
            case .onSocketThread: thread
            case .concurrent: nil
            }
        call.task = Task(executorPreference: executor) { [thread] in
            let outcome: Result<CallResult, MessagingError>
            do {
                outcome = .success(try await server.handle(incoming))
            } catch let error as MessagingError {
                outcome = .failure(error)
            } catch is CancellationError {
                outcome = .failure(MessagingError(.cancelled))
            } catch {
                outcome = .failure(MessagingError(.failed, "\(error)"))
            }
            thread.execute { call.core.finish(call, outcome) }
        }
    }

    private func finish(_ call: ServerCall, _ outcome: Result<CallResult, MessagingError>) {
        requestsInFlight -= 1
        octetsInFlight -= call.octets
        call.task = nil
        call.inflow?.end(MessagingError(.cancelled, "the call is over"))
        if let peer = peers[call.route] {
            peer.calls[call.number] = nil
            if !call.isAnswered {
                call.isAnswered = true
                switch outcome {
                case .success(.reply(let body, let payload)):
                    send(Frame(kind: .reply, call: call.number), body: body, payload: payload, to: peer)
                case .success(.end):
                    send(Frame(kind: .end, call: call.number), to: peer)
                case .failure(let error):
                    send(
                        Frame(kind: .failure(error.code, notBegun: false), call: call.number),
                        body: ByteBuffer(string: error.text), to: peer)
                }
            }
        }
        if isDraining { checkDrained() }
    }

    private func fail(_ call: ServerCall, _ error: MessagingError, _ peer: ServerPeer) {
        call.stop(error)
        send(
            Frame(kind: .failure(error.code, notBegun: false), call: call.number),
            body: ByteBuffer(string: error.text), to: peer)
    }

    // MARK: Flows

    private func upload(_ octets: Int, window: Int, of call: ServerCall) -> Payload {
        let grant: @Sendable (Int) -> Void = { [thread] octets in
            thread.execute { call.core.grant(octets, to: call) }
        }
        let inflow = Inflow<ByteBuffer>(window: max(window, 1), grant: grant)
        call.inflow = inflow
        call.uploadRemaining = UInt64(octets)
        let reader = UploadReader(inflow: inflow) { grant(max(window, 1)) }
        return Payload(storage: .upload(reader), octetCount: octets)
    }

    private func grant(_ octets: Int, to call: ServerCall) {
        guard !call.isAnswered, let peer = peers[call.route] else { return }
        send(Frame(kind: .credit(UInt32(clamping: octets)), call: call.number), to: peer)
    }

    private func receive(chunk frames: [ByteBuffer], isLast: Bool, of call: ServerCall, _ peer: ServerPeer) {
        guard let inflow = call.inflow, !call.isAnswered else { return }
        for frame in frames where frame.readableBytes > 0 {
            guard UInt64(frame.readableBytes) <= call.uploadRemaining, inflow.push(frame, cost: frame.readableBytes)
            else { return fail(call, MessagingError(.malformed, "an upload beyond its credit or length"), peer) }
            call.uploadRemaining -= UInt64(frame.readableBytes)
        }
        guard isLast else { return }
        guard call.uploadRemaining == 0 else {
            return fail(call, MessagingError(.malformed, "an upload shorter than announced"), peer)
        }
        inflow.end()
    }

    func send(item body: ByteBuffer, payload: [ByteBuffer], of call: ServerCall) {
        guard !call.isAnswered, let peer = peers[call.route] else { return }
        call.deadline = nil
        send(Frame(kind: .item, call: call.number), body: body, payload: payload, to: peer)
    }

    // MARK: Sending

    private func send(
        _ frame: Frame, body: ByteBuffer = ByteBuffer(), payload: [ByteBuffer] = [], to peer: ServerPeer
    ) {
        guard let socket else { return }
        if peer.outbox.isEmpty {
            switch socket.send(route: peer.route, frame, body: body, payload: payload) {
            case .sent: return
            case .gone: return forget(peer)
            case .full: break
            }
        }
        let octets = payload.reduce(body.readableBytes) { $0 + $1.readableBytes }
        peer.outbox.append(ServerPeer.Outgoing(frame: frame, body: body, payload: payload, octets: octets))
        requestsInFlight += 1
        octetsInFlight += octets
        retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
    }

    private func flushOutboxes() {
        for peer in peers.values where !peer.outbox.isEmpty { flush(peer) }
        if isDraining { checkDrained() }
    }

    private func flush(_ peer: ServerPeer) {
        guard let socket else { return }
        var sent = 0
        for message in peer.outbox {
            switch socket.send(route: peer.route, message.frame, body: message.body, payload: message.payload) {
            case .sent:
                sent += 1
                continue
            case .gone:
                return forget(peer)
            case .full:
                retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
            }
            break
        }
        release(peer.outbox.prefix(sent))
        peer.outbox.removeFirst(sent)
    }

    private func release(_ messages: some Collection<ServerPeer.Outgoing>) {
        requestsInFlight -= messages.count
        octetsInFlight -= messages.reduce(0) { $0 + $1.octets }
    }

    /// The connection is gone: nobody waits for these answers any more.
    private func forget(_ peer: ServerPeer) {
        guard peers[peer.route] === peer else { return }
        peers[peer.route] = nil
        release(peer.outbox)
        peer.outbox = []
        for call in peer.calls.values { call.stop(MessagingError(.cancelled, "the caller is gone")) }
        if isDraining { checkDrained() }
    }

    // MARK: Time

    private func passDeadlines() {
        var next: ContinuousClock.Instant?
        for peer in peers.values {
            for call in peer.calls.values where !call.isAnswered {
                guard let deadline = call.deadline else { continue }
                if deadline <= thread.now {
                    fail(call, MessagingError(.deadlineExceeded), peer)
                } else {
                    next = next.map { min($0, deadline) } ?? deadline
                }
            }
        }
        if let next { deadlines.arm(at: next) }
    }

    /// libzmq does not tell that a connection has gone; a message to it does. So callers that have been silent while
    /// their calls are in hand get one that means nothing.
    private func sweepPeers() {
        for peer in peers.values {
            let silence = thread.now - peer.lastHeard
            if !peer.calls.isEmpty || !peer.outbox.isEmpty {
                if silence >= .seconds(1), peer.outbox.isEmpty { send(Frame(kind: .ping, call: 0), to: peer) }
            } else if silence >= Self.idle {
                peers[peer.route] = nil
            }
        }
        if !peers.isEmpty { sweep.arm(at: thread.now.advanced(by: .seconds(1))) }
    }
}
