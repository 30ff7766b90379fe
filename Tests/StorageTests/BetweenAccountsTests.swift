import Contracts
import Messaging
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    /// Copies or moves from one account to another.
    func copy(
        _ source: (account: Int64, mailbox: Int64), _ uids: [UInt32], to target: (account: Int64, name: String),
        by user: Int64, move: Bool = false
    ) async throws -> CopyReply {
        try await mailStore.copy(
            CopyRequest.with {
                $0.accountID = source.account
                $0.mailboxID = source.mailbox
                $0.uids = uids
                $0.toAccountID = target.account
                $0.toMailboxName = target.name
                $0.userID = user
                $0.move = move
            }, CallContext(timeout: .seconds(30)))
    }

    /// Whether each account uses what its messages add up to.
    func expectUsageAddsUp() async throws {
        let wrong = try await database.query(
            """
            SELECT count(*) FROM directory.accounts a
            LEFT JOIN (SELECT account_id, count(*) AS messages, sum(size) AS octets FROM mail.messages GROUP BY 1) m
                USING (account_id)
            WHERE a.used_messages <> coalesce(m.messages, 0) OR a.used_octets <> coalesce(m.octets, 0)
            """)
        #expect(wrong == "0")
    }
}

/// Messages that go from one account to another.
@Suite("Between accounts", .timeLimit(.minutes(3)))
struct BetweenAccountsTests {
    @Test("a copy is charged to who has it, and takes the flags only that its user may set there")
    func copies() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", messages: 3)
            let bob = try await storage.account("bob@example.test")
            let inbox = try await storage.deliver(to: bob, flags: ["\\Seen", "\\Deleted", "\\Flagged", "word"])
                .mailboxID
            let source = (account: bob, mailbox: inbox)
            var reply = try await storage.copy(source, [1, 1], to: (alice, "Sent"), by: bob)
            #expect(reply.outcome == .noSuchMailbox)
            _ = try await storage.give("lrswt", to: "bob@example.test", on: "Sent", of: alice)
            reply = try await storage.copy(source, [1, 1], to: (alice, "Sent"), by: bob)
            #expect(reply.outcome == .noPermission)
            _ = storage.changes.take()
            for (rights, flags, keywords) in [
                ("lrsi", UInt64(1), []), ("lti", 8, []), ("lwi", 4 | 256, ["word"]),
            ] as [(String, UInt64, [String])] {
                _ = try await storage.give(rights, to: "bob@example.test", on: "Sent", of: alice)
                reply = try await storage.copy(source, [1, 1], to: (alice, "Sent"), by: bob)
                #expect(reply.outcome == .done && reply.sourceUids == [1])
                #expect(try await storage.view(alice, "Sent").entries.last?.flags == flags)
                #expect(try await storage.mailbox(alice, "Sent")?.keywords == keywords)
            }
            #expect(storage.changes.take().filter { !$0.hierarchy }.map(\.accountID) == [alice, alice, alice])
            try await storage.expectUsageAddsUp()
            reply = try await storage.copy(source, [1, 1], to: (alice, "Sent"), by: bob)
            #expect(reply.outcome == .overQuota)
            await #expect(throws: MessagingError.self) {
                try await storage.copy(source, [1, 1], to: (alice + 100, "Sent"), by: bob)
            }
        }
    }

    @Test("a move takes the message from one and charges the other, if he has room")
    func moves() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test", messages: 1)
            try await storage.deliver(to: alice)
            let inbox = try await storage.deliver(to: alice).mailboxID
            let source = (account: alice, mailbox: inbox)
            _ = try await storage.give("lrt", to: "bob@example.test", on: "INBOX", of: alice)
            #expect(
                try await storage.copy(source, [1, 1], to: (bob, "INBOX"), by: bob, move: true).outcome == .noPermission
            )
            _ = try await storage.give("+e", to: "bob@example.test", on: "INBOX", of: alice)
            _ = storage.changes.take()
            let reply = try await storage.copy(source, [1, 1], to: (bob, "INBOX"), by: bob, move: true)
            #expect(reply.outcome == .done && reply.sourceUids == [1] && reply.targetUids == [1])
            #expect(Set(storage.changes.take().map(\.accountID)) == [alice, bob])
            let left = try await storage.view(alice, "INBOX", since: 1)
            #expect(left.vanished == [1, 1] && left.mailbox?.highestModseq == reply.sourceModseq)
            #expect(try await storage.octets(bob, reply.toMailboxID, 1) != nil)
            try await storage.expectUsageAddsUp()
            #expect(
                try await storage.copy(source, [2, 2], to: (bob, "INBOX"), by: bob, move: true).outcome == .overQuota)
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [2])
        }
    }

    @Test("many at once, in both directions, never wait for each other without end")
    func manyAtOnce() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            var inboxes: [Int64: Int64] = [:]
            for account in [alice, bob] {
                for _ in 1...12 { inboxes[account] = try await storage.deliver(to: account).mailboxID }
            }
            _ = try await storage.give("lrite", to: "anyone", on: "INBOX", of: alice)
            _ = try await storage.give("lrite", to: "anyone", on: "INBOX", of: bob)
            let boxes = inboxes
            try await withThrowingTaskGroup(of: Int.self) { group in
                for uid in UInt32(1)...12 {
                    for (from, to) in [(alice, bob), (bob, alice)] {
                        group.addTask {
                            let reply = try await storage.copy(
                                (from, boxes[from] ?? 0), [uid, uid], to: (to, "INBOX"), by: to, move: uid % 2 == 0)
                            #expect(reply.outcome == .done)
                            return reply.sourceUids.count
                        }
                        // Deliveries to both at the same time.
                        group.addTask {
                            try await storage.commit("A: b\r\n\r\n", [.store(to), .store(from)]).count
                        }
                    }
                }
                for try await _ in group {}
            }
            try await storage.expectUsageAddsUp()
            #expect(
                try await storage.database.query(
                    "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == "0")
            // 12 each to begin with, 12 that came from the other one, without the 6 that left, and 24 deliveries.
            for account in [alice, bob] {
                #expect(try await storage.view(account, "INBOX").entries.count == 12 + 12 - 6 + 24)
            }
        }
    }

    @Test("what somebody puts into a mailbox that is not his own needs i, at the moment when it is stored")
    func appends() async throws {
        try await withStorage(adjust: { $0.settlementGrace = .milliseconds(50) }) { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            var disposition = Disposition.store(alice, "Sent").known(as: "by bob")
            disposition.store.userID = bob
            let text = "A: b\r\n\r\nbody"
            #expect(try await storage.commit(text, [disposition]).map(\.outcome) == [.noSuchMailbox])
            _ = try await storage.give("lrswpkxtea", to: "bob@example.test", on: "Sent", of: alice)
            #expect(try await storage.commit(text, [disposition]).map(\.outcome) == [.noSuchMailbox])
            _ = try await storage.give("i", to: "bob@example.test", on: "Sent", of: alice)
            let first = try await storage.commit(text, [disposition], connection: .next(), entrance: .append)
            #expect(first.map(\.outcome) == [.done])
            // The reply was lost, and it comes again.
            let again = try await storage.commit(text, [disposition], connection: .next(), entrance: .append)
            #expect(again.map(\.uid) == first.map(\.uid))
            #expect(try await storage.view(alice, "Sent").entries.count == 1)
            try await storage.expectUsageAddsUp()
            _ = try await storage.give("", to: "bob@example.test", on: "Sent", of: alice)
            #expect(try await storage.commit(text, [disposition]).map(\.outcome) == [.noSuchMailbox])
            #expect(try await storage.database.query("SELECT count(*) FROM mail.released_contents") == "1")
        }
    }

    @Test("a message takes another's place when its user may delete the one and insert the other")
    func replacement() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let hers = try await storage.deliver(to: alice).mailboxID
            let his = try await storage.deliver(to: bob).mailboxID
            func replace(
                _ removal: (account: Int64, mailbox: Int64), _ target: Int64
            ) async throws -> [CommitOutcome] {
                var disposition = Disposition.store(target, "Sent")
                if target != bob { disposition.store.userID = bob }
                var (request, payload) = storage.together([("A: new\r\n\r\n", [disposition])])
                request.removal = .with {
                    $0.accountID = removal.account
                    $0.mailboxID = removal.mailbox
                    $0.uid = 1
                    if removal.account != bob { $0.userID = bob }
                }
                return try await storage.delivery.commit(
                    request, payload: payload, CallContext(transaction: .next(), timeout: .seconds(20))
                ).results.map(\.outcome)
            }
            #expect(try await replace((alice, hers), bob) == [.noSuchMailbox])
            #expect(try await replace((bob, his), alice) == [.noSuchMailbox])
            _ = try await storage.give("lrt", to: "bob@example.test", on: "INBOX", of: alice)
            #expect(try await replace((alice, hers), bob) == [.noSuchMailbox])
            _ = try await storage.give("+e", to: "bob@example.test", on: "INBOX", of: alice)
            _ = try await storage.give("i", to: "bob@example.test", on: "Sent", of: alice)
            #expect(try await replace((alice, hers), bob) == [.done])
            #expect(try await replace((bob, his), alice) == [.done])
            for account in [alice, bob] {
                #expect(try await storage.view(account, "INBOX").entries.isEmpty)
                #expect(try await storage.view(account, "Sent").entries.count == 1)
            }
            try await storage.expectUsageAddsUp()
        }
    }
}
