import Contracts
import Database
import Logging
import Messaging

/// Writes messages in batches, several writers with a connection each: while one batch commits the next gathers.
///
/// A batch that fails is run again message by message, so that a bad message fails alone. When the connection dies in
/// the commit nobody knows whether it happened: the batch is run again on the next connection, as long as its callers
/// wait, and the receipts tell what had already happened.
final class GroupCommit: Sendable {
    /// Runs of commits, and what came of each commit.
    typealias Queue = BatchQueue<[PreparedCommit], [CommitRounds.Result]>

    private let queue: Queue
    private let configuration: ConnectionConfiguration
    private let writers: Int
    private let settlers: Settlers
    private let settlementGrace: Duration
    private let logger: Logger
    private let announce: @Sendable (MailboxChanged) -> Void

    init(
        _ configuration: ConnectionConfiguration, writers: Int, settlers: Settlers, settlementGrace: Duration,
        limits: Queue.Limits, logger: Logger,
        announce: @escaping @Sendable (MailboxChanged) -> Void
    ) {
        self.configuration = configuration
        self.writers = writers
        self.settlers = settlers
        self.settlementGrace = settlementGrace
        self.logger = logger
        self.announce = announce
        queue = BatchQueue(limits)
    }

    /// Waits until the message is durable.
    ///
    /// A receipt that another connection left for one of its deliveries may be about to be settled: the client may have
    /// read that reply, ended that connection, and be sending the same again on purpose. So the commit is tried once more
    /// when every settlement is written that was under way then, and only a receipt that is still in doubt stands for the
    /// delivery. `settlementGrace` is what the end of a connection may take from the client to us.
    func commit(_ commit: PreparedCommit, deadline: ContinuousClock.Instant) async throws -> CommitReply {
        guard let only = try await self.commit(each: [commit], deadline: deadline).first else {
            throw MessagingError(.failed, "a commit without an outcome")
        }
        return only
    }

    /// Commits of one connection, each for itself, in their order. The first that failed is thrown; others may be durable.
    func commit(each commits: [PreparedCommit], deadline: ContinuousClock.Instant) async throws -> [CommitReply] {
        var outcomes = try await submit(commits, deadline)
        let doubtful = outcomes.indices.filter { outcomes[$0].isInDoubt }
        guard let last = doubtful.last else { return outcomes.map(\.reply) }
        try await Task.sleep(for: settlementGrace)
        try await settlers.allTold(
            of: commits[last].origin.received.advanced(by: settlementGrace), deadline: deadline)
        var again = doubtful.map { commits[$0] }
        for index in again.indices { again[index].absorbsRepetitions = true }
        for (index, outcome) in zip(doubtful, try await submit(again, deadline)) { outcomes[index] = outcome }
        return outcomes.map(\.reply)
    }

    private func submit(
        _ commits: [PreparedCommit], _ deadline: ContinuousClock.Instant
    ) async throws -> [CommitBatch.Outcome] {
        let results = try await queue.submit(
            commits, count: commits.count, octets: commits.reduce(0) { $0 + $1.octets }, deadline: deadline)
        return try results.map { try $0.get() }
    }

    /// Works until `close()` and everything is done.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<writers {
                let connection = DatabaseConnection(configuration)
                group.addTask(executorPreference: connection.taskExecutor) { await self.write(on: connection) }
            }
        }
    }

    func close() { queue.close() }

    private func write(on connection: isolated DatabaseConnection) async {
        var identifiers = ContentIdentifiers()
        await queue.work(on: connection) { connection, batch in
            let entries = batch.filter { entry in
                let isLate = entry.deadline < .now
                if isLate { entry.fail(MessagingError(.deadlineExceeded, "the commit did not begin in time")) }
                return !isLate
            }
            let deadline = entries.map(\.deadline).max() ?? .now
            var rounds = CommitRounds(entries.map(\.request))
            while true {
                let round = rounds.next()
                if round.isEmpty { break }
                let results: [CommitRounds.Result]
                var changes: [MailboxChanged] = []
                do {
                    let found = try await commitOnce(
                        round.map { rounds[$0] }, until: deadline, on: connection, &identifiers)
                    results = found.outcomes.map { .success($0) }
                    changes = found.changes
                } catch let error as DatabaseError where round.count > 1 && !error.isUnavailable {
                    logger.info(
                        "batch failed, its messages go one by one",
                        metadata: ["messages": "\(round.count)", "reason": "\(error)"])
                    rounds.split(round)
                    continue
                } catch let error as DatabaseError {
                    if !error.isUnavailable { logger.error("message not stored", metadata: ["reason": "\(error)"]) }
                    results = round.map { _ in .failure(MessagingError(error)) }
                } catch {
                    results = round.map { _ in .failure(error) }
                }
                for (run, results) in rounds.finish(round, results) { entries[run].succeed(results) }
                for change in changes { announce(change) }
            }
        }
    }

    /// Makes one transaction of the commits, or throws and has done none.
    ///
    /// While PostgreSQL cannot be reached it fails at once. But once a connection was lost with the transaction on its
    /// way, it tries until it knows the outcome, or nobody waits for it any more.
    private func commitOnce(
        _ commits: [PreparedCommit], until deadline: ContinuousClock.Instant,
        on connection: isolated DatabaseConnection, _ identifiers: inout ContentIdentifiers
    ) async throws -> (outcomes: [CommitBatch.Outcome], changes: [MailboxChanged]) {
        let newContents = commits.count { $0.content != nil }
        var contentIDs: [Int64]?
        var conflicts = 0
        var wasLost = false
        var hasMadePartitions = false
        while true {
            do {
                try connection.connect()
                let taken: [Int64]
                if let contentIDs {
                    taken = contentIDs
                } else {
                    taken = try identifiers.take(newContents, on: connection)
                    contentIDs = taken
                }
                let batch = CommitBatch(commits, contentIDs: taken)
                return try batch.outcomes(try connection.run(batch.commands))
            } catch let error as DatabaseError where error.isUnavailable {
                guard wasLost || error.code != .cannotConnect, ContinuousClock.now < deadline else { throw error }
                if !wasLost {
                    logger.notice("connection lost in a commit, running it again", metadata: ["reason": "\(error)"])
                } else {
                    try await Task.sleep(for: .milliseconds(100))
                }
                wasLost = true
                // A server that turned read-only, or shuts down, may be another one next time.
                connection.close()
            } catch let error as DatabaseError where error.fault == .concurrency && conflicts < 3 {
                conflicts += 1
            } catch let error as DatabaseError where error.code == .checkViolation && !hasMadePartitions {
                // The ledger has no partition for today: the clock has jumped, or nobody made it ahead.
                hasMadePartitions = true
                try connection.run(LedgerPartitions.make())
            }
        }
    }
}

/// Ids for new contents, from blocks that PostgreSQL's sequence gives out.
struct ContentIdentifiers {
    /// As `INCREMENT BY` in the sequence's definition.
    static let blockSize: Int64 = 1024
    private static let nextBlock = Statement("SELECT nextval('mail.content_ids')")
    private var unused: Range<Int64> = 0..<0

    mutating func take(_ count: Int, on connection: isolated DatabaseConnection) throws -> [Int64] {
        var taken: [Int64] = []
        taken.reserveCapacity(count)
        while taken.count < count {
            if unused.isEmpty {
                let first = try connection.run(Self.nextBlock()).first?.decode(0, as: Int64.self) ?? 0
                unused = first..<first + Self.blockSize
            }
            taken.append(unused.lowerBound)
            unused = unused.lowerBound + 1..<unused.upperBound
        }
        return taken
    }
}
