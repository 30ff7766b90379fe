import Atomics
import Logging
import NIOCore

/// The inside of a `PeerClient`: chooses a replica for each call and follows the calls to their end.
/// Confined to the socket thread.
///
/// Invariants: a call that is not over is either in `waiting` or in the `calls` of exactly one replica; calls are in
/// a replica's `calls` only while it is ready or draining.
final class PeerCore: @unchecked Sendable {
    let thread: SocketThread
    private let context: MessagingContext
    private let service: String
    private let source: ReplicaSource
    private let serverKey: CurvePublicKey?
    private let patience: Duration
    private var replicas: [Replica] = []
    private var waiting: [ClientCall] = []
    private var isClosed = false
    private var turn = 0
    /// Since when no replica has been ready; nil while one is.
    private var absentSince: ContinuousClock.Instant?
    private var timers: [ThreadTimer] = []
    private lazy var deadlines = timer { $0.passDeadlines() }
    private lazy var discovery = timer { $0.discover() }
    private lazy var leaving = timer { $0.letGoOfIdleStreams() }
    let readyGauge = ManagedAtomic<Int>(0)

    private static let discoveryInterval = Duration.seconds(1)
    /// A replica that leaves is not held up longer by a stream whose reader takes nothing.
    private static let idleStream = Duration.seconds(2)

    init(
        _ context: MessagingContext, service: String, source: ReplicaSource, serverKey: CurvePublicKey?,
        patience: Duration
    ) {
        self.context = context
        thread = context.thread
        self.service = service
        self.source = source
        self.serverKey = serverKey
        self.patience = patience
    }

    // MARK: Life

    func start() {
        absentSince = thread.now
        switch source {
        case .endpoints(let endpoints): for endpoint in endpoints { add(endpoint) }
        case .directory: discover()
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for replica in replicas { replica.close() }
        replicas = []
        for timer in timers { thread.unregister(timer) }
        timers = []
        for call in waiting { finish(call, CallFailure(MessagingError(.unavailable, "the client closed"))) }
        waiting = []
    }

    private func timer(_ action: @escaping (PeerCore) -> Void) -> ThreadTimer {
        let timer = ThreadTimer { [unowned self] in action(self) }
        timers.append(timer)
        thread.register(timer)
        return timer
    }

    // MARK: Replicas

    private func add(_ endpoint: String) {
        do {
            try context.checkSecurity(of: endpoint)
            let replica = Replica(context, endpoint: endpoint, serverKey: serverKey)
            replica.onChange = { [unowned self] in self.changed($0, from: $1, to: $2) }
            replica.onMessage = { [unowned self] in self.receive($1, from: $0) }
            replica.onEnd = { [unowned self] in self.close() }
            replicas.append(replica)
            replica.start()
        } catch {
            context.logger.error(
                "a replica cannot be reached", metadata: ["endpoint": "\(endpoint)", "cause": "\(error)"])
        }
    }

    private func discover() {
        guard case .directory(let path) = source, !isClosed else { return }
        let found = ServiceEndpoint.list(directory: path, service: service, .requests)
        for replica in replicas where replica.state != .ready && replica.calls.isEmpty {
            if !found.contains(replica.endpoint) { replica.close() }
        }
        replicas.removeAll(where: \.isClosed)
        let known = Set(replicas.map(\.endpoint))
        for endpoint in found.subtracting(known).sorted() { add(endpoint) }
        discovery.arm(at: thread.now.advanced(by: Self.discoveryInterval))
    }

    private func changed(_ replica: Replica, from old: Replica.State, to new: Replica.State) {
        if old == .ready || old == .draining, new == .connecting || new == .refused { lost(replica) }
        let ready = replicas.count { $0.state == .ready }
        readyGauge.store(ready, ordering: .relaxed)
        if ready > 0 {
            absentSince = nil
        } else if absentSince == nil {
            absentSince = thread.now
        }
        if new == .draining { leaving.arm(at: thread.now.advanced(by: Self.idleStream)) }
        guard new == .ready || new == .refused else { return }
        let calls = waiting
        waiting = []
        for call in calls { place(call) }
    }

    /// The connection broke: calls that were sent may or may not have been done.
    private func lost(_ replica: Replica) {
        let calls = replica.calls.values
        replica.calls = [:]
        for call in calls {
            let error = MessagingError(.unavailable, "\(service) went away during the call")
            end(call, CallFailure(error, call.isSent ? .unknown : .elsewhere))
        }
    }

    /// A replica that leaves waits for its streams to end, and nobody can call it meanwhile. Those whose readers have taken
    /// nothing for a while, as when a client has stopped to read, end as temporary failures.
    private func letGoOfIdleStreams() {
        for replica in replicas where replica.state == .draining {
            for call in replica.calls.values where call.inflow != nil {
                let taken = call.inflow?.takenByBusyReader
                if taken != nil, taken == call.takenBefore {
                    abandon(call, MessagingError(.draining, "\(service) leaves, and the stream was not read"))
                }
                call.takenBefore = taken
            }
            if !replica.calls.isEmpty { leaving.arm(at: thread.now.advanced(by: Self.idleStream)) }
        }
    }

    /// The ready replica with the fewest calls in flight; equal ones take turns.
    private func choose(excluding excluded: Set<String>) -> Replica? {
        turn &+= 1
        var best: Replica?
        for offset in replicas.indices {
            let replica = replicas[(offset + Int(UInt(bitPattern: turn) % UInt(replicas.count))) % replicas.count]
            guard replica.state == .ready, excluded.isEmpty || !excluded.contains(replica.endpoint) else { continue }
            if replica.calls.count < best?.calls.count ?? .max { best = replica }
        }
        return best
    }

    // MARK: Calls

    func begin(_ call: ClientCall) {
        guard !isClosed else { return finish(call, CallFailure(MessagingError(.unavailable, "the client closed"))) }
        guard !call.isCancelled else { return finish(call, CallFailure(MessagingError(.cancelled))) }
        guard call.deadline > thread.now else { return finish(call, CallFailure(MessagingError(.deadlineExceeded))) }
        // A service that has been away for long is not waited for by each call anew.
        call.waitsUntil = min(call.deadline, (absentSince ?? thread.now).advanced(by: patience))
        place(call)
    }

    private func place(_ call: ClientCall) {
        if let replica = choose(excluding: call.excluded) {
            if case .stream = call.request.shape, call.inflow == nil { call.inflow = inflow(of: call) }
            replica.begin(call, call.request.header(at: thread.now))
            deadlines.arm(at: call.deadline)
            return
        }
        if let refusal = call.refusal, replicas.contains(where: { $0.state == .ready }) {
            return finish(call, CallFailure(refusal))
        }
        if !replicas.isEmpty, replicas.allSatisfy({ $0.state == .refused }) {
            return finish(call, CallFailure(MessagingError(.denied, "\(service) does not accept our key")))
        }
        guard call.waitsUntil > thread.now else { return finish(call, absence(call)) }
        waiting.append(call)
        deadlines.arm(at: call.waitsUntil)
    }

    private func absence(_ call: ClientCall) -> CallFailure {
        CallFailure(call.refusal ?? MessagingError(.unavailable, "no replica of \(service) is there"))
    }

    func cancel(_ call: ClientCall) {
        call.isCancelled = true
        guard !call.isOver else { return }
        abandon(call, MessagingError(.cancelled))
    }

    /// Ends a call from this side: the server is told.
    private func abandon(_ call: ClientCall, _ error: MessagingError) {
        if let replica = call.replica {
            replica.calls[call.number] = nil
            replica.send(Frame(kind: .cancel, call: call.number))
        } else {
            waiting.removeAll { $0 === call }
        }
        end(call, CallFailure(error))
    }

    /// A call that is in neither list comes to its end.
    private func finish(_ call: ClientCall, _ failure: CallFailure) { end(call, failure) }

    private func end(_ call: ClientCall, _ failure: CallFailure) {
        call.isOver = true
        let endpoint = call.replica?.endpoint
        call.settle(.failed(CallFailure(failure.error, failure.recovery, endpoint: failure.endpoint ?? endpoint)))
        call.inflow?.end(failure.error)
        call.outflow?.end(failure.error)
    }

    // MARK: Receiving

    private func receive(_ message: ArrivedMessage, from replica: Replica) {
        var body = message.first
        guard let (frame, length) = try? body.withUnsafeReadableBytes({ try Frame.decode($0) }) else {
            context.logger.debug("a frame that cannot be read was dropped", metadata: ["service": "\(service)"])
            return
        }
        body.moveReaderIndex(forwardBy: length)
        if case .draining = frame.kind { return replica.markDraining() }
        guard let call = replica.calls[frame.call] else { return }
        switch frame.kind {
        case .reply:
            replica.calls[frame.call] = nil
            call.isOver = true
            call.settle(.reply(PeerReply(body: body, payload: message.rest)))
            call.outflow?.end(MessagingError(.cancelled, "answered before the end of the upload"))
            call.inflow?.end(MessagingError(.malformed, "a reply where a stream was asked"))
        case .failure(let code, let notBegun):
            replica.calls[frame.call] = nil
            if code == .draining { replica.markDraining() }
            let error = MessagingError(code, String(buffer: body))
            let recovery: CallFailure.Recovery =
                switch code {
                case .overloaded where notBegun: .elsewhere
                // A replica that leaves says so of calls that it had begun, too.
                case .draining: notBegun ? .elsewhere : .unknown
                default: .none
                }
            end(call, CallFailure(error, recovery, endpoint: replica.endpoint))
        case .item:
            receive(item: PeerReply(body: body, payload: message.rest), of: call, from: replica)
        case .end:
            replica.calls[frame.call] = nil
            call.isOver = true
            call.inflow?.end()
            call.settle(.streaming)
        case .credit(let octets):
            call.outflow?.grant(Int(octets))
        case .request, .chunk, .cancel, .draining, .ping, .subscribed:
            break
        }
    }

    private func receive(item: PeerReply, of call: ClientCall, from replica: Replica) {
        let octets = item.payload.reduce(item.body.readableBytes) { $0 + $1.readableBytes }
        guard let inflow = call.inflow, inflow.push(item, cost: max(octets, Credit.leastCost)) else {
            return abandon(call, MessagingError(.malformed, "\(service) sent more than it was granted"))
        }
        // From now on the reader's pace decides; only silence while it waits counts.
        call.deadline = thread.now.advanced(by: Self.streamSilence)
        call.settle(.streaming)
    }

    /// A stream whose reader waits for so long without an item is given up.
    private static let streamSilence = Duration.seconds(30)

    private func inflow(of call: ClientCall) -> Inflow<PeerReply> {
        Inflow(window: Credit.streamWindow) { [thread] octets in
            thread.execute {
                guard !call.isOver, let replica = call.replica else { return }
                replica.send(Frame(kind: .credit(UInt32(clamping: octets)), call: call.number))
            }
        }
    }

    /// Sends a part of an upload.
    func send(chunk: ByteBuffer, isLast: Bool, of call: ClientCall) {
        guard !call.isOver, let replica = call.replica else { return }
        replica.send(Frame(kind: .chunk(isLast: isLast), call: call.number), payload: [chunk])
    }

    // MARK: Time

    private func passDeadlines() {
        var next: ContinuousClock.Instant?
        func note(_ time: ContinuousClock.Instant) { next = next.map { min($0, time) } ?? time }
        for call in waiting {
            if call.waitsUntil <= thread.now {
                waiting.removeAll { $0 === call }
                let isLate = call.deadline <= thread.now
                finish(call, isLate ? CallFailure(MessagingError(.deadlineExceeded)) : absence(call))
            } else {
                note(call.waitsUntil)
            }
        }
        for replica in replicas {
            for call in replica.calls.values {
                if call.deadline > thread.now {
                    note(call.deadline)
                } else if let inflow = call.inflow, inflow.hasBegun, !inflow.isAwaited {
                    call.deadline = thread.now.advanced(by: Self.streamSilence)
                    note(call.deadline)
                } else {
                    abandon(call, MessagingError(.deadlineExceeded, "\(service) did not answer in time"))
                }
            }
        }
        if let next { deadlines.arm(at: next) }
    }
}
