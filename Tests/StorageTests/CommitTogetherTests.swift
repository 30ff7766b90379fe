import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Storage

/// Several messages in one commit, all or none, against the real database.
@Suite("Messages that are committed together", .timeLimit(.minutes(3)))
struct CommitTogetherTests {
    private func quick(_ options: inout StorageEngine.Options) {
        options.settlementGrace = .milliseconds(50)
    }

    private func place(_ results: [CommitReply.Result]) -> [[UInt64]] {
        results.map { [UInt64(bitPattern: $0.mailboxID), UInt64($0.uidValidity), UInt64($0.uid), $0.modseq] }
    }

    @Test("are stored in their order, with one modseq, and announced")
    func stored() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            try await storage.deliver(to: alice)
            try await eventually("its announcement") { storage.changes.take().contains { !$0.hierarchy } }
            let texts = (0..<20).map { "Subject: \($0)\r\n\r\ntext \($0)" }
            let results = try await storage.commitTogether(
                texts.enumerated().map { ($1, [.store(alice, flags: ["\\Seen", "$k\($0 % 3)"]).known(as: "m\($0)")]) })
            #expect(results.allSatisfy { $0.outcome == .done })
            #expect(results.map(\.uid) == Array(2...21))
            #expect(Set(results.map(\.modseq)).count == 1)
            #expect(Set(results.map(\.receipt.fingerprints)).count == 20)
            for (result, text) in zip(results, texts) {
                #expect(try await storage.octets(alice, result.mailboxID, result.uid) == Array(text.utf8))
            }
            let mailbox = try #require(try await storage.mailbox(alice, "INBOX"))
            #expect(mailbox.messageCount == 21 && mailbox.unseenCount == 1 && mailbox.uidNext == 22)
            let announced = try await eventually("what is announced") {
                let changes = storage.changes.take()
                return changes.isEmpty ? nil : changes
            }
            #expect(announced.map(\.highestModseq) == [results[0].modseq])
            #expect(
                try await storage.database.query(
                    "SELECT string_agg(disposition::text, ',' ORDER BY uid) FROM mail.ledger WHERE uid > 1")
                    == (0..<20).map(String.init).joined(separator: ","))
        }
    }

    @Test(
        "are none when one cannot be stored, and leave nothing but what is said of it",
        arguments: ["quota", "keywords", "mailbox"])
    func none(_ obstacle: String) async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", octets: 2000)
            let before = try #require(try await storage.mailbox(alice, "INBOX"))
            var messages: [(String, [Disposition])] = (0..<3).map { ("A: \($0)\r\n\r\n", [.store(alice)]) }
            let expected: CommitOutcome
            switch obstacle {
            case "quota":
                messages[1].0 += String(repeating: "x", count: 3000)
                expected = .overQuota
            case "keywords":
                messages[1].1 = [.store(alice, flags: (0..<57).map { "k\($0)" })]
                expected = .tooManyKeywords
            default:
                messages[1].1 = [.store(alice, "nothing")]
                expected = .noSuchMailbox
            }
            let results = try await storage.commitTogether(messages)
            #expect(results.map(\.outcome) == [.notAttempted, expected, .notAttempted])
            #expect(results.allSatisfy { $0.uid == 0 && !$0.hasReceipt })
            #expect(try await storage.mailbox(alice, "INBOX") == before)
            for table in ["mail.messages", "mail.receipts", "mail.contents"] {
                #expect(try await storage.database.query("SELECT count(*) FROM \(table)") == "0", "\(table)")
            }
            let said = try await storage.database.query(
                "SELECT string_agg(event || ' ' || outcome, ',' ORDER BY disposition) FROM mail.ledger")
            #expect(said == "4 7,4 \(expected.rawValue),4 7")
            #expect(
                try await storage.database.query("SELECT used_octets + used_messages FROM directory.accounts") == "0")
            // One after another the others go.
            messages.remove(at: 1)
            #expect(try await storage.commitTogether(messages).map(\.outcome) == [.done, .done])
        }
    }

    @Test("count against the quota together")
    func quota() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", messages: 3)
            let three = (0..<3).map { ("A: \($0)\r\n\r\n", [Disposition.store(alice)]) }
            let four = three + [("A: 4\r\n\r\n", [.store(alice)])]
            #expect(
                try await storage.commitTogether(four).map(\.outcome)
                    == [.notAttempted, .notAttempted, .notAttempted, .overQuota])
            #expect(try await storage.commitTogether(three).map(\.outcome) == [.done, .done, .done])
        }
    }

    @Test("and repeated on another connection are not stored again: the answer is the first one's")
    func repetition() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let messages = (0..<3).map { ("A: x\r\n\r\n", [Disposition.store(alice).known(as: "together \($0)")]) }
            let transaction = TransactionID.next()
            let first = try await storage.commitTogether(messages, transaction: transaction, connection: .next())
            #expect(first.map(\.uid) == [1, 2, 3])
            let other = try await storage.commitTogether(messages, connection: .next())
            #expect(place(other) == place(first))
            #expect(other.allSatisfy { Array($0.copyID) == transaction.octets && $0.hasReceipt })
            // The request itself, sent again.
            let again = try await storage.commitTogether(messages, transaction: transaction, connection: .next())
            #expect(place(again) == place(first))
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 3)
            // Two at once, on two connections: one of them stores.
            let others = (0..<2).map { ("A: y\r\n\r\n", [Disposition.store(alice).known(as: "other \($0)")]) }
            async let left = storage.commitTogether(others, connection: .next())
            async let right = storage.commitTogether(others, connection: .next())
            #expect(try await place(left) == place(right))
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 5)
        }
    }

    @Test("and repeated on the same connection are new ones")
    func sameConnection() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let messages = (0..<2).map { ("A: x\r\n\r\n", [Disposition.store(alice).known(as: "together \($0)")]) }
            let connection = TransactionID.next()
            for ordinal in UInt32(1)...3 {
                let results = try await storage.commitTogether(messages, connection: connection, ordinal: ordinal)
                #expect(results.map(\.uid) == [ordinal * 2 - 1, ordinal * 2])
            }
        }
    }

    @Test("and settled make a repetition new, all of it")
    func settled() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let messages = (0..<2).map { ("A: x\r\n\r\n", [Disposition.store(alice).known(as: "together \($0)")]) }
            let connection = TransactionID.next()
            let first = try await storage.commitTogether(messages, connection: connection)
            #expect(try await storage.settle(first, by: connection).settled == 2)
            #expect(try await storage.commitTogether(messages, connection: .next()).map(\.uid) == [3, 4])
        }
    }

    @Test("and settled in part make a repetition new, all of it: the reply that was read was one")
    func settledInPart() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let messages = (0..<3).map { ("A: x\r\n\r\n", [Disposition.store(alice).known(as: "together \($0)")]) }
            let connection = TransactionID.next()
            let first = try await storage.commitTogether(messages, connection: connection)
            #expect(try await storage.settle([first[1]], by: connection).settled == 1)
            #expect(try await storage.commitTogether(messages, connection: .next()).map(\.uid) == [4, 5, 6])
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 6)
        }
    }

    @Test("may be large, and staged before")
    func staged() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let large = "A: large\r\n\r\n" + String(repeating: "x", count: 700_000)
            let staged = try await storage.delivery.stage(
                StageRequest(), octets: Payload(ByteBuffer(string: large)), CallContext(timeout: .seconds(30)))
            var request = storage.together([
                ("A: 1\r\n\r\none", [.store(alice)]), ("A: 3\r\n\r\nthree", [.store(alice)]),
            ])
            request.request.messages.insert(
                .with {
                    $0.content.stagedContentID = staged.contentID
                    $0.content.headerOctets = 12
                    $0.content.bodyOctets = 700_000
                    $0.dispositions = [.store(alice)]
                }, at: 1)
            request.payload.insert(ByteBuffer(), at: 3)
            let results = try await storage.delivery.commit(
                request.request, payload: request.payload, CallContext(transaction: .next(), timeout: .seconds(20))
            ).results
            #expect(results.map(\.uid) == [1, 2, 3])
            for (result, text) in zip(results, ["A: 1\r\n\r\none", large, "A: 3\r\n\r\nthree"]) {
                #expect(try await storage.octets(alice, result.mailboxID, result.uid) == Array(text.utf8))
            }
        }
    }

    @Test("are refused when the payload is not theirs")
    func malformed() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let good = storage.together([("A: 1\r\n\r\none", [.store(alice)]), ("A: 2\r\n\r\ntwo", [.store(alice)])])
            var bad = Array(repeating: good, count: 6)
            bad[0].payload = good.payload.dropLast()
            bad[1].payload.append(ByteBuffer())
            bad[2].request.messages = good.request.messages.dropLast()
            bad[3].request.dispositions = good.request.messages[0].dispositions
            bad[4].request.messages[1].content.bodyOctets += 1
            bad[5].request.messages[1].dispositions[0].action = nil
            for (request, payload) in bad {
                await #expect(throws: MessagingError.self) {
                    try await storage.delivery.commit(request, payload: payload, CallContext(transaction: .next()))
                }
            }
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 0)
        }
    }

    @Test("go through when connections are killed under them, and are there once")
    func killedConnections() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let killer = Task {
                while !Task.isCancelled {
                    _ = try? await storage.database.query(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name LIKE 'martlet-storage reader%'
                            AND query LIKE '%commit_dispositions%'
                        """)
                    try? await Task.sleep(for: .milliseconds(5))
                }
            }
            var stored = 0
            for round in 0..<60 {
                let transaction = TransactionID.next()
                let messages = (0..<3).map { ("A: x\r\n\r\n", [Disposition.store(alice).known(as: "\(round) \($0)")]) }
                while true {
                    if let results = try? await storage.commitTogether(
                        messages, transaction: transaction, connection: .next(), timeout: .seconds(20))
                    {
                        #expect(results.allSatisfy { $0.outcome == .done })
                        stored += results.count
                        break
                    }
                }
            }
            killer.cancel()
            await killer.value
            // The connection that is asked may be one that was killed last, while it was idle.
            var entries: Int?
            while entries == nil { entries = try? await storage.view(alice, "INBOX").entries.count }
            #expect(entries == stored)
            #expect(stored == 180)
        }
    }
}
