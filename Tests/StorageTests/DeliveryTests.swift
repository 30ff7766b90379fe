import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Storage

@Suite("A commit")
struct DeliveryTests {
    @Test("stores a message once for all its mailboxes, octet for octet")
    func stores() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let text = "Subject: hello\r\n\r\n" + String(repeating: "line\r\n", count: 700)
            let results = try await storage.commit(
                text,
                [.store(alice), .store(bob, "Archive", flags: ["\\Seen", "$Label"]), .enqueue("carol@example.com")])
            #expect(results.map(\.outcome) == [.done, .done, .done])
            #expect(results[0].uid == 1)
            let stored = Array(("Trace: 1\r\n" + text).utf8)
            for (account, result) in [(alice, results[0]), (bob, results[1])] {
                let octets = try await storage.octets(account, result.mailboxID, result.uid)
                #expect(octets == stored)
            }
            #expect(try await storage.database.query("SELECT count(*) FROM mail.contents") == "1")
            #expect(
                try await storage.database.query("SELECT forward_path || ' ' || domain FROM queue.entries")
                    == "carol@example.com example.com")
            let view = try await storage.view(bob, "Archive")
            #expect(view.mailbox?.keywords == ["$Label"])
            let entry = try #require(view.entries.first)
            #expect(entry.flags == 1 | 1 << 8)
            #expect(entry.size == UInt32(stored.count))
            #expect(entry.date == 1_700_000_000_000_000)
            let announced = storage.changes.take().filter { !$0.hierarchy }
            #expect(Set(announced.map(\.accountID)) == [alice, bob])
        }
    }

    @Test("refuses what has no account, mailbox or room for keywords, and stores the rest")
    func refuses() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let many = (0..<57).map { "k\($0)" }
            let results = try await storage.commit(
                "A: b\r\n\r\n",
                [
                    .store(alice + 1000), .store(alice, "Nowhere"), .store(alice, "Nowhere", fallsBack: true),
                    .store(alice, "Sent", flags: many), .store(alice, "inbox"),
                ])
            #expect(
                results.map(\.outcome)
                    == [.noSuchAccount, .noSuchMailbox, .done, .tooManyKeywords, .done])
            #expect(results[2].mailboxID == results[4].mailboxID)
            #expect(Set([results[2].uid, results[4].uid]) == [1, 2])
        }
    }

    @Test("that is repeated stores nothing new and gets the first answer", arguments: [1, 5])
    func repetition(copies: Int) async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", messages: 1)
            let transaction = TransactionID.next()
            let dispositions: [Disposition] = [.store(alice), .store(alice, "Sent"), .enqueue("x@example.com")]
            let first = try await storage.commit("A: b\r\n\r\n1", dispositions, transaction: transaction)
            #expect(first.map(\.outcome) == [.done, .overQuota, .done])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<copies {
                    group.addTask {
                        let again = try await storage.commit("A: b\r\n\r\n1", dispositions, transaction: transaction)
                        #expect(again == first)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 1)
            #expect(try await storage.database.query("SELECT count(*) FROM queue.entries") == "1")
        }
    }

    @Test("that is repeated while the first still runs is stored once")
    func race() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            for _ in 0..<20 {
                let transaction = TransactionID.next()
                async let one = storage.commit(
                    "A: b\r\n\r\n", [.store(alice), .enqueue("x@example.com")], transaction: transaction)
                async let other = storage.commit(
                    "A: b\r\n\r\n", [.store(alice), .enqueue("x@example.com")], transaction: transaction)
                let (first, second) = try await (one, other)
                #expect(first == second)
            }
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 20)
            #expect(try await storage.database.query("SELECT count(*) FROM queue.entries") == "20")
        }
    }

    @Test("of many at the same time gives ascending uids, and a later view never shows an earlier uid as new")
    func concurrency() async throws {
        try await withStorage(adjust: { $0.writers = 3 }) { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let uids = try await withThrowingTaskGroup(of: [UInt32].self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        var uids: [UInt32] = []
                        for _ in 0..<10 {
                            let results = try await storage.commit("A: b\r\n\r\nx", [.store(alice), .store(bob)])
                            #expect(results.map(\.outcome) == [.done, .done])
                            // One sender's uids ascend with its commits.
                            #expect(results[0].uid > uids.last ?? 0)
                            uids.append(results[0].uid)
                        }
                        return uids
                    }
                }
                group.addTask {
                    var seen: [UInt32] = []
                    while seen.count < 400 {
                        let now = try await storage.view(alice, "INBOX").entries.map(\.uid)
                        #expect(Array(now.prefix(seen.count)) == seen)
                        seen = now
                    }
                    return []
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(uids.sorted() == Array(1...400))
            #expect(try await storage.view(bob, "INBOX").entries.map(\.uid) == Array(1...400))
        }
    }

    @Test("never goes beyond a quota, however many race, and refuses nothing that fits")
    func quota() async throws {
        try await withStorage(adjust: { $0.writers = 3 }) { storage in
            // Prefix and header have 16 octets: messages of 116, 216, … and 1016 octets.
            let alice = try await storage.account("alice@example.test", octets: 5000)
            let bob = try await storage.account("bob@example.test", messages: 7)
            let stored = try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
                for index in 0..<60 {
                    group.addTask {
                        let size = (index % 10 + 1) * 100
                        let body = String(repeating: "x", count: size)
                        let results = try await storage.commit("A: b\r\n\r\n" + body, [.store(alice), .store(bob)])
                        return (size + 18, results[0].outcome == .done)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let used = stored.filter(\.1).reduce(0) { $0 + $1.0 }
            #expect(used <= 5000)
            // Whatever was refused did not fit at its time, so that at the end not even the smallest has much room.
            let smallestRefused = try #require(stored.filter { !$0.1 }.map(\.0).min())
            #expect(used + smallestRefused > 5000)
            let account = try await storage.directory.findAccount(
                FindAccountRequest.with { $0.address = "alice@example.test" }, CallContext()
            ).account
            #expect(account.usedOctets == Int64(used))
            #expect(try await storage.mailbox(bob, "INBOX")?.messageCount == 7)
        }
    }

    @Test("that is bad fails alone, in a batch with good ones")
    func badMessage() async throws {
        try await withStorage(adjust: { $0.writers = 1 }) { storage in
            let alice = try await storage.account("alice@example.test")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<60 {
                    group.addTask {
                        if index % 20 == 7 {
                            // PostgreSQL's text has no U+0000.
                            let error = await #expect(throws: MessagingError.self) {
                                try await storage.commit("A: b\r\n\r\n", [.store(alice, "a\0b")])
                            }
                            #expect(error?.code == .malformed)
                        } else {
                            let results = try await storage.commit("A: b\r\n\r\n", [.store(alice)])
                            #expect(results.first?.outcome == .done)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 57)
        }
    }

    @Test("goes through when connections are killed under it, and every message is there once")
    func killedConnections() async throws {
        try await withStorage(adjust: { $0.writers = 2 }) { storage in
            let alice = try await storage.account("alice@example.test")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        for _ in 0..<15 {
                            let results = try await storage.commit(
                                "A: b\r\n\r\n", [.store(alice), .enqueue("x@example.com")])
                            #expect(results.first?.outcome == .done)
                        }
                    }
                }
                group.addTask {
                    for _ in 0..<10 {
                        try await storage.database.query(
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name = 'martlet-storage writer'
                            """)
                    }
                }
                try await group.waitForAll()
            }
            let view = try await storage.view(alice, "INBOX")
            #expect(view.entries.map(\.uid) == Array(1...300))
            #expect(try await storage.database.query("SELECT count(*) FROM queue.entries") == "300")
        }
    }

    @Test("that does not name the lengths it has is malformed")
    func malformed() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            var request = CommitRequest()
            request.dispositions = [.store(alice)]
            request.content.headerOctets = 5
            let frames = [ByteBuffer(), ByteBuffer(string: "A: b"), ByteBuffer()]
            for payload in [[], [ByteBuffer()], frames] {
                let error = await #expect(throws: MessagingError.self) {
                    try await storage.delivery.commit(request, payload: payload, CallContext())
                }
                #expect(error?.code == .malformed)
            }
        }
    }
}
