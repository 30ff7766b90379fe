import CZeroMQ
import NIOCore

/// What a subscription hears.
public enum EventNotice: Sendable, Hashable {
    /// An event on the topic.
    case event(topic: String, body: ByteBuffer)
    /// Events before this point may have been missed: ask for the truth. The first notice of a subscription, and one
    /// after each reconnection and whenever the reader was too slow.
    case lapse
}

/// Hears the events of every replica of a service (a SUB socket), for any number of subscriptions in the process.
public final class EventSubscriber: Sendable {
    private let context: MessagingContext
    private let core: SubscriberCore

    /// Connects in the background.
    public init(
        _ context: MessagingContext, service: String, replicas: ReplicaSource, serverKey: CurvePublicKey?
    ) {
        let core = SubscriberCore(context, service: service, source: replicas, serverKey: serverKey)
        self.context = context
        self.core = core
        context.thread.execute { core.start() }
    }

    deinit {
        let core = self.core
        context.thread.execute { core.close() }
    }

    /// Hears exactly this topic until the subscription is dropped.
    public func subscribe(_ topic: String) -> EventSubscription {
        let inbox = EventInbox(topic: topic)
        let core = self.core
        context.thread.execute { core.add(inbox) }
        return EventSubscription(inbox, core)
    }

    /// Ends all subscriptions.
    public func close() async { await context.thread.perform { [core] in core.close() } }
}

/// The events of one topic, for one reader. At most 1,024 are kept for it; one more turns them all into a lapse.
public struct EventSubscription: AsyncSequence, Sendable {
    /// What reading gives.
    public typealias Element = EventNotice
    /// What reading may throw.
    public typealias Failure = Never

    final class Token: Sendable {
        let inbox: EventInbox
        let core: SubscriberCore

        init(_ inbox: EventInbox, _ core: SubscriberCore) {
            self.inbox = inbox
            self.core = core
        }

        deinit {
            let (inbox, core) = (self.inbox, self.core)
            core.thread.execute { core.remove(inbox) }
        }
    }

    private let token: Token

    init(_ inbox: EventInbox, _ core: SubscriberCore) { token = Token(inbox, core) }

    /// Begins to read.
    public func makeAsyncIterator() -> Iterator { Iterator(token: token) }

    /// Reads the notices; ends when the task is cancelled or the subscriber is closed.
    public struct Iterator: AsyncIteratorProtocol {
        let token: Token

        /// The next one.
        public mutating func next() async -> EventNotice? { await token.inbox.next() }
    }
}

/// The inside of an `EventSubscriber`; confined to the socket thread.
final class SubscriberCore: @unchecked Sendable {
    let thread: SocketThread
    private let context: MessagingContext
    private let service: String
    private let source: ReplicaSource
    private let serverKey: CurvePublicKey?
    private var socket: ZeroMQSocket?
    private var endpoints: Set<String> = []
    private var inboxes: [String: [EventInbox]] = [:]
    private lazy var discovery = ThreadTimer { [unowned self] in self.discover() }

    private static let discoveryInterval = Duration.seconds(1)

    init(_ context: MessagingContext, service: String, source: ReplicaSource, serverKey: CurvePublicKey?) {
        self.context = context
        thread = context.thread
        self.service = service
        self.source = source
        self.serverKey = serverKey
    }

    func start() {
        do {
            let socket = try ZeroMQSocket(thread, ZMQ_SUB)
            self.socket = socket
            context.configure(socket, lingering: .zero)
            socket.set(ZMQ_RCVHWM, Int32(100_000))
            if context.keys != nil { context.secure(client: socket, serverKey: serverKey) }
            socket.onMessage = { [unowned self] message in self.receive(message) }
            socket.onEnd = { [unowned self] in self.close() }
            try socket.watch(ZMQ_EVENT_DISCONNECTED) { [unowned self] _, endpoint in self.lost(endpoint) }
        } catch {
            context.logger.error("no socket for events", metadata: ["cause": "\(error)"])
            return close()
        }
        thread.register(discovery)
        discover()
    }

    func close() {
        socket?.close()
        socket = nil
        thread.unregister(discovery)
        for inbox in inboxes.values.joined() { inbox.end() }
        inboxes = [:]
    }

    private func discover() {
        switch source {
        case .endpoints(let endpoints):
            connect(Set(endpoints))
        case .directory(let path):
            connect(ServiceEndpoint.list(directory: path, service: service, .events))
            discovery.arm(at: thread.now.advanced(by: Self.discoveryInterval))
        }
    }

    private func connect(_ found: Set<String>) {
        guard let socket else { return }
        for endpoint in endpoints.subtracting(found) {
            socket.disconnect(endpoint)
            endpoints.remove(endpoint)
        }
        for endpoint in found.subtracting(endpoints).sorted() {
            do {
                try context.checkSecurity(of: endpoint)
                try socket.connect(endpoint)
                endpoints.insert(endpoint)
            } catch {
                context.logger.error(
                    "events cannot be heard", metadata: ["endpoint": "\(endpoint)", "cause": "\(error)"])
            }
        }
    }

    /// A connection has ended, or came to nothing. libzmq connects again by itself, but not after a handshake that was
    /// refused or that it did not understand: the endpoint is let go of, and found anew with the next discovery.
    private func lost(_ endpoint: String) {
        guard endpoints.remove(endpoint) != nil else { return }
        // What has arrived by it is read first: letting go of it drops the rest.
        socket?.serveAll()
        socket?.disconnect(endpoint)
        discovery.arm(at: thread.now.advanced(by: Self.discoveryInterval))
    }

    func add(_ inbox: EventInbox) {
        guard let socket else { return inbox.end() }
        let isFirst = inboxes[inbox.topic] == nil
        inboxes[inbox.topic, default: []].append(inbox)
        // The publisher confirms a first subscription; to a further one on the topic it would say nothing.
        if isFirst { socket.set(ZMQ_SUBSCRIBE, inbox.topic) } else { inbox.put(.lapse) }
    }

    func remove(_ inbox: EventInbox) {
        inbox.end()
        guard var others = inboxes[inbox.topic] else { return }
        others.removeAll { $0 === inbox }
        inboxes[inbox.topic] = others.isEmpty ? nil : others
        if others.isEmpty { socket?.set(ZMQ_UNSUBSCRIBE, inbox.topic) }
    }

    private func receive(_ message: ArrivedMessage) {
        let topic = String(buffer: message.first)
        // A filter is a prefix for libzmq; a subscription is for one topic.
        guard let inboxes = inboxes[topic], var body = message.rest.first,
            let (frame, length) = try? body.withUnsafeReadableBytes({ try Frame.decode($0) })
        else { return }
        body.moveReaderIndex(forwardBy: length)
        switch frame.kind {
        case .item: for inbox in inboxes { inbox.put(.event(topic: topic, body: body)) }
        case .subscribed: for inbox in inboxes { inbox.put(.lapse) }
        case .request, .reply, .failure, .end, .chunk, .credit, .cancel, .draining, .ping: break
        }
    }
}
