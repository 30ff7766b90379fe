import Atomics
import NIOCore

/// How much a server takes in hand; beyond that it answers `overloaded` at once.
public struct ServerLimits: Sendable {
    /// Calls being handled.
    public var requestsInFlight = 4_096
    /// Octets of requests being handled: bodies, payload and open upload windows.
    public var octetsInFlight = 256 * 1024 * 1024

    /// The defaults.
    public init() {}

    /// Limits of one's own.
    public init(requestsInFlight: Int, octetsInFlight: Int = 256 * 1024 * 1024) {
        self.requestsInFlight = requestsInFlight
        self.octetsInFlight = octetsInFlight
    }
}

/// Where handlers run.
public enum HandlerPlacement: Sendable {
    /// On the socket thread: no change of thread, for handlers that neither block nor compute for long.
    case onSocketThread
    /// On Swift's concurrent pool.
    case concurrent
}

/// Serves contracts on one endpoint (a ROUTER socket).
public final class ServerSocket: Sendable {
    private let context: MessagingContext
    private let core: ServerCore
    /// Where it is bound; the real port after `tcp://127.0.0.1:0`.
    public let endpoint: String

    /// Binds and serves. `peers` says which keys may connect and by which names `access` knows them.
    public init(
        _ context: MessagingContext, endpoint: String, contracts: [any ContractServer],
        peers: [CurvePublicKey: PeerIdentity] = [:], access: any AccessPolicy, limits: ServerLimits = ServerLimits(),
        handlers: HandlerPlacement = .onSocketThread
    ) throws(MessagingError) {
        try context.checkSecurity(of: endpoint)
        let core = ServerCore(
            context, contracts: contracts, peers: peers, access: access, limits: limits, placement: handlers)
        self.context = context
        self.core = core
        self.endpoint = try context.thread.wait(for: { core.bind(endpoint) }).get()
    }

    deinit {
        let core = self.core
        context.thread.execute { core.close() }
    }

    /// Replaces the list of keys that may connect; peers that are no longer named are denied every method.
    public func setPeers(_ peers: [CurvePublicKey: PeerIdentity]) {
        let core = self.core
        context.thread.execute { core.setPeers(peers) }
    }

    /// How many calls are in hand.
    public var requestsInFlight: Int { core.inFlightGauge.load(ordering: .relaxed) }

    /// Takes no more calls, tells the peers to go elsewhere, and returns when what is in hand is finished; after
    /// `limit` what remains is cancelled. Calls that still come are refused so that their clients ask another replica.
    public func drain(within limit: Duration = .seconds(10)) async {
        let core = self.core
        let thread = context.thread
        await withUnsafeContinuation { continuation in
            thread.execute { core.drain(until: .now.advanced(by: limit)) { continuation.resume() } }
        }
    }

    /// Cancels what is in hand and closes the socket.
    public func close() async { await context.thread.perform { [core] in core.close() } }
}
