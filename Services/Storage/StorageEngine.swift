import Contracts
import Database
import Logging
import Messaging

/// All of storage behind its contracts, without the process around it: connections, group commit, resolver, services.
final class StorageEngine: Sendable {
    struct Options: Sendable {
        var connectionString: String
        var readers = 8
        var writers = 2
        var batch = GroupCommit.Queue.Limits(
            batchCount: 64, batchOctets: 8 << 20, companyCount: 24, waitingCount: 4096, waitingOctets: 128 << 20)
        var mailboxLimit = 10_000
        var contentGrace = Duration.seconds(6 * 3600)
        var receiptAge = Duration.seconds(5 * 86400)
        var receiptMemory = Duration.seconds(20 * 60)
        var settlementGrace = Duration.milliseconds(500)
        var settlerSilence = Duration.seconds(15)
        var ledgerDays = 30
    }

    let pool: ConnectionPool
    let directory: DirectoryService
    let delivery: DeliveryService
    let mailStore: MailStoreService
    let ledger: LedgerService
    let upkeep: Upkeep
    private let groupCommit: GroupCommit
    private let resolver: Resolver

    init(
        _ options: Options, logger: Logger, announce: @escaping @Sendable (MailboxChanged) -> Void,
        onAvailabilityChange: @escaping @Sendable (ConnectionPool.Availability) -> Void = { _ in }
    ) {
        func configuration(_ kind: String, _ settings: [String: String]) -> ConnectionConfiguration {
            ConnectionConfiguration(
                connectionString: options.connectionString, applicationName: "martlet-storage \(kind)",
                settings: settings)
        }
        pool = ConnectionPool(
            configuration("reader", SessionSettings.reader), size: options.readers,
            onAvailabilityChange: onAvailabilityChange)
        let settlers = Settlers(pool: pool, silence: options.settlerSilence)
        groupCommit = GroupCommit(
            configuration("writer", SessionSettings.writer), writers: options.writers, settlers: settlers,
            settlementGrace: options.settlementGrace, limits: options.batch, logger: logger, announce: announce)
        resolver = Resolver(
            configuration("resolver", SessionSettings.reader), workers: max(1, min(2, options.readers / 2)))
        directory = DirectoryService(pool: pool, resolver: resolver, announce: announce)
        delivery = DeliveryService(
            groupCommit: groupCommit,
            commitTogether: CommitTogether(
                pool: pool, settlers: settlers, settlementGrace: options.settlementGrace, logger: logger,
                announce: announce),
            staging: Staging(pool: pool), settlements: Settlements(pool: pool),
            receiptMemory: options.receiptMemory)
        ledger = LedgerService(pool: pool)
        mailStore = MailStoreService(pool: pool, mailboxLimit: options.mailboxLimit, announce: announce)
        upkeep = Upkeep(
            pool: pool, grace: options.contentGrace, receiptAge: options.receiptAge,
            receiptMemory: options.receiptMemory, ledgerDays: options.ledgerDays, logger: logger)
    }

    /// Brings the schema up to date, once PostgreSQL is there. Throws only when the schema cannot be used.
    func prepareSchema(logger: Logger) async throws {
        while true {
            do {
                let applied = try await pool.withConnection(deadline: .now + .seconds(60)) { connection in
                    try await Schema.apply(on: connection)
                }
                for migration in applied { logger.notice("migrated", metadata: ["migration": "\(migration)"]) }
                return
            } catch let error as DatabaseError where error.isRetryable {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Works until `close()` was called and all that waited is done.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            let background = Task.detached(priority: .background) { [pool, upkeep] in
                async let availability: Void = pool.keepAvailable()
                async let removal: Void = upkeep.run(every: .seconds(60))
                _ = await (availability, removal)
            }
            group.addTask { await self.groupCommit.run() }
            group.addTask { await self.resolver.run() }
            await group.waitForAll()
            background.cancel()
            await background.value
        }
        await pool.close()
    }

    /// Takes no more work; `run()` ends when what is in hand is done.
    func close() {
        groupCommit.close()
        resolver.close()
    }
}
