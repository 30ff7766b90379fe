import Contracts
import Messaging
import NIOPosix
import ProxyProtocol
import ServiceLifecycle
import ServiceRuntime
import Settlement
import TransportSecurity

/// `martlet-imap-access`: speaks IMAP4rev1 and IMAP4rev2 with mail clients. It keeps no mail and no password: storage,
/// authentication and content processing do.
@main
enum IMAPAccess {
    static func main() async {
        await ServiceProcess.run(name: "imap-access", configuration: IMAPConfiguration.self) { runtime in
            let configuration = runtime.configuration
            var tls: TLSContext?
            if let certificate = configuration.certificateFile, let key = configuration.keyFile {
                let context = try certificateContext(certificate, key)
                for warning in context.warnings {
                    runtime.logger.warning("certificate", metadata: ["warning": "\(warning)"])
                }
                runtime.onReload { try context.reload() }
                tls = context
            }
            let storage = try runtime.peer("storage")
            let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
            let turns = try await EventLoopTurns(eventLoops)
            let services = SessionServices(
                store: MailStoreClient(storage),
                sasl: SaslClient(try runtime.peer("authentication")),
                acceptance: AcceptanceClient(try runtime.peer("content-processing")),
                events: try runtime.subscriber(to: "storage"),
                limits: configuration.limits, tls: tls, logger: runtime.logger, version: runtime.version,
                settlements: SettlementSender(
                    to: DeliveryClient(storage), place: runtime.place, takenIn: { turns.takenIn },
                    logger: runtime.logger),
                offersUnauthenticate: configuration.offersUnauthenticate, submitters: configuration.submitters)
            let places =
                try configuration.plainAddresses.flatMap { try self.places($0, runtime).map { ($0, false) } }
                + configuration.tlsAddresses.flatMap { try self.places($0, runtime).map { ($0, true) } }
            let logger = runtime.logger
            let proxies = ProxyGate(
                trusting: { configuration.trustedProxies.contain($0) },
                patience: configuration.limits.proxyHeaderTimeout, limit: configuration.limits.sessions, logger: logger)
            let listener = Listener(
                places: places, services: services, proxies: proxies, eventLoops: eventLoops
            ) { addresses in
                for case let address? in addresses {
                    logger.info("listening", metadata: ["address": "\(address)"])
                }
            }
            // The last in the list ends first: what its sessions settle at their end is still sent.
            return [services.settlements, listener]
        }
    }

    private static func certificateContext(_ certificate: String, _ key: String) throws -> TLSContext {
        do {
            return try TLSContext(
                server: TLSServerConfiguration(certificateChainFile: certificate, privateKeyFile: key))
        } catch {
            let name = error.file == key ? "key" : "certificate"
            throw StartRefusal("imap-access.tls.\(name): \(error)")
        }
    }

    private static func places(
        _ address: ListenAddress, _ runtime: ServiceRuntime<IMAPConfiguration>
    ) throws -> [Listener.Place] {
        switch address {
        case .network(let host, let port): [.network(host: host, port: port)]
        case .unix(let path): [.unix(path: path)]
        case .activated(let name): try runtime.sockets(named: name).map { .activated($0) }
        }
    }
}
