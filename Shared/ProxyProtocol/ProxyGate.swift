import Logging
import Metrics
import NIOCore
import Synchronization

/// Decides which connections begin with a PROXY header, and lets a session begin once it is known whose it is.
///
/// From a trusted address a header is required, and from any other it is not interpreted. Both are needed: to interpret it
/// from anybody, or to do without it when it is missing, would let a client choose the address that it is known by
/// (proxy-protocol.txt, 2: the receiver must not guess whether there is one). A Unix socket has no proxy in front of it.
///
/// Connections that wait for their header are no sessions yet; they are bounded in number and in time here. A session's
/// time begins when the header is whole: it is not greeted before, so nothing that its client means can be older.
public final class ProxyGate: Sendable {
    private let trusts: @Sendable (SocketAddress) -> Bool
    private let limit: Int
    private let waiting = Mutex(0)
    /// How long a proxy may take to send its header.
    let patience: Duration
    private let logger: Logger
    private let refusals: [ProxyRefusal.Label: Counter]

    /// A gate for all listeners of a process.
    ///
    /// - Parameters:
    ///   - trusts: whether an address is that of a proxy.
    ///   - patience: how long a proxy may take to send its header; at least three seconds cover a segment that was lost.
    ///   - limit: how many connections may wait for a header at the same time.
    public init(
        trusting trusts: @escaping @Sendable (SocketAddress) -> Bool, patience: Duration, limit: Int, logger: Logger
    ) {
        self.trusts = trusts
        self.patience = patience
        self.limit = limit
        self.logger = logger
        refusals = Dictionary(
            uniqueKeysWithValues: ProxyRefusal.Label.allCases.map {
                ($0, Counter(label: "martlet_proxy_headers_refused_total", dimensions: [("reason", $0.rawValue)]))
            })
    }

    /// How many connections wait for their header.
    public var waitingCount: Int { waiting.withLock { $0 } }

    /// Opens an accepted connection. To be called from the child channel initializer.
    ///
    /// - Parameters:
    ///   - lower: handlers below the session, such as TLS from the first octet: the header comes before them.
    ///   - begin: puts the session on top, at once for a client's own connection, else when the header is whole and before
    ///     the channel becomes active for what stands above. If it throws, the connection is closed.
    public func open(
        _ channel: any Channel, below lower: [any ChannelHandler],
        begin: @escaping (ConnectionOrigin) throws -> Void
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        guard let peer = channel.remoteAddress, peer.ipAddress != nil, trusts(peer) else {
            try pipeline.addHandlers(lower)
            return try begin(ConnectionOrigin(peer: channel.remoteAddress))
        }
        try pipeline.addHandler(ProxyHeaderHandler(gate: self, proxy: peer, begin: begin))
        try pipeline.addHandlers(lower)
    }

    /// A connection begins to wait; true when it may. Then it must leave.
    func enter() -> Bool {
        waiting.withLock { waiting in
            guard waiting < limit else { return false }
            waiting += 1
            return true
        }
    }

    func leave() { waiting.withLock { $0 -= 1 } }

    /// A connection from a proxy ends before it was a session.
    func refused(_ proxy: SocketAddress, _ refusal: ProxyRefusal) {
        refusals[refusal.label]?.increment()
        logger.log(
            level: refusal.isWorthNotice ? .warning : .debug, "connection from a proxy refused",
            metadata: ["proxy": "\(proxy.ipAddress ?? "")", "reason": "\(refusal)"])
    }
}

/// Why a connection from a proxy came to nothing.
enum ProxyRefusal: Error, CustomStringConvertible {
    /// For the metrics.
    enum Label: String, Sendable, CaseIterable {
        case malformed
        case timeout
        case ended
        case limit
        case failed
    }

    case malformed(ProxyHeader.Malformation)
    case timedOut
    case ended
    case tooMany
    case failed(any Error)

    var description: String {
        switch self {
        case .malformed(let malformation): malformation.description
        case .timedOut: "the PROXY header did not come in time"
        case .ended: "ended before the PROXY header"
        case .tooMany: "too many connections wait for their PROXY header"
        case .failed(let error): "\(error)"
        }
    }

    var label: Label {
        switch self {
        case .malformed: .malformed
        case .timedOut: .timeout
        case .ended: .ended
        case .tooMany: .limit
        case .failed: .failed
        }
    }

    /// A load balancer that only looks whether somebody listens connects and ends.
    var isWorthNotice: Bool {
        switch self {
        case .malformed, .timedOut, .tooMany: true
        case .ended, .failed: false
        }
    }
}
