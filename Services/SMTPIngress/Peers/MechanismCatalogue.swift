import Contracts
import Logging
import Messaging
import ServiceLifecycle
import Synchronization

/// What authentication offers, asked for once and again every minute, so that EHLO waits for nobody.
final class MechanismCatalogue: Service {
    private let sasl: any Sasl
    private let logger: Logger
    private let names: Mutex<[String]>

    /// Until authentication has answered, what it is known to offer stands in for the answer.
    init(
        sasl: any Sasl, logger: Logger,
        initially names: [String] = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    ) {
        self.sasl = sasl
        self.logger = logger
        self.names = Mutex(names)
    }

    /// Upper case, strongest first.
    var mechanisms: [String] { names.withLock { $0 } }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let isKnown = await self.refresh()
                try? await Task.sleep(for: isKnown ? .seconds(60) : .seconds(2))
            }
        }
    }

    private func refresh() async -> Bool {
        var request = SaslMechanismsRequest()
        request.overTls = true
        request.channelBindingTypes = ["tls-exporter", "tls-server-end-point"]
        do {
            let offered = try await sasl.mechanisms(request, CallContext()).mechanisms.map { $0.uppercased() }
            names.withLock { $0 = offered }
            return true
        } catch {
            logger.debug("authentication has not told its mechanisms", metadata: ["error": "\(error)"])
            return false
        }
    }
}
