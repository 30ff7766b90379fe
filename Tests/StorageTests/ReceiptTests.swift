import Contracts
import Messaging
import NIOCore
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

/// What a receipt stands for, and what not: the rules of exactly once, against the real database.
@Suite("A receipt", .timeLimit(.minutes(3)))
struct ReceiptTests {
    let text = "A: b\r\n\r\ntext"

    func quick(_ options: inout StorageEngine.Options) {
        options.settlementGrace = .milliseconds(50)
    }

    /// Where the copies are.
    func place(_ results: [CommitReply.Result]) -> [[UInt64]] {
        results.map { [UInt64(bitPattern: $0.mailboxID), UInt64($0.uidValidity), UInt64($0.uid), $0.modseq] }
    }

    func count(_ storage: StorageFixture, _ account: Int64) async throws -> UInt32 {
        try await storage.mailbox(account, "INBOX")?.messageCount ?? 0
    }

    @Test("of another connection stands for the delivery: nothing is stored, and the answer is the first one's")
    func repetition() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let first = TransactionID.next()
            let one = try await storage.commit(
                text, [.store(alice).known(as: "a")], transaction: first, connection: .next())
            let other = try await storage.commit(text, [.store(alice).known(as: "a")], connection: .next())
            #expect(place(other) == place(one))
            #expect(Array(other[0].copyID) == first.octets)
            #expect(try await count(storage, alice) == 1)
        }
    }

    @Test("of the same connection does not: replies keep their order there, so an identical message is a new one")
    func sameConnection() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let connection = TransactionID.next()
            for expected in UInt32(1)...3 {
                let results = try await storage.commit(
                    text, [.store(alice).known(as: "a")], connection: connection, ordinal: expected)
                #expect(results[0].uid == expected)
            }
        }
    }

    @Test("that is settled does not stand for anything but its own request, however late that comes")
    func settled() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let (connection, transaction) = (TransactionID.next(), TransactionID.next())
            let dispositions: [Disposition] = [.store(alice).known(as: "a"), .enqueue("x@example.com").known(as: "x")]
            let first = try await storage.commit(
                text, dispositions, transaction: transaction, connection: connection)
            #expect(try await storage.settle(first, by: connection).settled == 2)
            #expect(try await storage.settle(first, by: connection) == SettleReply.with { $0.unknown = 2 })
            let second = try await storage.commit(text, dispositions, connection: .next())
            #expect(second[0].uid == 2)
            // The request itself, held up on its way: its work is done.
            let late = try await storage.commit(
                text, dispositions, transaction: transaction, connection: connection)
            #expect(late == first)
            #expect(try await count(storage, alice) == 2)
            #expect(try await storage.database.query("SELECT count(*) FROM queue.entries") == "2")
        }
    }

    @Test("answers one repetition a connection: whoever lost two replies to the same message repeats both")
    func twins() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let (lost, again) = (TransactionID.next(), TransactionID.next())
            let one: [Disposition] = [.store(alice).known(as: "a")]
            // Of two identical messages on one connection only the first was committed; the client knows of neither.
            let first = try await storage.commit(text, one, connection: lost)
            let repeated = try await storage.commit(text, one, connection: again)
            #expect(place(repeated) == place(first))
            let second = try await storage.commit(text, one, connection: again, ordinal: 2)
            #expect(second[0].uid == 2)
            // Both are lost once more, and repeated once more: each finds its own.
            let third = TransactionID.next()
            #expect(place(try await storage.commit(text, one, connection: third)) == place(first))
            #expect(place(try await storage.commit(text, one, connection: third, ordinal: 2)) == place(second))
            #expect(try await storage.commit(text, one, connection: third, ordinal: 3)[0].uid == 3)
            #expect(try await count(storage, alice) == 3)
        }
    }

    @Test("costs no more, however often somebody sends the same; who repeats the last ones is still recognised")
    func flood() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let connection = TransactionID.next()
            for number in UInt32(1)...400 {
                let results = try await storage.commit(text, one, connection: connection, ordinal: number)
                #expect(results[0].uid == number)
            }
            let again = TransactionID.next()
            for number in UInt32(1)...3 {
                let results = try await storage.commit(text, one, connection: again, ordinal: number)
                #expect(results[0].uid == 400 - 256 + number)
            }
            #expect(try await count(storage, alice) == 400)
        }
    }

    @Test("is not taken away from a connection by a transaction that was given up and comes late")
    func latecomer() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let (givenUp, connection) = (TransactionID.next(), TransactionID.next())
            let first = try await storage.commit(text, one, connection: .next())
            #expect(place(try await storage.commit(text, one, connection: connection)) == place(first))
            #expect(place(try await storage.commit(text, one, connection: givenUp)) == place(first))
            // The client knows its first one here, and means a second.
            #expect(try await storage.commit(text, one, connection: connection, ordinal: 2)[0].uid == 2)
        }
    }

    @Test("of a transaction that was answered with a failure makes its repetition on the same connection one")
    func denied() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let (connection, failed) = (TransactionID.next(), TransactionID.next())
            let first = try await storage.commit(text, one, transaction: failed, connection: connection)
            let again = try await storage.commit(text, one, connection: connection, ordinal: 2, denied: [failed])
            #expect(place(again) == place(first))
            #expect(
                try await storage.commit(text, one, connection: connection, ordinal: 3, denied: [failed])[0].uid == 2)
        }
    }

    @Test("of a later transaction answers an earlier one of its connection that was denied, and comes late")
    func overtakenOnItsConnection() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let one: [Disposition] = [.store(alice).known(as: "a")]
            let connection = TransactionID.next()
            let second = try await storage.commit(text, one, connection: connection, ordinal: 2)
            let first = try await storage.commit(text, one, connection: connection, ordinal: 1)
            #expect(place(first) == place(second))
            #expect(try await count(storage, alice) == 1)
        }
    }

    @Test("answers a repetition whose own request is repeated")
    func repeatedRepetition() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let first = try await storage.commit(text, [.store(alice).known(as: "a")], connection: .next())
            let (transaction, connection) = (TransactionID.next(), TransactionID.next())
            for _ in 0..<3 {
                let again = try await storage.commit(
                    text, [.store(alice).known(as: "a")], transaction: transaction, connection: connection)
                #expect(place(again) == place(first))
            }
            #expect(try await count(storage, alice) == 1)
        }
    }

    @Test("makes a repetition store what the first time could not, and nothing else")
    func partly() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test", messages: 1)
            _ = try await storage.commit("A: c\r\n\r\n", [.store(bob)])
            let dispositions: [Disposition] = [.store(alice).known(as: "a"), .store(bob).known(as: "b")]
            let first = try await storage.commit(text, dispositions, connection: .next())
            #expect(first.map(\.outcome) == [.done, .overQuota])
            _ = try await storage.directory.setQuota(
                SetQuotaRequest.with { $0.address = "bob@example.test" }, CallContext())
            let second = try await storage.commit(text, dispositions, connection: .next())
            #expect(second.map(\.outcome) == [.done, .done] && place(second)[0] == place(first)[0])
            #expect(try await count(storage, alice) == 1)
            #expect(try await count(storage, bob) == 2)
        }
    }

    @Test("of a copy that went to the queue keeps it from being stored as well")
    func postponed() async throws {
        try await withStorage(adjust: quick) { storage in
            let bob = try await storage.account("bob@example.test")
            var entry = Disposition.enqueue("bob@example.test").known(as: "b")
            entry.enqueue.accountID = bob
            _ = try await storage.commit(text, [entry], connection: .next())
            let again = try await storage.commit(text, [.store(bob).known(as: "b")], connection: .next())
            #expect(again[0].outcome == .done && again[0].uid == 0)
            #expect(try await count(storage, bob) == 0)
            #expect(try await storage.database.query("SELECT count(*) FROM queue.entries") == "1")
        }
    }

    @Test("outlives its message: what the user moved or expunged does not come back")
    func expunged() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let first = try await storage.commit(
                text, [.store(alice, flags: ["\\Deleted"]).known(as: "a")], connection: .next())
            _ = try await storage.expunge(alice, first[0].mailboxID)
            #expect(try await count(storage, alice) == 0)
            let again = try await storage.commit(text, [.store(alice).known(as: "a")], connection: .next())
            #expect(again[0].outcome == .done && again[0].uid == first[0].uid)
            #expect(try await count(storage, alice) == 0)
        }
    }

    @Test("stands for each recipient that leads to the copy, also when only some of them come again")
    func manyRecipients() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let first = try await storage.commit(
                text, [.store(alice).known(as: "sales", "info", "alice")], connection: .next())
            for names in [["alice"], ["info"], ["sales"]] {
                let again = try await storage.commit(
                    text, [.store(alice).known(as: names[0])], connection: .next())
                #expect(again[0].uid == first[0].uid)
            }
            let other = try await storage.commit(text, [.store(alice).known(as: "office")], connection: .next())
            #expect(other[0].uid == 2)
            // Whichever of its recipients brought it again, what the client knows then it knows of all that came.
            let connection = TransactionID.next()
            let again = try await storage.commit(
                text, [.store(alice).known(as: "new", "info")], connection: connection)
            #expect(again[0].uid == first[0].uid)
            #expect(try await storage.settle(again, by: connection).settled == 2)
            for (name, uid) in [("info", UInt32(3)), ("new", 4)] {
                let meant = try await storage.commit(text, [.store(alice).known(as: name)], connection: .next())
                #expect(meant[0].uid == uid)
            }
        }
    }

    @Test("lets one of many that race through, whichever it is", arguments: [1, 3])
    func race(writers: Int) async throws {
        try await withStorage(adjust: {
            quick(&$0)
            $0.writers = writers
        }) { storage in
            let alice = try await storage.account("alice@example.test")
            for round in 0..<5 {
                let answers = try await withThrowingTaskGroup(of: CommitReply.Result.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            let dispositions: [Disposition] = [
                                .store(alice).known(as: "\(round)"), .enqueue("x@example.com").known(as: "x\(round)"),
                            ]
                            return try await storage.commit(text, dispositions, connection: .next())[0]
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(Set(answers.map(\.uid)).count == 1)
            }
            #expect(try await count(storage, alice) == 5)
            #expect(try await storage.database.query("SELECT count(*) FROM queue.entries") == "5")
        }
    }

    @Test("of an APPEND does not stand for one into another mailbox of the same name")
    func madeAgain() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let disposition = Disposition.store(alice, "Trash").known(as: "a")
            func append() async throws -> CommitReply.Result {
                try await storage.commit(text, [disposition], connection: .next(), entrance: .append)[0]
            }
            let first = try await append()
            #expect(try await append().uid == first.uid, "a repetition")
            for round in 1...2 {
                #expect(try await storage.delete(alice, "Trash") == .done)
                #expect(try await storage.create(alice, "Trash").outcome == .done)
                let again = try await append()
                #expect(again.uidValidity != first.uidValidity, "round \(round)")
                #expect(try await append().copyID == again.copyID, "a repetition of the one that is there")
                #expect(
                    try await storage.database.query("SELECT message_count FROM mail.mailboxes WHERE name = 'Trash'")
                        == "1")
            }
        }
    }
}
