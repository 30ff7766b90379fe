import CZeroMQ
import DequeModule
import NIOCore

/// One replica of a service as its client sees it: a DEALER socket and the calls that are under way there.
/// Confined to the socket thread.
///
/// A socket serves one connection; once that is known to be lost the next one gets a socket of its own. Left to itself
/// libzmq would keep what was sent to the lost connection for the next one, long after the callers were told that it is
/// lost; told to drop it (ZMQ_IMMEDIATE) it also drops every answer that has arrived and was not read yet.
final class Replica {
    enum State: Hashable {
        case connecting
        case ready
        /// It has said that it is about to leave.
        case draining
        /// It does not accept our key; it is asked again in a while.
        case refused
    }

    struct Outgoing {
        let frame: Frame
        let body: ByteBuffer
        let payload: [ByteBuffer]
        let call: ClientCall?
    }

    let endpoint: String
    private(set) var state = State.connecting
    var calls: [UInt64: ClientCall] = [:]
    private let context: MessagingContext
    private let serverKey: CurvePublicKey?
    private let thread: SocketThread
    private var socket: ZeroMQSocket?
    private var outbox = Deque<Outgoing>()
    private var lastCall: UInt64 = 0
    private lazy var retry = ThreadTimer { [unowned self] in self.flush() }
    private lazy var renewal = ThreadTimer { [unowned self] in self.renew() }

    /// The state has changed from the first to the second; a lost connection goes through `connecting`.
    var onChange: (Replica, State, State) -> Void = { _, _, _ in }
    var onMessage: (Replica, ArrivedMessage) -> Void = { _, _ in }
    /// The thread ends.
    var onEnd: () -> Void = {}
    private(set) var isClosed = false

    /// Before a replica that could not be connected to is tried anew.
    private static let pause = Duration.seconds(1)

    init(_ context: MessagingContext, endpoint: String, serverKey: CurvePublicKey?) {
        self.endpoint = endpoint
        self.context = context
        self.serverKey = serverKey
        thread = context.thread
        thread.register(retry)
        thread.register(renewal)
    }

    func start() { connect() }

    /// Connects by a new socket; tries again after a pause when there cannot be one now.
    private func connect() {
        socket?.close()
        do {
            let socket = try ZeroMQSocket(thread, ZMQ_DEALER)
            self.socket = socket
            context.configure(socket, lingering: .zero)
            socket.onMessage = { [unowned self] message in self.onMessage(self, message) }
            socket.onEnd = { [unowned self] in self.onEnd() }
            if endpoint.hasPrefix("inproc://") {
                try socket.connect(endpoint)
                // Without a handshake it is there at once.
                change(to: .ready)
            } else {
                context.secure(client: socket, serverKey: serverKey)
                let watched = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
                try socket.watch(watched) { [unowned self] event, _ in self.heard(event) }
                try socket.connect(endpoint)
            }
        } catch {
            renewal.arm(at: thread.now.advanced(by: Self.pause))
            context.logger.error(
                "a replica cannot be reached", metadata: ["endpoint": "\(endpoint)", "cause": "\(error)"])
        }
    }

    private func renew() {
        change(to: .connecting)
        connect()
    }

    /// A connection has ended. What has arrived by it is read first; what was not sent yet goes nowhere any more.
    private func disconnected() {
        socket?.serveAll()
        guard !isClosed else { return }
        switch state {
        case .ready, .draining:
            renew()
        case .connecting, .refused:
            // After most handshakes that fail libzmq tries again by itself, but never after one that was refused or
            // that it did not understand; yet the server may be given our key, or be replaced.
            renewal.arm(at: thread.now.advanced(by: Self.pause))
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        thread.unregister(retry)
        thread.unregister(renewal)
        socket?.close()
        change(to: .connecting)
        onChange = { _, _, _ in }
        onMessage = { _, _ in }
        onEnd = {}
    }

    func markDraining() { if state == .ready { change(to: .draining) } }

    private func change(to new: State) {
        let old = state
        state = new
        if new == .connecting { outbox.removeAll() }
        if old != new { onChange(self, old, new) }
    }

    /// An event of the socket's monitor.
    private func heard(_ event: Int32) {
        switch event {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            renewal.disarm()
            // Answers that came before are read first; they belong to calls that are still known.
            change(to: .ready)
        case ZMQ_EVENT_DISCONNECTED:
            disconnected()
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            change(to: .refused)
        default:
            break
        }
    }

    /// Begins a call here.
    func begin(_ call: ClientCall, _ request: Frame.Request) {
        lastCall += 1
        call.number = lastCall
        call.replica = self
        calls[lastCall] = call
        send(
            Frame(kind: .request(request), call: lastCall), body: call.request.body, payload: call.request.frames,
            call: call)
    }

    func send(_ frame: Frame, body: ByteBuffer = ByteBuffer(), payload: [ByteBuffer] = [], call: ClientCall? = nil) {
        if outbox.isEmpty, socket?.send(frame, body: body, payload: payload) == .sent {
            call?.isSent = true
            return
        }
        outbox.append(Outgoing(frame: frame, body: body, payload: payload, call: call))
        retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
    }

    private func flush() {
        while let next = outbox.first {
            // A call that ended while its request waited here needs not be sent at all.
            if next.call?.isOver != true, socket?.send(next.frame, body: next.body, payload: next.payload) != .sent {
                retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
                return
            }
            next.call?.isSent = true
            outbox.removeFirst()
        }
    }
}
