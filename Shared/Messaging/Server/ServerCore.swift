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
    let context: MessagingContext
    let logger: Logger
    let access: any AccessPolicy
    let limits: ServerLimits
    let placement: HandlerPlacement
    var contracts: [UInt8: any ContractServer] = [:]
    private var allowed: [CurvePublicKey: PeerIdentity]
    var socket: ZeroMQSocket?
    private var domain: String?
    private var knowsCallers = false
    var peers: [UInt32: ServerPeer] = [:]
    /// Who sent the last message, and probably sends the next; always one of `peers`.
    var lastPeer: ServerPeer?
    var requestsInFlight = 0 {
        didSet { inFlightGauge.store(requestsInFlight, ordering: .relaxed) }
    }
    var octetsInFlight = 0
    var isDraining = false
    private var drained: [() -> Void] = []
    private var lastWarning: ContinuousClock.Instant?
    private var timers: [ThreadTimer] = []
    lazy var deadlines = timer { $0.passDeadlines() }
    lazy var sweep = timer { $0.sweepPeers() }
    lazy var retry = timer { $0.flushOutboxes() }
    private lazy var drainLimit = timer { $0.endDrain() }
    let inFlightGauge = ManagedAtomic<Int>(0)

    /// A connection that has nothing in hand is forgotten after so long; its next message makes it known again.
    static let idle = Duration.seconds(60)
    /// Refusals are not kept for a connection that so many messages wait for.
    static let refusalLimit = 1_024

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
            socket.wantsUser = { [unowned self] route in self.lastPeer?.route != route && self.peers[route] == nil }
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
        lastPeer = nil
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

    func checkDrained() {
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

    func permits(_ peer: ServerPeer, contract: UInt8, method: UInt8) -> Bool {
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
    func warnOfDenial(_ request: Frame.Request, _ contract: ContractDescription, _ peer: ServerPeer) {
        if let lastWarning, thread.now < lastWarning.advanced(by: .seconds(1)) { return }
        lastWarning = thread.now
        logger.warning(
            "call denied",
            metadata: [
                "caller": "\(peer.identity?.service ?? "unknown")", "contract": "\(contract.name)",
                "method": "\(request.method)", "transaction": "\(request.transaction)",
            ])
    }

    // MARK: Time

    func passDeadlines() {
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
    func sweepPeers() {
        for peer in peers.values {
            let silence = thread.now - peer.lastHeard
            if !peer.calls.isEmpty || !peer.outbox.isEmpty {
                if silence >= .seconds(1), peer.outbox.isEmpty { send(Frame(kind: .ping, call: 0), to: peer) }
            } else if silence >= Self.idle {
                forget(peer)
            }
        }
        if !peers.isEmpty { sweep.arm(at: thread.now.advanced(by: .seconds(1))) }
    }
}
