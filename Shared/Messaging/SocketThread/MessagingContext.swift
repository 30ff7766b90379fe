import CZeroMQ
import Logging

/// How sockets find out that a peer is gone, and how soon they try again.
public struct MessagingOptions: Sendable {
    /// How often a ZMTP heartbeat goes to each peer.
    public var heartbeatInterval: Duration = .seconds(1)
    /// A peer that is silent for so long is taken for dead.
    public var heartbeatTimeout: Duration = .seconds(4)
    /// The first pause before a lost connection is tried again; it doubles up to `reconnectLimit`.
    public var reconnectInterval: Duration = .milliseconds(25)
    /// The longest pause between two tries.
    public var reconnectLimit: Duration = .milliseconds(400)
    /// One frame may have at most so many octets; a peer that sends more is disconnected.
    public var frameLimit = 16 * 1024 * 1024
    /// Allows ipc:// and tcp:// without CURVE. For measurements only.
    public var allowsPlaintext = false

    /// The defaults.
    public init() {}
}

/// What a process needs to speak with others: a ZeroMQ context, its key pair and the thread that owns its sockets.
/// One for each process; tests make as many as they like.
public final class MessagingContext: Sendable {
    let thread: SocketThread
    let zap: ZAPHandler
    let logger: Logger
    /// How sockets of this context behave.
    public let options: MessagingOptions
    /// This process' own keys. Without them only inproc:// is open.
    public let keys: CurveKeyPair?

    /// Starts the socket thread.
    public init(
        keys: CurveKeyPair?, options: MessagingOptions = MessagingOptions(), logger: Logger
    ) throws(MessagingError) {
        let thread = try SocketThread()
        self.thread = thread
        self.keys = keys
        self.options = options
        self.logger = logger
        let zap = ZAPHandler(thread, logger: logger)
        self.zap = zap
        if let error = thread.wait(for: { zap.start() }) {
            thread.end {}
            throw error
        }
    }

    deinit { thread.end {} }

    /// Runs tasks on the socket thread: code that mostly calls peers saves a change of thread with each call.
    /// Such code must neither block nor compute for long.
    public var executor: any TaskExecutor { thread }

    /// Closes every socket and ends the thread. Calls that are still waiting fail as unavailable.
    public func shutdown() async {
        await withUnsafeContinuation { continuation in
            thread.end { continuation.resume() }
        }
    }

    /// Refuses to speak in the clear with another process.
    func checkSecurity(of endpoint: String) throws(MessagingError) {
        guard keys == nil, !endpoint.hasPrefix("inproc://"), !options.allowsPlaintext else { return }
        throw MessagingError(.denied, "\(endpoint) needs CURVE keys")
    }

    /// What all sockets have in common; confined.
    func configure(_ socket: ZeroMQSocket, lingering: Duration) {
        socket.set(ZMQ_LINGER, lingering.milliseconds)
        socket.set(ZMQ_MAXMSGSIZE, Int64(options.frameLimit))
        socket.set(ZMQ_HEARTBEAT_IVL, options.heartbeatInterval.milliseconds)
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, options.heartbeatTimeout.milliseconds)
        socket.set(ZMQ_HANDSHAKE_IVL, Int32(5_000))
        socket.set(ZMQ_RECONNECT_IVL, options.reconnectInterval.milliseconds)
        socket.set(ZMQ_RECONNECT_IVL_MAX, options.reconnectLimit.milliseconds)
        socket.set(ZMQ_CONNECT_TIMEOUT, Int32(2_000))
        socket.set(ZMQ_SNDHWM, Int32(4_096))
        socket.set(ZMQ_RCVHWM, Int32(4_096))
    }

    /// Makes `socket` a CURVE server whose clients are known to ZAP as `domain`.
    func secure(server socket: ZeroMQSocket, domain: String) {
        guard let keys else { return }
        socket.set(ZMQ_CURVE_SERVER, Int32(1))
        socket.set(ZMQ_CURVE_SECRETKEY, keys.secretKey)
        socket.set(ZMQ_ZAP_DOMAIN, domain)
    }

    /// Makes `socket` a CURVE client of the server that holds `serverKey`.
    func secure(client socket: ZeroMQSocket, serverKey: CurvePublicKey?) {
        guard let keys, let serverKey else { return }
        socket.set(ZMQ_CURVE_SERVERKEY, serverKey.description)
        socket.set(ZMQ_CURVE_PUBLICKEY, keys.publicKey.description)
        socket.set(ZMQ_CURVE_SECRETKEY, keys.secretKey)
    }
}

extension Duration {
    var milliseconds: Int32 {
        Int32(clamping: components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000)
    }

    var microseconds: Int64 {
        let (whole, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .max : whole + components.attoseconds / 1_000_000_000_000
    }
}
