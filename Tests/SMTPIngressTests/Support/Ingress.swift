import Contracts
import Logging
import Messaging
import NIOCore
import NIOPosix
import ProxyProtocol
import ServiceLifecycle
import Settlement
import Synchronization
import TestSupport
import TransportSecurity

@testable import SMTPIngress

/// A certificate for mx.example.test, made once.
enum Certificate {
    static let context = try? TestCertificate.context()
}

/// The service with stubbed peers, over real messaging and real sockets.
final class Ingress: Sendable {
    let record: PeerRecord
    let pair: MessagingPair
    let service: IngressService
    let spool: TemporaryDirectory
    let registry: SessionRegistry
    let proxies: ProxyGate
    let checkpoints: Checkpoints
    let turns: AcceptanceTurns
    let eventLoops: any EventLoopGroup
    private let sending: (group: ServiceGroup, task: Task<Void, any Error>)
    private let port: Mutex<[ListenerKind: SocketAddress]>

    static func start(
        _ kinds: [ListenerKind] = [.relay], limits: Limits = Limits(), timeouts: Timeouts = Timeouts(),
        gate: Gate? = nil, spoolDirectory: String? = nil, addresses: [ListenerKind: String] = [:],
        trustsProxies: Bool = false, clock: @escaping @Sendable () -> NIODeadline = { .now() }
    ) async throws -> Ingress {
        let record = PeerRecord()
        let pair = try MessagingPair.inproc(
            [
                DirectoryServer(RecordingDirectory(record: record)),
                AcceptanceServer(RecordingAcceptance(record: record, gate: gate)),
                DeliveryServer(RecordingSettlements(record: record)),
                SaslServer(RecordingSasl(record: record)),
            ], handlers: .concurrent)
        return try await Ingress(
            kinds, limits: limits, timeouts: timeouts, record: record, pair: pair, spoolDirectory: spoolDirectory,
            addresses: addresses, trustsProxies: trustsProxies, clock: clock)
    }

    /// With peers elsewhere.
    static func start(peer: PeerClient, timeouts: Timeouts) async throws -> Ingress {
        let record = PeerRecord()
        return try await Ingress(
            [.relay], limits: Limits(), timeouts: timeouts, record: record, pair: try MessagingPair.inproc([]),
            spoolDirectory: nil, addresses: [:], peer: peer)
    }

    private init(
        _ kinds: [ListenerKind], limits: Limits, timeouts: Timeouts, record: PeerRecord, pair: MessagingPair,
        spoolDirectory: String?, addresses: [ListenerKind: String], trustsProxies: Bool = false,
        peer: PeerClient? = nil, clock: @escaping @Sendable () -> NIODeadline = { .now() }
    ) async throws {
        let peer = peer ?? pair.client
        self.record = record
        self.pair = pair
        spool = try TemporaryDirectory()
        let peers = IngressPeers(
            directory: DirectoryClient(peer), delivery: DeliveryClient(peer), acceptance: AcceptanceClient(peer),
            sasl: SaslClient(peer))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        eventLoops = group
        let settlements = SettlementSender(
            to: peers.delivery, place: "ingress", takenIn: { .now }, logger: .quiet)
        let sending = ServiceGroup(services: [settlements], logger: .quiet)
        self.sending = (sending, Task { try await sending.run() })
        let metrics = IngressMetrics()
        let registry = SessionRegistry(limits: limits, refusalTime: timeouts.refusal, metrics: metrics)
        self.registry = registry
        // Who connects in a test is its proxy, or nobody is.
        let proxies = ProxyGate(
            trusting: { _ in trustsProxies }, patience: timeouts.proxyHeader, limit: limits.sessions, logger: .quiet)
        self.proxies = proxies
        let checkpoints = Checkpoints(limits: limits.checkpoints, clock: clock)
        self.checkpoints = checkpoints
        let turns = AcceptanceTurns(limit: limits.acceptances)
        self.turns = turns
        let resolutions = RecentResolutions(lifetime: timeouts.resolution)
        let threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
        let area = SpoolArea(directory: spoolDirectory ?? spool.path, threads: threads)
        let listeners = kinds.map { kind in
            Listener(
                environment: SessionEnvironment(
                    settings: SessionSettings(
                        serverName: "mx.example.test", kind: kind, offersTLS: Certificate.context != nil,
                        limits: limits),
                    timeouts: timeouts, peers: peers,
                    mechanisms: MechanismCatalogue(sasl: peers.sasl, logger: .quiet), resolutions: resolutions,
                    settlements: settlements, tls: Certificate.context, spool: area, checkpoints: checkpoints,
                    registry: registry, proxies: proxies, turns: turns, metrics: metrics, logger: .quiet),
                address: .init(addresses[kind] ?? "127.0.0.1:0") ?? .network(host: "127.0.0.1", port: 0))
        }
        service = IngressService(
            listeners: listeners, group: group, registry: registry,
            threads: threads, logger: .quiet)
        port = Mutex([:])
        try await service.listen()
        for kind in kinds { port.withLock { $0[kind] = service.address(of: kind) } }
    }

    func address(_ kind: ListenerKind = .relay) throws -> SocketAddress {
        guard let address = port.withLock({ $0[kind] }) else { throw ChannelError.operationUnsupported }
        return address
    }

    func connect(_ kind: ListenerKind = .relay, preface: [UInt8] = []) async throws -> SMTPClient {
        try await SMTPClient.connect(try address(kind), implicitTLS: kind.hasImplicitTLS, preface: preface)
    }

    /// A client that has been greeted and has greeted.
    func greeted(_ kind: ListenerKind = .relay, preface: [UInt8] = []) async throws -> SMTPClient {
        let client = try await connect(kind, preface: preface)
        _ = try await client.reply()
        _ = try await client.command(kind.isLMTP ? "LHLO client.example" : "EHLO client.example")
        return client
    }

    func stop() async {
        await service.drain()
        await sending.group.triggerGracefulShutdown()
        _ = try? await sending.task.value
        await pair.close()
    }
}
