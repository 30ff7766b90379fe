import Logging
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

@Suite("Storage as a part of its process")
struct StartTests {
    @Test("refuses a schema that it does not know each time, however soon the rest of it ends")
    func refuses() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        try await withStorage(database) { _ in }
        try await database.query("INSERT INTO queue.migrations (number, name, checksum) VALUES (99, 'tomorrow', 'x')")
        // Several at once: what is to be seen is that no order of events loses the refusal.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...6 {
                group.addTask {
                    for _ in 1...8 {
                        let engine = StorageEngine(
                            StorageEngine.Options(connectionString: database.connectionString()), logger: .quiet,
                            announce: { _ in })
                        let schema = HealthRegistry(logger: .quiet).condition("schema", waitingFor: "migrations")
                        await #expect {
                            try await StorageWork(engine: engine, schema: schema, logger: .quiet).run()
                        } throws: {
                            ($0 as? StartRefusal)?.reason.hasPrefix("the schema queue has migration 99 (tomorrow)")
                                == true
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
