import Contracts
import Cryptography
import Database
import Logging
import Messaging
import ServiceLifecycle
import ServiceRuntime

/// The process that knows who may log in. It speaks to no stranger and holds no mail.
@main
enum AuthenticationProcess {
    static func main() async {
        await ServiceProcess.run(name: "authentication", configuration: AuthenticationConfiguration.self) { runtime in
            let configuration = runtime.configuration
            guard let keys = runtime.messaging.keys else {
                throw StartRefusal("authentication needs its CURVE key: exchanges are sealed with it")
            }
            let database = runtime.health.condition("database", waitingFor: "PostgreSQL")
            let schema = runtime.health.condition("schema", waitingFor: "migrations")
            let engine = AuthenticationEngine(
                connectionString: configuration.connectionString, secret: Array(keys.secretKey.utf8),
                options: configuration.options, logger: runtime.logger
            ) { availability in
                switch availability {
                case .available: database.ready()
                case .unavailable(let error): database.waiting(for: "PostgreSQL: \(error)")
                }
            }
            let server = try runtime.server([SaslServer(engine.sasl), AccountsServer(engine.accounts)])
            return [AuthenticationWork(engine: engine, schema: schema, logger: runtime.logger), server]
        }
    }
}

/// The engine as a part of the process: migrates, then keeps house until shutdown, which comes when the server before it
/// has drained.
struct AuthenticationWork: Service {
    let engine: AuthenticationEngine
    let schema: HealthCondition
    let logger: Logger

    func run() async throws {
        let refusal = await cancelWhenGracefulShutdown {
            await withTaskGroup(of: StartRefusal?.self) { group in
                group.addTask {
                    await engine.run()
                    return nil
                }
                group.addTask { await migrate() }
                var refusal: StartRefusal?
                for await outcome in group {
                    guard let outcome else { continue }
                    refusal = outcome
                    group.cancelAll()
                }
                return refusal
            }
        }
        if let refusal { throw refusal }
    }

    private func migrate() async -> StartRefusal? {
        do {
            try await engine.prepareSchema()
            schema.ready()
            return nil
        } catch is CancellationError {
            return nil
        } catch {
            return StartRefusal("\(error)")
        }
    }
}
