import Atomics
import Contracts
import Glibc
import Logging
import Messaging
import ServiceLifecycle

/// What a service is given when it starts: its configuration, its peers, and the means to serve, to log and to say how
/// it is.
public struct ServiceRuntime<Configuration: ServiceConfiguration>: Sendable {
    /// The service, for example `smtp-ingress`.
    public let name: String
    /// Which replica this process is, from 0.
    public let replica: Int
    /// Which replica of which service, and where: the process that comes next there takes this one's part.
    public var place: String { "\(name).\(replica)@\(HostName.current)" }
    /// The configuration at the start; ``onConfigurationChange(_:)`` tells of later ones.
    public let configuration: Configuration
    /// Logs with the service's name and replica.
    public let logger: Logger
    /// What the service waits for, and whether it is ready.
    public let health: HealthRegistry
    /// What every service has in its configuration.
    public let common: CommonConfiguration

    let connections: ServiceConnections
    let activation: SocketActivation
    let reload: ReloadRegistry<Configuration>
    let startedAt: Int64
    /// Whether ``server(_:handlers:limits:)`` was called; if not, the process serves Health alone.
    let isServing = ManagedAtomic(false)

    /// This program's version.
    public var version: String { MartletVersion.current }

    /// The socket thread of this process and its keys.
    public var messaging: MessagingContext { connections.messaging }

    /// The client of another service: the same one each time. The service is not ready while no replica of the peer
    /// can be reached.
    public func peer(_ service: String) throws -> PeerClient { try connections.peer(service) }

    /// Serves contracts, and Health with them, on this replica's endpoint. The returned service drains on shutdown.
    public func server(
        _ contracts: [any ContractServer], handlers: HandlerPlacement = .onSocketThread,
        limits: ServerLimits = ServerLimits()
    ) throws -> any Service {
        let reporter = HealthReporter(
            service: name, replica: replica, health: health, startedAt: startedAt, processID: getpid())
        let endpoint = common.endpoint(service: name, replica: replica)
        try makeFolder(common.messagingDirectory)
        let socket: ServerSocket
        do {
            socket = try ServerSocket(
                messaging, endpoint: endpoint, contracts: contracts + [HealthServer(reporter)],
                peers: connections.allowedPeers(), access: ContractAccess(), limits: limits, handlers: handlers)
        } catch let error as MessagingError {
            throw StartRefusal("messaging: cannot listen at \(endpoint): \(error)")
        }
        isServing.store(true, ordering: .relaxed)
        // A service whose key was added later is let in after SIGHUP.
        reload.add { _ in socket.setPeers(try connections.allowedPeers()) }
        let files = [endpoint, common.eventsEndpoint(service: name, replica: replica)]
            .filter { $0.hasPrefix("ipc://") }.map { String($0.dropFirst("ipc://".count)) }
        return ContractEndpoint(socket: socket, drainLimit: common.drainLimit, socketFiles: files)
    }

    /// Publishes events to whoever subscribes to this replica.
    public func publisher() throws -> EventPublisher {
        try makeFolder(common.messagingDirectory)
        return try EventPublisher(
            messaging, endpoint: common.eventsEndpoint(service: name, replica: replica),
            peers: connections.allowedPeers())
    }

    /// Events that the replicas of a service publish.
    public func subscriber(to service: String) throws -> EventSubscriber { try connections.subscriber(to: service) }

    /// Sockets that the supervisor opened under this name, for ``ListenAddress/activated(name:)``; refuses to start when
    /// there are none.
    public func sockets(named name: String) throws(StartRefusal) -> [CInt] {
        let sockets = activation.sockets(named: name)
        guard !sockets.isEmpty else {
            throw StartRefusal(
                "systemd:\(name): the supervisor passed no socket of this name (FileDescriptorName=\(name))")
        }
        return sockets
    }

    /// Runs on SIGHUP, after the configuration was read again: certificates, policies. What it throws is logged, and
    /// what was in force stays in force.
    public func onReload(_ body: @escaping @Sendable () async throws -> Void) { reload.add { _ in try await body() } }

    /// Runs on SIGHUP with the new configuration, when it could be read and is valid. Keys that are not marked as
    /// reloadable have new values in it too; they need a restart, which the log says.
    public func onConfigurationChange(_ body: @escaping @Sendable (Configuration) async throws -> Void) {
        reload.add(body)
    }

    private func makeFolder(_ path: String) throws(StartRefusal) {
        if mkdir(path, 0o750) != 0, errno != EEXIST {
            throw StartRefusal("messaging.directory: cannot make \(path): \(SystemError(errno))")
        }
    }
}

extension CommonConfiguration {
    /// Where a replica of a service answers requests.
    func endpoint(service: String, replica: Int) -> String {
        guard let messagingEndpoint else {
            return ServiceEndpoint.requests(directory: messagingDirectory, service: service, replica: replica)
        }
        return ServiceEndpoint.shifted(messagingEndpoint, by: replica)
    }

    /// Where a replica of a service publishes events.
    func eventsEndpoint(service: String, replica: Int) -> String {
        ServiceEndpoint.events(beside: endpoint(service: service, replica: replica))
    }
}
