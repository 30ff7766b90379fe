import CZeroMQ
import NIOCore

/// Publishes events on one endpoint (an XPUB socket). Events are hints: one that a subscriber could not take is lost,
/// and the subscriber is told of a lapse when it comes back.
public final class EventPublisher: Sendable {
    private let context: MessagingContext
    private let core: PublisherCore
    /// Where it is bound; the real port after `tcp://127.0.0.1:0`.
    public let endpoint: String

    /// Binds. `peers` are the keys that may subscribe.
    public init(
        _ context: MessagingContext, endpoint: String, peers: [CurvePublicKey: PeerIdentity] = [:]
    ) throws(MessagingError) {
        try context.checkSecurity(of: endpoint)
        let core = PublisherCore(context, peers)
        self.context = context
        self.core = core
        self.endpoint = try context.thread.wait(for: { core.bind(endpoint) }).get()
    }

    deinit {
        let core = self.core
        context.thread.execute { core.close() }
    }

    /// Sends an event to whoever subscribed to the topic. Never waits.
    public func publish(topic: String, body: ByteBuffer) {
        let core = self.core
        context.thread.execute { core.publish(topic: topic, body) }
    }

    /// Replaces the list of keys that may subscribe.
    public func setPeers(_ peers: [CurvePublicKey: PeerIdentity]) {
        let core = self.core
        context.thread.execute { core.peers = peers }
    }

    /// Closes the socket.
    public func close() async { await context.thread.perform { [core] in core.close() } }
}

/// The inside of an `EventPublisher`; confined to the socket thread.
private final class PublisherCore: @unchecked Sendable {
    private let context: MessagingContext
    private var socket: ZeroMQSocket?
    private var domain: String?
    var peers: [CurvePublicKey: PeerIdentity]

    init(_ context: MessagingContext, _ peers: [CurvePublicKey: PeerIdentity]) {
        self.context = context
        self.peers = peers
    }

    func bind(_ endpoint: String) -> Result<String, MessagingError> {
        do {
            let socket = try ZeroMQSocket(context.thread, ZMQ_XPUB)
            context.configure(socket, lingering: .milliseconds(100))
            socket.set(ZMQ_SNDHWM, Int32(100_000))
            // Every subscription is told, also one that another subscriber has made before.
            socket.set(ZMQ_XPUB_VERBOSE, Int32(1))
            if !endpoint.hasPrefix("inproc://"), context.keys != nil {
                let domain = context.zap.addDomain { [unowned self] key in self.peers[key] }
                self.domain = domain
                context.secure(server: socket, domain: domain)
            }
            socket.onMessage = { [unowned self] message in self.subscribed(message.first) }
            socket.onEnd = { [unowned self] in self.close() }
            self.socket = socket
            return .success(try socket.bind(endpoint))
        } catch {
            close()
            return .failure(error)
        }
    }

    func close() {
        socket?.close()
        socket = nil
        if let domain { context.zap.removeDomain(domain) }
        domain = nil
    }

    func publish(topic: String, _ body: ByteBuffer) {
        socket?.send(topic: topic, Frame(kind: .item, call: 0), body: body)
    }

    /// A one and the topic: somebody subscribed. Saying so on the topic itself tells the subscriber from when on it
    /// hears everything, at the start and after each reconnection.
    private func subscribed(_ message: ByteBuffer) {
        guard message.getInteger(at: message.readerIndex, as: UInt8.self) == 1,
            let topic = message.getString(at: message.readerIndex + 1, length: message.readableBytes - 1)
        else { return }
        socket?.send(topic: topic, Frame(kind: .subscribed, call: 0), body: ByteBuffer())
    }
}
