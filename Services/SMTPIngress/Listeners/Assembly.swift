import Logging
import NIOCore
import NIOPosix
import ProxyProtocol
import ServiceLifecycle
import Settlement
import TransportSecurity

/// Puts the parts of ingress together.
func makeServices(
    _ configuration: IngressConfiguration, peers: IngressPeers, tls: TLSContext?, inherited: [String: [CInt]],
    place: String, logger: Logger, whenListening: @escaping @Sendable () -> Void
) async throws -> [any Service] {
    let metrics = IngressMetrics()
    let registry = SessionRegistry(
        limits: configuration.limits, refusalTime: configuration.timeouts.refusal, metrics: metrics)
    let proxies = ProxyGate(
        trusting: { configuration.trustedProxies.contain($0) }, patience: configuration.timeouts.proxyHeader,
        limit: configuration.limits.sessions, logger: logger)
    let turns = AcceptanceTurns(limit: configuration.limits.acceptances)
    let mechanisms = MechanismCatalogue(sasl: peers.sasl, logger: logger)
    let resolutions = RecentResolutions(lifetime: configuration.timeouts.resolution)
    let checkpoints = Checkpoints(limits: configuration.limits.checkpoints)
    let threads = NIOThreadPool(numberOfThreads: 2)
    threads.start()
    let group = MultiThreadedEventLoopGroup(
        numberOfThreads: configuration.eventLoops > 0 ? configuration.eventLoops : System.coreCount)
    let loops = try await EventLoopTurns(group)
    let settlements = SettlementSender(
        to: peers.delivery, place: place, takenIn: { loops.takenIn }, logger: logger)
    let listeners = configuration.listeners.map { kind, address in
        Listener(
            environment: SessionEnvironment(
                settings: SessionSettings(
                    serverName: configuration.serverName, kind: kind, offersTLS: tls != nil,
                    limits: configuration.limits, postmaster: configuration.postmaster),
                timeouts: configuration.timeouts, peers: peers, mechanisms: mechanisms, resolutions: resolutions,
                settlements: settlements, tls: tls,
                spool: SpoolArea(directory: configuration.spoolDirectory, threads: threads), checkpoints: checkpoints,
                registry: registry, proxies: proxies, turns: turns, metrics: metrics, logger: logger),
            address: address)
    }
    let ingress = IngressService(
        listeners: listeners, inherited: inherited, group: group, registry: registry, threads: threads,
        logger: logger, whenListening: whenListening)
    // The last in the list ends first: what its sessions settle at their end is still sent.
    return [settlements, mechanisms, checkpoints, ingress]
}
