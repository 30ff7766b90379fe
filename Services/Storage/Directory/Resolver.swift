import Contracts
import Database
import Messaging

/// Resolves addresses, those that wait at the same time with one look-up: RCPT is the most frequent question of all.
final class Resolver: Sendable {
    private let queue = BatchQueue<[String], [ResolveReply.Resolution]>(
        .init(
            batchCount: 256, batchOctets: 256 * 1024, companyCount: 32, waitingCount: 10_000,
            waitingOctets: 16 * 1024 * 1024))
    private let configuration: ConnectionConfiguration
    private let workers: Int

    /// Each worker has a connection of its own.
    init(_ configuration: ConnectionConfiguration, workers: Int) {
        self.configuration = configuration
        self.workers = workers
    }

    private static let domains = Statement("SELECT name FROM directory.domains WHERE name = ANY ($1::text[])")
    private static let accounts = Statement(
        """
        SELECT address, account_id, disabled,
            quota_octets > 0 AND used_octets >= quota_octets OR quota_messages > 0 AND used_messages >= quota_messages
        FROM directory.accounts WHERE address = ANY ($1::text[])
        """)
    private static let aliases = Statement(
        "SELECT address, target FROM directory.aliases WHERE address = ANY ($1::text[]) ORDER BY address, target")

    func resolve(_ addresses: [String], deadline: ContinuousClock.Instant) async throws -> [ResolveReply.Resolution] {
        try await queue.submit(
            addresses, octets: addresses.reduce(0) { $0 + $1.utf8.count }, deadline: deadline)
    }

    /// Works until `close()`.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<workers {
                let connection = DatabaseConnection(configuration)
                group.addTask(executorPreference: connection.taskExecutor) { await self.work(on: connection) }
            }
        }
    }

    func close() { queue.close() }

    private func work(on connection: isolated DatabaseConnection) async {
        await queue.work(on: connection) { connection, batch in resolve(batch, on: connection) }
    }

    private func resolve(
        _ batch: [BatchQueue<[String], [ResolveReply.Resolution]>.Entry], on connection: isolated DatabaseConnection
    ) {
        do {
            try connection.connect()
            var resolutions = batch.flatMap { $0.request.map(Resolution.init) }
            while true {
                let keys = Resolution.keys(of: resolutions)
                if keys.domains.isEmpty { break }
                let excerpt = try lookUp(keys, on: connection)
                for index in resolutions.indices where !resolutions[index].pending.isEmpty {
                    resolutions[index].advance(with: excerpt)
                }
            }
            var rest = resolutions[...]
            for entry in batch {
                entry.succeed(rest.prefix(entry.request.count).map(\.reply))
                rest = rest.dropFirst(entry.request.count)
            }
        } catch {
            let error: any Error = (error as? DatabaseError).map { MessagingError($0) } ?? error
            for entry in batch { entry.fail(error) }
        }
    }

    private func lookUp(
        _ keys: (names: [String], domains: [String]), on connection: isolated DatabaseConnection
    ) throws -> DirectoryExcerpt {
        let results = try connection.run(
            [Self.domains(keys.domains), Self.accounts(keys.names), Self.aliases(keys.names)])
        var excerpt = DirectoryExcerpt()
        for row in results[0] { excerpt.domains.insert(try row.decode(0, as: String.self)) }
        for row in results[1] {
            let (address, accountID, isDisabled, isOverQuota) = try row.decode(
                String.self, Int64.self, Bool.self, Bool.self)
            excerpt.accounts[address] = .init(accountID: accountID, isDisabled: isDisabled, isOverQuota: isOverQuota)
        }
        for row in results[2] {
            let (address, target) = try row.decode(String.self, String.self)
            excerpt.aliases[address, default: []].append(target)
        }
        return excerpt
    }
}
