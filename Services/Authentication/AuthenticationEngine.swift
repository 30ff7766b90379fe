import Database
import Logging
import Messaging

/// All that authentication is, without the process around it: what the tests build too.
final class AuthenticationEngine: Sendable {
    struct Options: Sendable {
        var connections = 4
        var iterations = 10_000
        var threads = 2
        var waitingLimit = 512
        var remembered = Duration.seconds(600)
        var allowsCleartext = false
        var exchangeLifetime = Duration.seconds(120)
        var throttle = ThrottlePolicy()
    }

    let sasl: SaslService
    let accounts: AccountsService
    let workers: PasswordWorkers
    private let pool: ConnectionPool
    private let throttle: Throttle
    private let logger: Logger

    /// - Parameter secret: shared by all replicas and nobody else; exchanges are sealed with it.
    init(
        connectionString: String, secret: [UInt8], options: Options, logger: Logger,
        onAvailabilityChange: @escaping @Sendable (ConnectionPool.Availability) -> Void = { _ in }
    ) {
        let configuration = ConnectionConfiguration(
            connectionString: connectionString, applicationName: "authentication", statementTimeout: .seconds(10))
        pool = ConnectionPool(
            configuration, size: options.connections, onAvailabilityChange: onAvailabilityChange)
        self.logger = logger
        let store = CredentialStore(pool: pool)
        workers = PasswordWorkers(threads: options.threads, waitingLimit: options.waitingLimit)
        throttle = Throttle(pool: pool, policy: options.throttle)
        sasl = SaslService(
            store: store, throttle: throttle,
            checker: PasswordChecker(
                workers: workers, recent: RecentPasswords(lifetime: options.remembered)),
            unknown: UnknownNames(secret: secret, iterations: options.iterations),
            seal: ExchangeSeal(secret: secret, lifetime: options.exchangeLifetime),
            allowsCleartext: options.allowsCleartext, logger: logger)
        accounts = AccountsService(
            store: store, workers: workers, iterations: options.iterations, logger: logger)
    }

    /// Brings the schema up to date, as soon as PostgreSQL is there.
    func prepareSchema() async throws {
        while true {
            do {
                let applied = try await pool.withConnection(deadline: .now + .seconds(60)) { connection in
                    try await Schema.migrator.apply(on: connection)
                }
                for migration in applied { logger.notice("migrated", metadata: ["migration": "\(migration)"]) }
                return
            } catch let error as DatabaseError where error.isRetryable || error.isUnavailable {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Notices PostgreSQL's coming and going, and forgets old failures, until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.pool.keepAvailable() }
            group.addTask { await self.throttle.forgetOldFailures(every: .seconds(300)) }
        }
        await pool.close()
    }
}
