import Contracts
import Cryptography
import Database
import Logging
import Messaging
import NIOCore
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import Storage

/// The whole of storage on a database of its own, behind its contracts, without a process around it.
struct StorageFixture: StorageCaller {
    let database: PostgreSQLDatabase
    let engine: StorageEngine
    let changes = Changes()

    var directory: any Directory { engine.directory }
    var delivery: any Delivery { engine.delivery }
    var mailStore: any MailStore { engine.mailStore }

    /// What was announced so far.
    final class Changes: Sendable {
        private let all = Mutex<[MailboxChanged]>([])
        func append(_ change: MailboxChanged) { all.withLock { $0.append(change) } }
        func take() -> [MailboxChanged] {
            all.withLock { changes in
                defer { changes = [] }
                return changes
            }
        }
    }

    init(database: PostgreSQLDatabase, adjust: (inout StorageEngine.Options) -> Void = { _ in }) {
        self.database = database
        var options = StorageEngine.Options(connectionString: database.connectionString())
        options.readers = 4
        adjust(&options)
        let changes = changes
        engine = StorageEngine(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
            changes.append($0)
        }
    }
}

extension Disposition {
    /// The same with fingerprints of these names: what a repetition by another connection is known by.
    func known(as names: String...) -> Disposition {
        var disposition = self
        disposition.fingerprints = names.map { .init(SHA256.hash(Array($0.utf8))) }
        disposition.forwardPath = names.first ?? ""
        return disposition
    }
}

/// A database with storage's schemas as they are at their newest, of which tests get copies.
private let migrated = Task {
    let database = try await PostgreSQLDatabase.fresh()
    try await withStorage(database) { _ in }
    return database
}

/// Runs `body` with a storage of its own, on `database` or a new one; `adjust` changes its options.
func withStorage(
    _ database: PostgreSQLDatabase? = nil, adjust: (inout StorageEngine.Options) -> Void = { _ in },
    _ body: (StorageFixture) async throws -> Void
) async throws {
    let chosen =
        if let database { database } else { try await PostgreSQLDatabase.fresh(from: try await migrated.value) }
    let fixture = StorageFixture(database: chosen, adjust: adjust)
    let running = Task { await fixture.engine.run() }
    do {
        try await fixture.engine.prepareSchema(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await body(fixture)
    } catch {
        fixture.engine.close()
        await running.value
        throw error
    }
    fixture.engine.close()
    await running.value
}

extension StorageFixture {
    /// The client of this connection has read these replies; `progress` is what a front service says with it.
    func settle(
        _ results: [CommitReply.Result], by connection: TransactionID, _ progress: SettlerProgress? = nil
    ) async throws -> SettleReply {
        let request = SettleRequest.with {
            if let progress { $0.progress = progress }
            $0.settlements = [
                Settlement.with {
                    $0.connectionID = .init(connection.octets)
                    $0.receipts = results.map { $0.receipt }
                }
            ]
        }
        return try await delivery.settle(request, CallContext())
    }
}

extension SettlerProgress {
    /// A front service says that all it knew at the moment is told.
    static func told(_ place: String, _ moment: Moment, ended: Bool = false) -> SettlerProgress {
        .with {
            $0.place = place
            $0.machine = moment.machine
            $0.uptime = moment.uptime
            $0.at = moment.wallClock
            $0.ended = ended
        }
    }
}
