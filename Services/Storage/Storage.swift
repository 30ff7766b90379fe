import Contracts
import Database
import Logging
import Messaging
import ServiceLifecycle
import ServiceRuntime

/// The process that holds accounts and mail.
@main
enum StorageProcess {
    static func main() async {
        await ServiceProcess.run(name: "storage", configuration: StorageConfiguration.self) { runtime in
            let configuration = runtime.configuration
            let publisher = try runtime.publisher()
            let database = runtime.health.condition("database", waitingFor: "PostgreSQL")
            let engine = StorageEngine(
                StorageEngine.Options(configuration), logger: runtime.logger,
                announce: { publisher.publish($0) },
                onAvailabilityChange: { availability in
                    switch availability {
                    case .available: database.ready()
                    case .unavailable(let error): database.waiting(for: "PostgreSQL: \(error)")
                    }
                })
            let server = try runtime.server([
                DirectoryServer(engine.directory), DeliveryServer(engine.delivery), MailStoreServer(engine.mailStore),
                LedgerServer(engine.ledger),
            ])
            let schema = runtime.health.condition("schema", waitingFor: "migrations")
            return [StorageWork(engine: engine, schema: schema, logger: runtime.logger), server]
        }
    }
}

/// The engine as a part of the process: migrates, works, and ends when the server before it has drained.
struct StorageWork: Service {
    let engine: StorageEngine
    let schema: HealthCondition
    let logger: Logger

    private enum Part {
        case migration(StartRefusal?)
        case work
    }

    func run() async throws {
        let refusal = await withGracefulShutdownHandler {
            await withTaskGroup(of: Part.self) { group in
                group.addTask {
                    await self.engine.run()
                    return .work
                }
                group.addTask { .migration(await self.migrate()) }
                var refusal: StartRefusal?
                // The end of the work is the end of all; that of the migration is the beginning, unless it is refused.
                // The work is ended only when the refusal is known here, so that neither can overtake the other.
                while case .migration(let reason) = await group.next() {
                    refusal = reason
                    if reason != nil { engine.close() }
                }
                group.cancelAll()
                return refusal
            }
        } onGracefulShutdown: {
            engine.close()
        }
        if let refusal { throw refusal }
    }

    private func migrate() async -> StartRefusal? {
        do {
            try await engine.prepareSchema(logger: logger)
            schema.ready()
            return nil
        } catch is CancellationError {
            return nil
        } catch {
            return StartRefusal("\(error)")
        }
    }
}

extension StorageEngine.Options {
    init(_ configuration: StorageConfiguration) {
        self.init(connectionString: configuration.connectionString)
        readers = configuration.readers
        writers = configuration.writers
        batch.batchCount = configuration.batchCount
        batch.batchOctets = configuration.batchOctets
        batch.companyCount = min(batch.companyCount, configuration.batchCount)
        batch.waitingCount = configuration.waitingCount
        batch.waitingOctets = configuration.waitingOctets
        mailboxLimit = configuration.mailboxLimit
        contentGrace = configuration.contentGrace
        receiptAge = configuration.receiptAge
        receiptMemory = configuration.receiptMemory
        settlementGrace = configuration.settlementGrace
        settlerSilence = configuration.settlerSilence
        ledgerDays = configuration.ledgerDays
    }
}
