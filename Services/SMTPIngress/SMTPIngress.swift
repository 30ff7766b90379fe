import Contracts
import Logging
import NIOCore
import NIOPosix
import ServiceRuntime
import TransportSecurity

/// `martlet-smtp-ingress`: receives mail by SMTP, submission and LMTP and hands it to content processing.
@main
enum SMTPIngress {
    static func main() async {
        await ServiceProcess.run(name: "smtp-ingress", configuration: IngressConfiguration.self) { runtime in
            let configuration = runtime.configuration
            let tls = try tlsContext(configuration)
            if let tls {
                for warning in tls.warnings { runtime.logger.warning("certificate: \(warning)") }
                runtime.onReload { try tls.reload() }
            }
            let storage = try runtime.peer("storage")
            let peers = IngressPeers(
                directory: DirectoryClient(storage), delivery: DeliveryClient(storage),
                acceptance: AcceptanceClient(try runtime.peer("content-processing")),
                sasl: SaslClient(try runtime.peer("authentication")))
            var inherited: [String: [CInt]] = [:]
            for case (_, .activated(let name)) in configuration.listeners {
                inherited[name] = try runtime.sockets(named: name)
            }
            let listening = runtime.health.condition("listeners", waitingFor: "its sockets")
            return try await makeServices(
                configuration, peers: peers, tls: tls, inherited: inherited, place: runtime.place,
                logger: runtime.logger, whenListening: { listening.ready() })
        }
    }

    private static func tlsContext(_ configuration: IngressConfiguration) throws -> TLSContext? {
        guard let certificate = configuration.certificate else { return nil }
        do {
            return try TLSContext(
                server: TLSServerConfiguration(
                    certificateChainFile: certificate.chain, privateKeyFile: certificate.key))
        } catch {
            let name = error.file == certificate.key ? "key" : "certificate"
            throw StartRefusal("smtp-ingress.tls.\(name): \(error)")
        }
    }
}
