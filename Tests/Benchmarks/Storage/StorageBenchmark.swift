import Contracts
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Storage

/// How many messages a second the commit path makes durable, with nothing but PostgreSQL behind it.
///
///     MARTLET_BENCHMARK="messages=20000 octets=4096 concurrency=50 accounts=10 writers=2" \
///         swift test -c release -Xswiftc -enable-testing --filter StorageBenchmark
///
/// It starts a private cluster with `fsync` on, commits through the `Delivery` contract, and prints for each round the
/// rate, the CPU time of PostgreSQL and of this process for a message, and the log that PostgreSQL wrote.
@Suite("Storage benchmark", .serialized, .enabled(if: ProcessInfo.processInfo.environment["MARTLET_BENCHMARK"] != nil))
struct StorageBenchmark {
    @Test("commits")
    func commits() async throws {
        let words = (ProcessInfo.processInfo.environment["MARTLET_BENCHMARK"] ?? "").split(separator: " ")
        func argument(_ name: String, _ fallback: Int) -> Int {
            words.first { $0.hasPrefix(name + "=") }.flatMap { Int($0.dropFirst(name.count + 1)) } ?? fallback
        }
        let (messages, octets) = (argument("messages", 20_000), argument("octets", 4096))
        let (concurrency, accounts) = (argument("concurrency", 50), argument("accounts", 10))

        let cluster = try await PostgreSQLCluster.separate(isDurable: true)
        let database = try await cluster.database()
        var options = StorageEngine.Options(connectionString: database.connectionString())
        options.writers = argument("writers", options.writers)
        options.batch.companyCount = argument("company", options.batch.companyCount)
        let logger = Logger(label: "benchmark")
        let engine = StorageEngine(options, logger: logger, announce: { _ in })
        let running = Task { await engine.run() }
        try await engine.prepareSchema(logger: logger)
        _ = try await engine.directory.addDomain(AddDomainRequest.with { $0.name = "example.test" }, CallContext())
        var identifiers: [Int64] = []
        for index in 0..<accounts {
            let request = AddAccountRequest.with { $0.address = "user\(index)@example.test" }
            identifiers.append(try await engine.directory.addAccount(request, CallContext()).account.accountID)
        }
        let message = Message(octets: octets)
        for round in 0...3 {
            // The first round warms up.
            let count = round == 0 ? messages / 10 : messages
            let before = try await Usage(database)
            let started = ContinuousClock.now
            try await commit(count, message, to: identifiers, concurrency, engine)
            let elapsed = ContinuousClock.now - started
            let used = try await Usage(database).since(before)
            let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
            let rate = Double(count) / seconds
            print(
                "\(round == 0 ? "warm-up" : "round \(round)"): \(Int(rate)) messages/s;",
                "PostgreSQL \(used.serverMicroseconds / count) µs, this process \(used.ownMicroseconds / count) µs,",
                "log \(used.logOctets / count) octets a message; \(used.transactions) transactions")
        }
        engine.close()
        await running.value
    }

    private func commit(
        _ count: Int, _ message: Message, to accounts: [Int64], _ concurrency: Int, _ engine: StorageEngine
    ) async throws {
        let next = Shared()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<concurrency {
                group.addTask {
                    while case let number = next.take(), number < count {
                        let request = message.request(to: accounts[number % accounts.count])
                        let reply = try await engine.delivery.commit(
                            request, payload: message.payload, CallContext(timeout: .seconds(60)))
                        guard reply.results.first?.outcome == .done else { throw MessagingError(.failed, "\(reply)") }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private final class Shared: Sendable {
        private let number = Mutex(0)
        func take() -> Int {
            number.withLock { number in
                defer { number += 1 }
                return number
            }
        }
    }
}

/// A message as content processing hands it over.
struct Message: Sendable {
    let payload: [ByteBuffer]
    private let content: MessageContent

    init(octets: Int) {
        let prefix = ByteBuffer(string: "Return-Path: <a@example.test>\r\nReceived: from client by server; now\r\n")
        let header = ByteBuffer(
            string: (0..<8).map { "X-Field-\($0): \(String(repeating: "value ", count: 8))\r\n" }.joined() + "\r\n")
        var body = ByteBuffer()
        while body.readableBytes < octets - header.readableBytes {
            body.writeString(String(UInt64.random(in: 0...UInt64.max), radix: 36) + "\r\n")
        }
        payload = [prefix, header, body]
        var content = MessageContent()
        content.headerOctets = Int64(header.readableBytes)
        content.bodyOctets = Int64(body.readableBytes)
        content.digest = .init(repeating: 7, count: 32)
        content.envelope = .init(repeating: 65, count: 350)
        content.bodyStructure = .init(repeating: 66, count: 120)
        content.body = .init(repeating: 67, count: 90)
        content.mimeIndex = .init(repeating: 68, count: 60)
        content.messageID = "<\(UInt64.random(in: 0...UInt64.max))@example.test>"
        self.content = content
    }

    func request(to account: Int64) -> CommitRequest {
        var request = CommitRequest()
        request.content = content
        request.dispositions = [
            Disposition.with {
                $0.store.accountID = account
                $0.store.mailboxName = "INBOX"
                $0.store.internalDate = 1_700_000_000_000_000
                $0.store.fallBackToInbox = true
            }
        ]
        return request
    }
}

/// CPU time and log so far.
struct Usage {
    private(set) var serverMicroseconds = 0
    private(set) var ownMicroseconds = 0
    private(set) var logOctets = 0
    private(set) var transactions = 0

    init(_ database: PostgreSQLDatabase) async throws {
        logOctets = Int(try await database.query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")) ?? 0
        transactions = Int(try await database.query("SELECT pg_current_xact_id()")) ?? 0
        let postmaster = try String(
            contentsOfFile: "\(database.cluster.directory)/data/postmaster.pid", encoding: .utf8
        )
        .split(separator: "\n").first.map(String.init)
        for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            guard let stat = try? String(contentsOfFile: "/proc/\(entry)/stat", encoding: .utf8),
                let fields = stat.split(separator: ")").last?.split(separator: " "), fields.count > 13
            else { continue }
            let ticks = (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
            if entry == postmaster || String(fields[1]) == postmaster { serverMicroseconds += ticks * 10_000 }
        }
        var usage = rusage()
        getrusage(.init(RUSAGE_SELF.rawValue), &usage)
        ownMicroseconds =
            (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000
            + Int(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    }

    func since(_ earlier: Usage) -> Usage {
        var difference = self
        difference.serverMicroseconds -= earlier.serverMicroseconds
        difference.ownMicroseconds -= earlier.ownMicroseconds
        difference.logOctets -= earlier.logOctets
        difference.transactions -= earlier.transactions
        return difference
    }
}
