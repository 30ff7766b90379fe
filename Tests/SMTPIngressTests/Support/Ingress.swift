import Contracts
import Foundation
import Logging
import Messaging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Settlement
import Synchronization
import TestSupport
import TransportSecurity

@testable import SMTPIngress

/// What the stubbed peers saw.
final class PeerRecord: Sendable {
    struct Accepted: Sendable {
        var request: AcceptRequest
        var message: ByteBuffer
        var context: CallContext
    }

    private struct State {
        var accepted: [Accepted] = []
        var questions: [[String]] = []
        var saslStarts: [SaslStartRequest] = []
        var settled: [[UInt8]] = []
    }

    private let state = Mutex(State())

    var accepted: [Accepted] { state.withLock { $0.accepted } }
    var questions: [[String]] { state.withLock { $0.questions } }
    var saslStarts: [SaslStartRequest] { state.withLock { $0.saslStarts } }
    /// The ids of the transactions whose clients are known to have read the reply.
    var settled: [[UInt8]] { state.withLock { $0.settled } }

    func accept(_ accepted: Accepted) { state.withLock { $0.accepted.append(accepted) } }
    func ask(_ addresses: [String]) { state.withLock { $0.questions.append(addresses) } }
    func start(_ request: SaslStartRequest) { state.withLock { $0.saslStarts.append(request) } }
    func settle(_ transactions: [[UInt8]]) { state.withLock { $0.settled += transactions } }
}

struct RecordingDirectory: Directory {
    let record: PeerRecord

    func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply {
        record.ask(request.addresses)
        var reply = ResolveReply()
        reply.resolutions = try FakePeers.resolve(request.addresses)
        return reply
    }
}

struct RecordingAcceptance: Acceptance {
    let record: PeerRecord
    /// Is waited for before each answer.
    var gate: Gate?

    func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply {
        let octets = try await message.collect(upTo: 1 << 30)
        await gate?.pass()
        var reply = AcceptReply()
        reply.statuses = try FakePeers.accept(request, octets)
        reply.receipts = [
            ReceiptKey.with {
                $0.fingerprints = [request.messageDigest]
                $0.transactionID = .init(context.transaction.octets)
            }
        ]
        record.accept(.init(request: request, message: octets, context: context))
        return reply
    }
}

struct RecordingDelivery: Delivery {
    let record: PeerRecord

    func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply { throw MessagingError(.unknownMethod) }

    func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        record.settle(request.settlements.flatMap { $0.receipts.map { Array($0.transactionID) } })
        return SettleReply()
    }
}

struct RecordingSasl: Sasl {
    let record: PeerRecord

    func mechanisms(_ request: SaslMechanismsRequest, _ context: CallContext) async throws -> SaslMechanismsReply {
        var reply = SaslMechanismsReply()
        reply.mechanisms = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
        return reply
    }

    func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply {
        record.start(request)
        return try FakePeers.start(request)
    }

    func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply {
        try FakePeers.respond(request)
    }
}

/// Something to wait at until a test opens it.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>], arrivals: Int)>(
        (false, [], 0))

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.arrivals += 1
                if !state.isOpen { state.waiters.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// How many have come here.
    var arrivals: Int { state.withLock { $0.arrivals } }
}

/// A certificate for mx.example.test, made once.
enum Certificate {
    static let context: TLSContext? = {
        guard let directory = try? TemporaryDirectory() else { return nil }
        let chain = "\(directory.path)/cert.pem"
        let key = "\(directory.path)/key.pem"
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=mx.example.test", "-keyout", key, "-out", chain,
        ]
        openssl.standardError = FileHandle.nullDevice
        guard (try? openssl.run()) != nil else { return nil }
        openssl.waitUntilExit()
        return try? TLSContext(
            server: TLSServerConfiguration(certificateChainFile: chain, privateKeyFile: key))
    }()
}

/// The service with stubbed peers, over real messaging and real sockets.
final class Ingress: Sendable {
    let record: PeerRecord
    let pair: MessagingPair
    let service: IngressService
    let spool: TemporaryDirectory
    let registry: SessionRegistry
    private let sending: (group: ServiceGroup, task: Task<Void, any Error>)
    private let port: Mutex<[ListenerKind: SocketAddress]>

    static func start(
        _ kinds: [ListenerKind] = [.relay], limits: Limits = Limits(), timeouts: Timeouts = Timeouts(),
        gate: Gate? = nil, spoolDirectory: String? = nil, addresses: [ListenerKind: String] = [:]
    ) async throws -> Ingress {
        let record = PeerRecord()
        let pair = try MessagingPair.inproc(
            [
                DirectoryServer(RecordingDirectory(record: record)),
                AcceptanceServer(RecordingAcceptance(record: record, gate: gate)),
                DeliveryServer(RecordingDelivery(record: record)),
                SaslServer(RecordingSasl(record: record)),
            ], handlers: .concurrent)
        return try await Ingress(
            kinds, limits: limits, timeouts: timeouts, record: record, pair: pair, spoolDirectory: spoolDirectory,
            addresses: addresses)
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
        spoolDirectory: String?, addresses: [ListenerKind: String], peer: PeerClient? = nil
    ) async throws {
        let peer = peer ?? pair.client
        self.record = record
        self.pair = pair
        spool = try TemporaryDirectory()
        let peers = IngressPeers(
            directory: DirectoryClient(peer), delivery: DeliveryClient(peer), acceptance: AcceptanceClient(peer),
            sasl: SaslClient(peer))
        let settlements = SettlementSender(to: peers.delivery, logger: .quiet)
        let sending = ServiceGroup(services: [settlements], logger: .quiet)
        self.sending = (sending, Task { try await sending.run() })
        let metrics = IngressMetrics()
        let registry = SessionRegistry(limits: limits, metrics: metrics)
        self.registry = registry
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
                    settlements: settlements, tls: Certificate.context, spool: area, registry: registry,
                    metrics: metrics, logger: .quiet),
                address: .init(addresses[kind] ?? "127.0.0.1:0") ?? .network(host: "127.0.0.1", port: 0))
        }
        service = IngressService(
            listeners: listeners, group: MultiThreadedEventLoopGroup(numberOfThreads: 2), registry: registry,
            threads: threads, logger: .quiet)
        port = Mutex([:])
        try await service.listen()
        for kind in kinds { port.withLock { $0[kind] = service.address(of: kind) } }
    }

    func address(_ kind: ListenerKind = .relay) throws -> SocketAddress {
        guard let address = port.withLock({ $0[kind] }) else { throw ChannelError.operationUnsupported }
        return address
    }

    func connect(_ kind: ListenerKind = .relay) async throws -> SMTPClient {
        try await SMTPClient.connect(try address(kind), implicitTLS: kind.hasImplicitTLS)
    }

    /// A client that has been greeted and has greeted.
    func greeted(_ kind: ListenerKind = .relay) async throws -> SMTPClient {
        let client = try await connect(kind)
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
