import Contracts
import Messaging
import TestSupport
import Testing

@testable import Storage

/// The record of what happened to each transaction.
@Suite("The ledger", .timeLimit(.minutes(2)))
struct LedgerTests {
    private func trace(
        _ storage: StorageFixture, _ fill: (inout TraceRequest) -> Void
    ) async throws -> [LedgerEntry] {
        var request = TraceRequest()
        fill(&request)
        return try await storage.engine.ledger.trace(request, CallContext()).entries
    }

    @Test("tells the story of a message that was repeated after a lost reply, by any of its names")
    func story() async throws {
        try await withStorage(adjust: { $0.settlementGrace = .zero }) { storage in
            let alice = try await storage.account("alice@example.test")
            let (first, second, connection) = (TransactionID.next(), TransactionID.next(), TransactionID.next())
            let text = "Message-ID: <message@client.example>\r\n\r\ntext"
            let dispositions: [Disposition] = [.store(alice).known(as: "office@example.test")]
            _ = try await storage.commit(text, dispositions, transaction: first, connection: .next())
            let again = try await storage.commit(text, dispositions, transaction: second, connection: connection)
            _ = try await storage.settle(again, by: connection)
            for fill: (inout TraceRequest) -> Void in [
                { $0.transactionID = .init(first.octets) }, { $0.transactionID = .init(second.octets) },
                { $0.messageID = "message@client.example" }, { $0.messageID = "<message@client.example>" },
                { $0.address = "ALICE@example.test" }, { $0.address = "office@example.test" },
                { $0.address = "sender@client.example" }, { _ in },
            ] {
                let entries = try await trace(storage, fill)
                #expect(entries.map(\.event) == [.stored, .repeated, .settled])
                #expect(entries.map { Array($0.transactionID) } == [first.octets, second.octets, second.octets])
                let stored = try #require(entries.first)
                #expect(stored.account == "alice@example.test" && stored.mailbox == "INBOX" && stored.uid == 1)
                #expect(stored.reversePath == "sender@client.example" && stored.clientAddress == "192.0.2.1")
                #expect(Array(entries[1].firstID) == first.octets)
            }
            #expect(try await trace(storage) { $0.address = "bob@example.test" }.isEmpty)
            #expect(try await trace(storage) { $0.since = Int64.max / 2 }.isEmpty)
        }
    }

    @Test("says what was refused and what was queued")
    func outcomes() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let transaction = TransactionID.next()
            _ = try await storage.commit(
                "A: b\r\n\r\n", [.store(alice, "Nowhere"), .enqueue("x@example.com")], transaction: transaction)
            let entries = try await trace(storage) { $0.transactionID = .init(transaction.octets) }
            #expect(entries.map(\.event) == [.queued, .refused])
            #expect(entries.map(\.outcome) == [.unspecified, .noSuchMailbox])
            #expect(entries.first?.forwardPath == "x@example.com")
        }
    }

    @Test("has a partition made at once where one is missing, and no sender hears of it")
    func missingPartition() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let partitions = try await storage.database.query(
                "SELECT string_agg('DROP TABLE mail.' || relname, '; ') FROM pg_class WHERE relname ~ '^ledger_2[0-9]*$'"
            )
            try await storage.database.query(partitions)
            #expect(try await storage.deliver(to: alice).outcome == .done)
            #expect(try await storage.database.query("SELECT count(*) FROM mail.ledger") == "1")
        }
    }

    @Test("forgets days that are too long ago, by dropping their partitions")
    func oldPartitions() async throws {
        try await withStorage(adjust: { $0.ledgerDays = 3 }) { storage in
            try await storage.database.query(
                """
                CREATE TABLE mail.ledger_20200101 PARTITION OF mail.ledger
                FOR VALUES FROM ('2020-01-01Z') TO ('2020-01-02Z')
                """)
            try await storage.engine.upkeep.removeDue()
            #expect(try await storage.database.query("SELECT to_regclass('mail.ledger_20200101') IS NULL") == "t")
            #expect(try await storage.database.query("SELECT count(*) > 2 FROM pg_inherits") == "t")
        }
    }
}
