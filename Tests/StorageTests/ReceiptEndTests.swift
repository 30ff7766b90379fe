import Contracts
import Messaging
import NIOCore
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

/// How long a receipt stands: until it is settled, or expires.
extension ReceiptTests {
    @Test("that is settled while the repetition waits makes it a new message")
    func settledMeanwhile() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let connection = TransactionID.next()
            let now = Moment.now
            let first = try await storage.commit(text, one, connection: connection, received: now)
            _ = try await storage.settle([], by: connection, .told("front", now))
            let came = now.advanced(by: .seconds(1))
            async let second = storage.commit(text, one, connection: .next(), received: came, began: came)
            // What is left in doubt lets go of the content it came with.
            try await eventually("the repetition to wait") {
                try await storage.database.query("SELECT count(*) FROM mail.released_contents") == "1"
            }
            let told = SettlerProgress.told("front", now.advanced(by: .seconds(2)))
            #expect(try await storage.settle(first, by: connection, told).settled == 1)
            #expect(try await second[0].uid == 2)
        }
    }

    @Test("is not believed while the word of a front service may be on its way", arguments: [true, false])
    func underWay(isSettled: Bool) async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let connection = TransactionID.next()
            let now = Moment.now
            let first = try await storage.commit(text, one, connection: connection, received: now)
            _ = try await storage.settle([], by: connection, .told("one", now))
            _ = try await storage.settle([], by: connection, .told("two", now.advanced(by: .seconds(9))))
            let came = now.advanced(by: .seconds(1))
            async let second = storage.commit(text, one, connection: .next(), received: came, began: came)
            // It waits until the first front service has come so far as well, however long that takes.
            let begun = ContinuousClock.now
            while ContinuousClock.now - begun < Settlers.pause * 3 {
                let rows = try await storage.database.query("SELECT count(*) FROM mail.receipts")
                try #require(rows == "1")
            }
            _ = try await storage.settle(
                isSettled ? first : [], by: connection, .told("one", now.advanced(by: .seconds(2))))
            #expect(try await second[0].uid == (isSettled ? 2 : 1))
        }
    }

    @Test(
        "waits for what a front service has to tell, until it is silent for long while it could speak",
        arguments: [
            // Silent, asked for, and PostgreSQL reached so many seconds ago, the first on the same machine or another.
            (14.0, 1.0, 100.0, true, true), (16, 1, 100, true, false), (16, 1, 14, true, true),
            (90, 1, 16, true, false),
            (14, 14, 100, false, true), (1, 16, 100, false, false), (1, 16, 2, false, true), (16, 1, 100, false, false),
        ] as [(Double, Double, Double, Bool, Bool)])
    func silence(_ silent: Double, _ asked: Double, _ reached: Double, _ isHere: Bool, _ isAwaited: Bool) {
        let moment = Moment.now
        let now = ContinuousClock.now
        var said = moment.advanced(by: .seconds(-1))
        if !isHere { said = Moment(machine: moment.machine ^ 1, uptime: said.uptime, wallClock: said.wallClock) }
        func awaited(_ said: Moment) -> Bool {
            Settlers.Word(moment: said, since: now - .seconds(silent)).isAwaited(
                of: moment, askedAt: now - .seconds(asked), reached: now - .seconds(reached), now: now,
                silence: .seconds(15))
        }
        #expect(awaited(said) == isAwaited)
        // Who has come so far is not waited for.
        #expect(!awaited(said.advanced(by: .seconds(2))))
    }

    @Test("waits for no front service that has ended, or was followed by another, or is silent for long")
    func gone() async throws {
        try await withStorage(adjust: {
            quick(&$0)
            $0.settlerSilence = .milliseconds(300)
        }) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let connection = TransactionID.next()
            let now = Moment.now
            let first = try await storage.commit(text, one, connection: connection, received: now)
            for place in ["ended", "followed", "silent"] {
                _ = try await storage.settle([], by: connection, .told(place, now))
            }
            let later = Moment(machine: 1, uptime: 5, wallClock: now.wallClock + 9_000_000)
            _ = try await storage.settle([], by: connection, .told("followed", later))
            _ = try await storage.settle([], by: connection, .told("ended", now, ended: true))
            #expect(try await storage.database.query("SELECT count(*) FROM mail.settlers") == "2")
            let came = now.advanced(by: .seconds(1))
            let again = try await storage.commit(text, one, connection: .next(), received: came, began: came)
            #expect(place(again) == place(first))
        }
    }

    @Test("waits for no front service of another machine whose clock is behind, however often it reports")
    func clockBehind() async throws {
        try await withStorage(adjust: {
            quick(&$0)
            $0.settlerSilence = .milliseconds(500)
        }) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let now = Moment.now
            let first = try await storage.commit(text, one, connection: .next(), received: now)
            let reporting = Task {
                for uptime in Int64(1)... {
                    try Task.checkCancellation()
                    let behind = Moment(machine: 1, uptime: uptime, wallClock: now.wallClock - 3_600_000_000 + uptime)
                    _ = try await storage.settle([], by: .next(), .told("behind", behind))
                }
            }
            defer { reporting.cancel() }
            let came = now.advanced(by: .seconds(1))
            let again = try await storage.commit(text, one, connection: .next(), received: came, began: came)
            #expect(place(again) == place(first))
        }
    }

    @Test("is compared by the machine's own time, whatever somebody sets its clock to", arguments: [3600, -3600])
    func clocks(seconds: Int) async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let connection = TransactionID.next()
            let now = Moment.now
            let first = try await storage.commit(text, one, connection: connection, received: now)
            #expect(try await storage.settle(first, by: connection).settled == 1)
            func jumped(_ distance: Duration) -> Moment {
                let moment = now.advanced(by: distance)
                return Moment(
                    machine: moment.machine, uptime: moment.uptime,
                    wallClock: moment.wallClock + Int64(seconds) * 1_000_000)
            }
            let late = try await storage.commit(
                text, one, connection: .next(), received: jumped(.seconds(5)), began: jumped(.seconds(-1)))
            #expect(place(late) == place(first))
            let meant = try await storage.commit(
                text, one, connection: .next(), received: jumped(.seconds(5)), began: jumped(.seconds(1)))
            #expect(meant[0].uid == 2)
        }
    }

    @Test("that is settled still answers what began before it was: an overtaken transaction stores nothing")
    func overtaken() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let (slow, quick) = (TransactionID.next(), TransactionID.next())
            let now = Moment.now
            // Given up by its client while it still runs; the repetition is stored, and its reply read.
            let answered = try await storage.commit(text, one, connection: quick, received: now)
            #expect(try await storage.settle(answered, by: quick).settled == 1)
            let late = try await storage.commit(
                text, one, connection: slow, received: now.advanced(by: .seconds(5)),
                began: now.advanced(by: .seconds(-1)))
            #expect(place(late) == place(answered))
            #expect(try await count(storage, alice) == 1)
            let meant = try await storage.commit(text, one, connection: .next(), began: now.advanced(by: .seconds(6)))
            #expect(meant[0].uid == 2)
        }
    }

    @Test("expires: from then on the message is a new one, and the ledger says so")
    func expiry() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let connection = TransactionID.next()
            let first = try await storage.commit(text, [.store(alice).known(as: "a")], connection: .next())
            let known = try await storage.commit(text, [.store(alice).known(as: "b")], connection: connection)
            _ = try await storage.settle(known, by: connection)
            try await storage.engine.upkeep.removeDue()
            #expect(try await storage.database.query("SELECT count(*) FROM mail.receipts") == "2")
            try await storage.database.query("UPDATE mail.receipts SET settled_at = settled_at - interval '1 hour'")
            try await storage.database.query("UPDATE mail.receipts SET created_at = created_at - interval '1 hour'")
            try await storage.engine.upkeep.removeDue()
            #expect(try await storage.database.query("SELECT count(*) FROM mail.receipts") == "1")
            try await storage.database.query("UPDATE mail.receipts SET created_at = created_at - interval '5 days'")
            try await storage.engine.upkeep.removeDue()
            let again = try await storage.commit(text, [.store(alice).known(as: "a")], connection: .next())
            #expect(again[0].uid == first[0].uid + 2)
            #expect(try await storage.database.query("SELECT count(*) FROM mail.ledger WHERE event = 6") == "1")
        }
    }

    @Test("is removed in the order of its making, portion by portion, and what stays in doubt is passed over")
    func removal() async throws {
        try await withStorage(adjust: quick) { storage in
            try await storage.database.query(
                """
                INSERT INTO mail.receipts (
                    account_id, fingerprint, transaction_id, copy_id, ordinal, received_at, created_at, settled_at)
                SELECT 0, sha256(n::text::bytea), gen_random_uuid(), gen_random_uuid(), 0, 0,
                    now() - interval '1 hour' + n * interval '1 millisecond',
                    CASE WHEN n % 100 > 0 THEN now() - interval '50 minutes' END
                FROM generate_series(1, 12000) n
                """)
            var removal = ReceiptRemoval(pool: storage.engine.pool, age: .seconds(86_400), memory: .seconds(20 * 60))
            try await removal.removeDue()
            #expect(try await storage.database.query("SELECT count(*) FROM mail.receipts") == "120")
            // What is settled long after it was made is found when all is gone through again.
            try await storage.database.query("UPDATE mail.receipts SET settled_at = now() - interval '30 minutes'")
            try await removal.removeDue()
            #expect(try await storage.database.query("SELECT count(*) FROM mail.receipts") == "120")
            var next = ReceiptRemoval(pool: storage.engine.pool, age: .seconds(86_400), memory: .seconds(20 * 60))
            try await next.removeDue()
            #expect(try await storage.database.query("SELECT count(*) FROM mail.receipts") == "0")
            let plan = try await storage.database.query(
                """
                SET enable_seqscan = off;
                EXPLAIN SELECT FROM mail.receipts WHERE created_at >= now() - interval '1 hour' ORDER BY created_at LIMIT 5
                """)
            #expect(plan.contains("receipts_by_time"))
        }
    }

    @Test("is no matter of time alone: a request that was held up for long is refused, not stored twice")
    func late() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let now = Moment.now
            let error = await #expect(throws: MessagingError.self) {
                try await storage.commit(text, [.store(alice)], received: now.advanced(by: .seconds(-700)))
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(try await storage.commit(text, [.store(alice)], received: now)[0].outcome == .done)
        }
    }

    @Test("that nobody knows is no error when it is settled")
    func unknown() async throws {
        try await withStorage { storage in
            let result = CommitReply.Result.with {
                $0.receipt.fingerprints = [.init(repeating: 1, count: 32)]
                $0.receipt.transactionID = .init(TransactionID.next().octets)
            }
            let reply = try await storage.settle([result], by: .next())
            #expect(reply == SettleReply.with { $0.unknown = 1 })
        }
    }
}
