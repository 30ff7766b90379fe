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
        /// It does not accept our key.
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
    private var socket: ZeroMQSocket
    private var monitor: ZeroMQSocket?
    private var outbox = Deque<Outgoing>()
    private var lastCall: UInt64 = 0
    private let retry: ThreadTimer
    /// There could be no socket for the next connection.
    private var lacksSocket = false

    /// The state has changed from the first to the second; a lost connection goes through `connecting`.
    var onChange: (Replica, State, State) -> Void = { _, _, _ in }
    var onMessage: (Replica, ArrivedMessage) -> Void = { _, _ in }
    /// The thread ends.
    var onEnd: () -> Void = {}
    private(set) var isClosed = false

    init(_ context: MessagingContext, endpoint: String, serverKey: CurvePublicKey?) throws(MessagingError) {
        self.endpoint = endpoint
        self.context = context
        self.serverKey = serverKey
        thread = context.thread
        socket = try ZeroMQSocket(thread, ZMQ_DEALER)
        let retryAction = RetryAction()
        retry = ThreadTimer { retryAction.run?() }
        retryAction.run = { [unowned self] in self.flush() }
        thread.register(retry)
        try connect()
    }

    /// Makes the connection of a new socket.
    private func connect() throws(MessagingError) {
        context.configure(socket, lingering: .zero)
        if !endpoint.hasPrefix("inproc://") {
            context.secure(client: socket, serverKey: serverKey)
            let watched = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
            let name = "inproc://martlet.monitor.\(thread.nextNumber())"
            socket.monitor(name, watched)
            let monitor = try ZeroMQSocket(thread, ZMQ_PAIR)
            monitor.set(ZMQ_LINGER, Int32(0))
            try monitor.connect(name)
            monitor.onMessage = { [unowned self] message in self.heard(message.first) }
            self.monitor = monitor
        }
        socket.onMessage = { [unowned self] message in self.onMessage(self, message) }
        socket.onEnd = { [unowned self] in self.onEnd() }
        try socket.connect(endpoint)
    }

    /// The connection is lost. What has arrived by it is read first; what was not sent yet goes nowhere any more.
    private func reconnect() {
        socket.serveAll()
        guard !isClosed else { return }
        if state == .ready || state == .draining { renew() }
        change(to: .connecting)
    }

    /// Connects by a new socket; tries again in a second when there cannot be one now.
    private func renew() {
        monitor?.close()
        monitor = nil
        socket.close()
        do {
            socket = try ZeroMQSocket(thread, ZMQ_DEALER)
            try connect()
            lacksSocket = false
        } catch {
            lacksSocket = true
            retry.arm(at: thread.now.advanced(by: .seconds(1)))
            context.logger.error(
                "a replica cannot be reached again", metadata: ["endpoint": "\(endpoint)", "cause": "\(error)"])
        }
    }

    private final class RetryAction {
        var run: (() -> Void)?
    }

    /// inproc:// has no handshake: such a replica is there at once.
    func start() { if monitor == nil { change(to: .ready) } }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        thread.unregister(retry)
        monitor?.close()
        socket.close()
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

    /// A monitor event: number (16 bits) and value (32 bits) in native order.
    private func heard(_ event: ByteBuffer) {
        guard let number = event.getInteger(at: event.readerIndex, endianness: .host, as: UInt16.self) else { return }
        switch Int32(number) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            // Answers that came before are read first; they belong to calls that are still known.
            change(to: .ready)
        case ZMQ_EVENT_DISCONNECTED:
            reconnect()
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
        if outbox.isEmpty, socket.send(frame, body: body, payload: payload) == .sent {
            call?.isSent = true
            return
        }
        outbox.append(Outgoing(frame: frame, body: body, payload: payload, call: call))
        retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
    }

    private func flush() {
        if lacksSocket { return renew() }
        while let next = outbox.first {
            // A call that ended while its request waited here needs not be sent at all.
            if next.call?.isOver != true, socket.send(next.frame, body: next.body, payload: next.payload) != .sent {
                retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
                return
            }
            next.call?.isSent = true
            outbox.removeFirst()
        }
    }
}
