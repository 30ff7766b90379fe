import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Storage

/// A message that takes another's place in one transaction (RFC 8508), against the real database.
@Suite("A message that replaces another", .timeLimit(.minutes(3)))
struct ReplacingTests {
    private func quick(_ options: inout StorageEngine.Options) {
        options.settlementGrace = .milliseconds(50)
    }

    /// Commits one message that replaces another, or several.
    private func replace(
        _ storage: StorageFixture, _ removal: (account: Int64, mailbox: Int64, uid: UInt32),
        _ disposition: Disposition..., text: String = "A: new\r\n\r\n", transaction: TransactionID = .next(),
        connection: TransactionID? = nil
    ) async throws -> [CommitReply.Result] {
        var (request, payload) = storage.together([(text: text, dispositions: disposition)])
        request.removal = .with {
            $0.accountID = removal.account
            $0.mailboxID = removal.mailbox
            $0.uid = removal.uid
        }
        if let connection { request.origin.connectionID = .init(connection.octets) }
        return try await storage.delivery.commit(
            request, payload: payload, CallContext(transaction: transaction, timeout: .seconds(20))
        ).results
    }

    @Test("comes and the other goes, in one mailbox", arguments: [[], ["\\Seen"], ["\\Deleted"]])
    func oneMailbox(flags: [String]) async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.deliver(to: alice).mailboxID
            try await storage.deliver(to: alice, flags: flags)
            let before = try await storage.view(alice, "INBOX")
            _ = storage.changes.take()
            let results = try await replace(storage, (alice, inbox, 2), .store(alice, flags: ["\\Draft"]))
            #expect(results.map(\.outcome) == [.done] && results.map(\.uid) == [3])
            let after = try await storage.view(alice, "INBOX", since: before.mailbox?.highestModseq ?? 0)
            #expect(after.vanished == [2, 2] && after.entries.map(\.uid) == [3])
            let mailbox = try #require(try await storage.mailbox(alice, "INBOX"))
            #expect(mailbox.messageCount == 2 && mailbox.unseenCount == 2 && mailbox.deletedCount == 0)
            #expect(storage.changes.take().map(\.highestModseq).max() == mailbox.highestModseq)
            try await storage.expectUsageAddsUp()
            // What went is released, what came is not.
            #expect(
                try await storage.database.query("SELECT sum(cardinality(content_ids)) FROM mail.released_batches")
                    == "1")
        }
    }

    @Test("goes to another mailbox than it leaves, and both are announced")
    func twoMailboxes() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.deliver(to: alice).mailboxID
            _ = try await storage.mailStore.createMailbox(
                .with {
                    $0.accountID = alice
                    $0.name = "Other"
                }, CallContext())
            _ = storage.changes.take()
            let results = try await replace(storage, (alice, inbox, 1), .store(alice, "Other"))
            #expect(results.map(\.outcome) == [.done])
            #expect(try await storage.view(alice, "INBOX").entries.isEmpty)
            #expect(try await storage.view(alice, "Other").entries.map(\.uid) == [1])
            #expect(Set(storage.changes.take().map(\.mailboxID)) == [inbox, results[0].mailboxID])
        }
    }

    @Test("counts against the quota without the other")
    func quota() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", octets: 200, messages: 1)
            let inbox = try await storage.deliver("A: b\r\n\r\n" + String(repeating: "x", count: 150), to: alice)
            let beside = try await storage.commitTogether([("A: c\r\n\r\n", [.store(alice)])])
            #expect(beside.map(\.outcome) == [.overQuota])
            let same = "A: c\r\n\r\n" + String(repeating: "x", count: 150)
            #expect(
                try await replace(storage, (alice, inbox.mailboxID, 1), .store(alice), text: same).map(\.outcome)
                    == [.done])
            // What is too large even so leaves the other where it is.
            let large = "A: d\r\n\r\n" + String(repeating: "x", count: 250)
            #expect(
                try await replace(storage, (alice, inbox.mailboxID, 2), .store(alice), text: large).map(\.outcome)
                    == [.overQuota])
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [2])
        }
    }

    @Test("is not stored when the other is not there, nor does the other go when it cannot be stored")
    func refusals() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let inbox = try await storage.deliver(to: alice).mailboxID
            let his = try await storage.deliver(to: bob).mailboxID
            for (mailbox, uid) in [(inbox, UInt32(2)), (inbox + 1000, 1), (his, 1)] {
                let results = try await replace(storage, (alice, mailbox, uid), .store(alice))
                #expect(results.map(\.outcome) == [.noSuchMessage])
            }
            let nowhere = try await replace(storage, (alice, inbox, 1), .store(alice, "nothing"))
            #expect(nowhere.map(\.outcome) == [.noSuchMailbox])
            await #expect(throws: MessagingError.self) { try await replace(storage, (bob, his, 1), .store(alice)) }
            await #expect(throws: MessagingError.self) { try await replace(storage, (alice, inbox, 0), .store(alice)) }
            await #expect(throws: MessagingError.self) {
                try await replace(storage, (alice, inbox, 1), .enqueue("x@example.com"))
            }
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [1])
            #expect(try await storage.view(bob, "INBOX").entries.map(\.uid) == [1])
            #expect(try await storage.database.query("SELECT count(*) FROM mail.receipts") == "2")
        }
    }

    @Test("repeated on another connection, when the other has gone, is not stored again")
    func repetition() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.deliver(to: alice).mailboxID
            let transaction = TransactionID.next()
            let disposition = Disposition.store(alice).known(as: "replacement")
            let first = try await replace(
                storage, (alice, inbox, 1), disposition, transaction: transaction, connection: .next())
            #expect(first.map(\.uid) == [2])
            // By a client that did not read the reply, by messaging that did not, and by somebody else's replacement.
            let other = try await replace(storage, (alice, inbox, 1), disposition, connection: .next())
            #expect(other.map(\.uid) == [2] && Array(other[0].copyID) == transaction.octets)
            let again = try await replace(
                storage, (alice, inbox, 1), disposition, transaction: transaction, connection: .next())
            #expect(again.map(\.uid) == [2])
            let different = Disposition.store(alice).known(as: "another replacement")
            #expect(
                try await replace(storage, (alice, inbox, 1), different, connection: .next()).map(\.outcome)
                    == [.noSuchMessage])
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [2])
            #expect(try await storage.database.query("SELECT used_messages FROM directory.accounts") == "1")
        }
    }

    @Test("at the same moment as a second one: one of them does")
    func race() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.deliver(to: alice).mailboxID
            var uid: UInt32 = 1
            for round in 0..<20 {
                let outcomes = try await withThrowingTaskGroup(of: CommitReply.Result.self) { group in
                    for number in 0..<4 {
                        let removal = (account: alice, mailbox: inbox, uid: uid)
                        group.addTask {
                            try await replace(
                                storage, removal, .store(alice).known(as: "\(round) \(number)"), connection: .next())[0]
                        }
                    }
                    return try await group.reduce(into: [CommitReply.Result]()) { $0.append($1) }
                }
                #expect(outcomes.count { $0.outcome == .done } == 1)
                #expect(outcomes.count { $0.outcome == .noSuchMessage } == 3)
                uid = outcomes.map(\.uid).max() ?? 0
            }
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [21])
        }
    }
}
