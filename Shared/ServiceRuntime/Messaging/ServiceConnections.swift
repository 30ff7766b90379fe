import Contracts
import Glibc
import Logging
import Messaging
import ServiceLifecycle
import Synchronization

/// How one process reaches the others: its keys, where their sockets are, and one client for each peer.
public final class ServiceConnections: Sendable {
    /// The socket thread and the key pair.
    public let messaging: MessagingContext

    private let common: CommonConfiguration
    private let keys: KeyDirectory
    private let clients = Mutex<[String: PeerClient]>([:])

    /// Reads the key of `name` and starts the socket thread.
    public init(name: String, common: CommonConfiguration, logger: Logger) throws {
        self.common = common
        keys = KeyDirectory(path: common.keyDirectory)
        messaging = try MessagingContext(keys: keys.pair(of: name), logger: logger)
    }

    /// The client of a peer: the same one each time. `patience` is how long calls wait for a replica while none is there.
    public func peer(_ service: String, patience: Duration = .seconds(1)) throws -> PeerClient {
        try clients.withLock { clients in
            if let known = clients[service] { return known }
            let client = try PeerClient(
                messaging, service: service, replicas: replicas(of: service), serverKey: keys.publicKey(of: service),
                patience: patience)
            clients[service] = client
            return client
        }
    }

    /// A client of one replica alone, to ask after that very process; the caller closes it.
    public func replica(_ endpoint: String, of service: String) throws -> PeerClient {
        try PeerClient(
            messaging, service: service, replicas: .endpoints([endpoint]), serverKey: keys.publicKey(of: service))
    }

    /// The endpoints of a service's replicas: those that the configuration lists, else those that have a socket.
    public func endpoints(of service: String) -> [String] {
        if let listed = common.peers[service] { return listed }
        return FolderListing.names(common.messagingDirectory).compactMap { name in
            guard name.hasPrefix("\(service)."), name.hasSuffix(".sock"),
                let replica = Int(name.dropFirst(service.count + 1).dropLast(".sock".count)), replica >= 0
            else { return nil }
            return (
                replica,
                ServiceEndpoint.requests(directory: common.messagingDirectory, service: service, replica: replica)
            )
        }.sorted { (first: (Int, String), second: (Int, String)) in first.0 < second.0 }.map(\.1)
    }

    /// Events that a peer's replicas publish.
    public func subscriber(to service: String) throws -> EventSubscriber {
        let replicas: ReplicaSource =
            common.peers[service].map { .endpoints($0.map(ServiceEndpoint.events(beside:))) }
            ?? .directory(common.messagingDirectory)
        return try EventSubscriber(
            messaging, service: service, replicas: replicas, serverKey: keys.publicKey(of: service))
    }

    /// The peers made so far, by name.
    var peers: [(service: String, client: PeerClient)] {
        clients.withLock { $0.sorted { $0.key < $1.key }.map { (service: $0.key, client: $0.value) } }
    }

    /// Who may connect: every service whose public key is in the folder.
    func allowedPeers() throws -> [CurvePublicKey: PeerIdentity] {
        try keys.peers(of: ContractAccess.services)
    }

    /// Closes every socket; calls that are still under way fail.
    public func close() async {
        for (_, client) in peers { await client.close() }
        await messaging.shutdown()
    }

    private func replicas(of service: String) -> ReplicaSource {
        common.peers[service].map { .endpoints($0) } ?? .directory(common.messagingDirectory)
    }
}

/// Serves contracts on this replica's endpoint until the group shuts down, then drains: no new calls, those in hand are
/// finished.
struct ContractEndpoint: Service {
    var socket: ServerSocket
    var drainLimit: Duration
    /// libzmq leaves them behind, and a file that nobody answers at would count as a replica.
    var socketFiles: [String]

    func run() async throws {
        try? await gracefulShutdown()
        await socket.drain(within: drainLimit)
        await socket.close()
        for path in socketFiles { unlink(path) }
    }
}

/// Answers the Health contract from the registry.
struct HealthReporter: Health {
    var service: String
    var replica: Int
    var health: HealthRegistry
    var startedAt: Int64
    var processID: Int32

    func check(_ request: HealthRequest, _ context: CallContext) async throws -> HealthReply {
        var reply = HealthReply()
        reply.service = service
        reply.replica = UInt32(clamping: replica)
        reply.ready = health.isReady
        reply.waitingFor = health.waitingFor
        reply.startedAt = startedAt
        reply.version = MartletVersion.current
        reply.processID = UInt32(clamping: processID)
        return reply
    }
}
