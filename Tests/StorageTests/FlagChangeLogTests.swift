import Contracts
import Database
import Messaging
import NIOCore
import ServiceRuntime
import TestSupport
import TestRandomness
import Testing

@testable import Storage

/// What changed lately is found without looking at all messages (RFC 7162), and exactly, whatever is missing in the log.
@Suite("The log of flag changes")
struct FlagChangeLogTests {
    @Test("is complete when each entry names the one before, from the mailbox's last to what was asked for")
    func completeness() {
        func entry(_ modseq: Int64, after previous: Int64) -> FlagChangeLog.Entry {
            FlagChangeLog.Entry(modseq: modseq, previousModseq: previous, firstUIDs: [1], lastUIDs: [1])
        }
        #expect(FlagChangeLog.isComplete([], upTo: 0, since: 1))
        #expect(FlagChangeLog.isComplete([], upTo: 7, since: 7))
        #expect(!FlagChangeLog.isComplete([], upTo: 8, since: 7))
        #expect(FlagChangeLog.isComplete([entry(9, after: 5), entry(5, after: 2)], upTo: 9, since: 2))
        #expect(FlagChangeLog.isComplete([entry(9, after: 5), entry(5, after: 2)], upTo: 9, since: 4))
        #expect(!FlagChangeLog.isComplete([entry(9, after: 5), entry(5, after: 2)], upTo: 9, since: 1))
        #expect(!FlagChangeLog.isComplete([entry(9, after: 5)], upTo: 9, since: 2))
        #expect(!FlagChangeLog.isComplete([entry(5, after: 2)], upTo: 9, since: 2))
        #expect(!FlagChangeLog.isComplete([entry(9, after: 5), entry(4, after: 2)], upTo: 9, since: 2))
    }

    /// What the whole mailbox says must have changed.
    private func expectExact(
        _ storage: StorageFixture, _ account: Int64, _ name: String, since modseq: UInt64, _ place: Comment? = nil
    ) async throws {
        let whole = try await storage.view(account, name)
        let delta = try await storage.view(account, name, since: modseq)
        #expect(delta.entries == whole.entries.filter { $0.modseq > modseq }, place)
        #expect(delta.mailbox == whole.mailbox, place)
    }

    /// How many messages a reader looks at who knows the mailbox up to this change; nil when at all of them.
    private func looked(
        _ storage: StorageFixture, _ account: Int64, _ mailboxID: Int64, since modseq: Int64
    ) async throws -> Int? {
        let ranges = try await storage.engine.pool.withConnection(deadline: .now + .seconds(20)) { connection in
            try await connection.transaction(.snapshot) {
                try FlagChangeLog.ranges(account, mailboxID, since: modseq, on: $0)
            }
        }
        guard let ranges else { return nil }
        let uids = try await storage.view(account, "INBOX").entries.map { Int64($0.uid) }
        return uids.count { uid in zip(ranges.firsts, ranges.lasts).contains { $0 <= uid && uid <= $1 } }
    }

    /// The statement by which storage of the release before changed flags: \Flagged becomes the opposite.
    private func changeAsBefore(_ storage: StorageFixture, _ mailboxID: Int64, _ uids: [UInt32]) async throws {
        try await storage.database.query(
            """
            WITH box AS (
                SELECT highest_modseq + 1 AS modseq FROM mail.mailboxes WHERE mailbox_id = \(mailboxID)
            ), changed AS (
                UPDATE mail.messages SET flags = flags # 4, modseq = (SELECT modseq FROM box)
                WHERE mailbox_id = \(mailboxID) AND uid = ANY ('{\(uids.map(String.init).joined(separator: ","))}')
            )
            UPDATE mail.mailboxes SET highest_modseq = highest_modseq + 1 WHERE mailbox_id = \(mailboxID)
            """)
    }

    @Test("gives exactly what changed, after any commands and whatever was cut off", arguments: [UInt64(1), 2, 3])
    func exactness(seed: UInt64) async throws {
        try await withStorage { storage in
            var random = SeededGenerator(seed: seed)
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX")).mailboxID
            _ = try await storage.commit("A: b\r\n\r\n", Array(repeating: .store(alice), count: 300))
            for step in 0..<120 {
                let uids = try await storage.view(alice, "INBOX").entries.map(\.uid)
                // Some, some that follow one another, or all.
                let picked =
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0: uids
                    case 1: uids.filter { _ in Int.random(in: 0..<40, using: &random) == 0 }
                    case 2: uids.filter { _ in Bool.random(using: &random) }
                    default: Array(uids.dropFirst(Int.random(in: 0..<300, using: &random)).prefix(3))
                    }
                let pairs = picked.flatMap { [$0, $0] }
                let operation = [FlagOperation.add, .remove, .replace].randomElement(using: &random) ?? .add
                switch Int.random(in: 0..<12, using: &random) {
                case 0: try await storage.deliver(to: alice)
                case 1: _ = try await storage.copy(alice, inbox, Array(pairs.prefix(40)), to: "INBOX")
                case 2: _ = try await storage.copy(alice, inbox, Array(pairs.prefix(10)), to: "Trash", move: true)
                case 3:
                    let some = Array(pairs.prefix(8))
                    _ = try await storage.flags(alice, inbox, some, .add, ["\\Deleted"])
                    _ = try await storage.expunge(alice, inbox, some)
                case 4 where step % 4 == 0: try await changeAsBefore(storage, inbox, picked)
                case 5:
                    try await storage.database.query(
                        "DELETE FROM mail.flag_changes WHERE modseq % 7 = \(Int.random(in: 0..<7, using: &random))")
                case 6:
                    let now = try #require(try await storage.mailbox(alice, "INBOX")).highestModseq
                    _ = try await storage.flags(
                        alice, inbox, pairs, .add, ["\\Answered"],
                        unchangedSince: UInt64.random(in: 1...now, using: &random))
                case 7: _ = try await storage.flags(alice, inbox, pairs, operation, ["$One", "\\Draft"])
                default: _ = try await storage.flags(alice, inbox, pairs, operation, ["\\Seen"])
                }
                let now = try #require(try await storage.mailbox(alice, "INBOX")).highestModseq
                for since in [1, now - 1, UInt64.random(in: 1...now, using: &random)] where since > 0 {
                    try await expectExact(storage, alice, "INBOX", since: since, "seed \(seed), step \(step), \(since)")
                }
            }
            try await storage.expectUsageAddsUp()
        }
    }

    @Test("leads to few messages")
    func narrowness() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX")).mailboxID
            _ = try await storage.commit("A: b\r\n\r\n", Array(repeating: .store(alice), count: 3000))
            let start = try Int64(#require(try await storage.mailbox(alice, "INBOX")).highestModseq)
            #expect(try await looked(storage, alice, inbox, since: start) == 0)
            // Nothing changes a second time, and what does not change is not named.
            _ = try await storage.flags(alice, inbox, [1700, 1700], .add, ["\\Seen"])
            _ = try await storage.flags(alice, inbox, [1, 1700], .add, ["$Unknown"])
            _ = try await storage.flags(alice, inbox, [1, 1700], .remove, ["$Unknown"])
            let second = try Int64(#require(try await storage.mailbox(alice, "INBOX")).highestModseq)
            _ = try await storage.flags(alice, inbox, [1, 2000], .remove, ["\\Seen"])
            #expect(try await looked(storage, alice, inbox, since: second) == 1)
            _ = try await storage.flags(alice, inbox, [20, 20, 30, 30, 2900, 2900], .add, ["\\Seen"])
            // Those between two that are near each other are looked at, too.
            #expect(try await looked(storage, alice, inbox, since: second) == 13)
            try await storage.deliver(to: alice)
            #expect(try await looked(storage, alice, inbox, since: second) == 14)
            #expect(try await looked(storage, alice, inbox, since: second + 2) == 1)
            // Many that are far apart are one run.
            let far = stride(from: UInt32(1), to: 3000, by: 3).filter { $0 % 200 == 1 || $0 > 2990 }
            _ = try await storage.flags(alice, inbox, far.flatMap { [$0, $0] }, .add, ["\\Flagged"])
            #expect(try await looked(storage, alice, inbox, since: second + 3) ?? 0 <= far.count + 16)
            try await expectExact(storage, alice, "INBOX", since: UInt64(second))
        }
    }

    @Test("names one run when there are too many")
    func manyRuns() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            // As if all others had been expunged.
            try await storage.database.query(
                """
                INSERT INTO mail.messages (account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
                SELECT \(alice), \(inbox.mailboxID), 100 * n, n, 0, 2, now(), 10 FROM generate_series(1, 600) AS n;
                UPDATE mail.mailboxes SET uid_next = 60001, message_count = 600, unseen_count = 600, highest_modseq = 2
                WHERE mailbox_id = \(inbox.mailboxID);
                """)
            let runs = "SELECT cardinality(first_uids) FROM mail.flag_changes ORDER BY modseq DESC LIMIT 1"
            for (last, count) in [(UInt32(100), "1"), (10_000, "100"), (25_600, "256"), (25_700, "1"), (60_000, "1")] {
                _ = try await storage.flags(alice, inbox.mailboxID, [1, last], .add, ["\\Seen"])
                _ = try await storage.flags(alice, inbox.mailboxID, [1, last], .remove, ["\\Seen"])
                #expect(try await storage.database.query(runs) == count)
                try await expectExact(storage, alice, "INBOX", since: 2)
            }
        }
    }

    @Test("is cut off after many changes and after a day, and then all messages are looked at")
    func bounds() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX")).mailboxID
            _ = try await storage.commit("A: b\r\n\r\n", Array(repeating: .store(alice), count: 100))
            for number in UInt32(1)...5 {
                _ = try await storage.flags(alice, inbox, [number, number], .add, ["\\Seen"])
            }
            // Many deliveries later.
            try await storage.database.query("UPDATE mail.mailboxes SET highest_modseq = 5000, uid_next = uid_next + 1")
            _ = try await storage.flags(alice, inbox, [6, 6], .add, ["\\Seen"])
            let entries = "SELECT string_agg(modseq::text, ' ' ORDER BY modseq) FROM mail.flag_changes"
            #expect(try await storage.database.query(entries) == "5001")
            #expect(try await looked(storage, alice, inbox, since: 3) == nil)
            #expect(try await looked(storage, alice, inbox, since: 4000) == 1)
            for modseq in [UInt64(2), 4, 7, 4000, 5000, 5001] {
                try await expectExact(storage, alice, "INBOX", since: modseq)
            }
            try await storage.database.query(
                "UPDATE mail.flag_changes SET changed_at = now() - interval '1 day' - interval '1 second'")
            _ = try await storage.flags(alice, inbox, [7, 7], .add, ["\\Seen"])
            try await storage.engine.upkeep.removeDue()
            #expect(try await storage.database.query(entries) == "5002")
            #expect(try await looked(storage, alice, inbox, since: 5000) == nil)
            #expect(try await looked(storage, alice, inbox, since: 5001) == 1)
            for modseq in [UInt64(2), 5000, 5001, 5002] {
                try await expectExact(storage, alice, "INBOX", since: modseq)
            }
        }
    }

    @Test("ends with its mailbox and its account")
    func ends() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let entries = "SELECT count(*) FROM mail.flag_changes"
            for name in ["a", "a/b"] { _ = try await storage.create(alice, name) }
            for name in ["a", "a/b", "INBOX"] {
                let mailboxID = try await storage.deliver(to: alice, mailbox: name).mailboxID
                _ = try await storage.flags(alice, mailboxID, [1, 1], .add, ["\\Seen"])
            }
            #expect(try await storage.database.query(entries) == "3")
            // The first one's name stays for its child.
            #expect(try await storage.delete(alice, "a") == .done)
            #expect(try await storage.database.query(entries) == "2")
            #expect(try await storage.delete(alice, "a/b") == .done)
            #expect(try await storage.database.query(entries) == "1")
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "alice@example.test" }, CallContext())
            #expect(try await storage.database.query(entries) == "0")
        }
    }

    @Test("serves readers who follow changes that are made at the same time")
    func concurrency() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX")).mailboxID
            _ = try await storage.commit("A: b\r\n\r\n", Array(repeating: .store(alice), count: 200))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<3 {
                    group.addTask {
                        var random = SeededGenerator(seed: UInt64(writer))
                        for step in 0..<40 {
                            let first = UInt32.random(in: 1...200, using: &random)
                            let uids = [first, first + UInt32.random(in: 0...30, using: &random)]
                            let operation: FlagOperation = Bool.random(using: &random) ? .add : .remove
                            _ = try await storage.flags(
                                alice, inbox, uids, operation, [["\\Seen", "\\Flagged", "$One"][writer]])
                            if writer == 0, step % 8 == 0 { try await storage.deliver(to: alice) }
                            if writer == 1, step % 8 == 4 {
                                _ = try await storage.flags(alice, inbox, [first, first], .add, ["\\Deleted"])
                                _ = try await storage.expunge(alice, inbox)
                            }
                            if writer == 2, step % 16 == 8 { try await storage.engine.upkeep.removeDue() }
                        }
                    }
                }
                group.addTask {
                    // As a session's process does: it applies what changed to what it knows.
                    var known: [UInt32: View.Entry] = [:]
                    var modseq: UInt64 = 1
                    for round in 0...60 {
                        let isLast = round == 60
                        if isLast { try await Task.sleep(for: .milliseconds(1)) }
                        let delta = try await storage.view(alice, "INBOX", since: modseq)
                        for index in stride(from: 0, to: delta.vanished.count, by: 2) {
                            for uid in delta.vanished[index]...delta.vanished[index + 1] { known[uid] = nil }
                        }
                        for entry in delta.entries { known[entry.uid] = entry }
                        modseq = delta.mailbox?.highestModseq ?? modseq
                        #expect(known.count == Int(delta.mailbox?.messageCount ?? 0))
                    }
                    let delta = try await storage.view(alice, "INBOX", since: modseq)
                    for entry in delta.entries { known[entry.uid] = entry }
                    #expect(known.values.map(\.modseq).max() ?? 0 <= delta.mailbox?.highestModseq ?? 0)
                }
                try await group.waitForAll()
            }
            let last = try #require(try await storage.mailbox(alice, "INBOX")).highestModseq
            for modseq in 1...last where modseq % 5 == 0 {
                try await expectExact(storage, alice, "INBOX", since: modseq)
            }
            try await storage.expectUsageAddsUp()
        }
    }

    @Test("is begun in a database full of mail, beside which storage of the release before still changes flags")
    func migration() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = DatabaseConnection(
            ConnectionConfiguration(connectionString: database.connectionString()))
        try await connection.connect()
        try await Schema.migrators[0].apply(on: connection)
        try await Migrator(schema: "mail", migrations: Array(Schema.mail.prefix(9))).apply(on: connection)
        try await database.query(
            """
            INSERT INTO directory.domains (name) VALUES ('example.test');
            INSERT INTO directory.accounts (address, domain, next_uid_validity, used_messages, used_octets)
                VALUES ('a@example.test', 'example.test', 2, 500, 5000);
            INSERT INTO mail.mailboxes (
                account_id, name, uid_validity, uid_next, message_count, unseen_count, octets, highest_modseq)
                SELECT account_id, 'INBOX', 1, 501, 500, 500, 5000, 700 FROM directory.accounts;
            INSERT INTO mail.messages (account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
                SELECT account_id, mailbox_id, n, n, 0, CASE WHEN n % 3 = 0 THEN 502 + n % 199 ELSE n END, now(), 10
                FROM mail.mailboxes, generate_series(1, 500) AS n;
            """)
        let file = try await database.query("SELECT pg_relation_filenode('mail.messages')")
        try await withStorage(database) { storage in
            let account = try await storage.directory.findAccount(
                FindAccountRequest.with { $0.address = "a@example.test" }, CallContext()
            ).account.accountID
            let inbox = try #require(try await storage.mailbox(account, "INBOX")).mailboxID
            #expect(try await database.query("SELECT pg_relation_filenode('mail.messages')") == file)
            // Nothing is known of what was before.
            for modseq in [UInt64(1), 250, 600, 699] {
                try await expectExact(storage, account, "INBOX", since: modseq)
            }
            #expect(try await looked(storage, account, inbox, since: 699) == nil)
            _ = try await storage.flags(account, inbox, [7, 7], .add, ["\\Seen"])
            #expect(try await looked(storage, account, inbox, since: 699) == nil)
            #expect(try await looked(storage, account, inbox, since: 700) == 1)
            // The release before changes flags, also where nothing was known yet.
            try await changeAsBefore(storage, inbox, [8, 400])
            #expect(try await looked(storage, account, inbox, since: 701) == nil)
            _ = try await storage.flags(account, inbox, [9, 9], .add, ["\\Seen"])
            #expect(try await looked(storage, account, inbox, since: 701) == nil)
            #expect(try await looked(storage, account, inbox, since: 702) == 1)
            try await storage.deliver(to: account)
            #expect(try await looked(storage, account, inbox, since: 702) == 2)
            for modseq in [UInt64(1), 600, 699, 700, 701, 702, 703] {
                try await expectExact(storage, account, "INBOX", since: modseq)
            }
            try await storage.expectUsageAddsUp()
        }
    }

    @Test("leaves rows in their pages, and indexes as they are, when flags change")
    func places() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        try await withStorage(database) { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX")).mailboxID
            _ = try await storage.commit("A: b\r\n\r\n", Array(repeating: .store(alice), count: 2000))
            for round in 0..<10 {
                let reply = try await storage.flags(
                    alice, inbox, [1, 2000], round % 2 == 0 ? .add : .remove, ["\\Seen"])
                #expect(reply.uids.sorted() == Array(1...2000))
            }
        }
        // A connection counts its own in full only when it ends.
        func count(_ column: String) async throws -> Int {
            let sql = "SELECT \(column) FROM pg_stat_user_tables WHERE relid = 'mail.messages'::regclass"
            return try #require(Int(try await database.query(sql)))
        }
        try await eventually("the count of changes") { try await count("n_tup_upd") >= 20_000 }
        // A round's rows leave their pages while somebody still sees what they were, as storage's own upkeep may.
        #expect(try await count("n_tup_hot_upd") > 10_000)
    }

    @Test("is not needed by who only asks what is gone")
    func vanishedOnly() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.deliver(to: alice).mailboxID
            for _ in 0..<3 { try await storage.deliver(to: alice) }
            _ = try await storage.flags(alice, inbox, [2, 3], .add, ["\\Deleted"])
            _ = try await storage.expunge(alice, inbox)
            let request = ViewRequest.with {
                $0.accountID = alice
                $0.mailboxID = inbox
                $0.changedSince = 1
                $0.vanishedOnly = true
            }
            var items: [ViewItem] = []
            for try await (item, _) in try await storage.mailStore.view(request, CallContext()) { items.append(item) }
            #expect(items.map(\.vanished) == [[2, 3]] && items.map(\.count) == [0])
            #expect(items.first?.mailbox.messageCount == 2)
        }
    }
}
