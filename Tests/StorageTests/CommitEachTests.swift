import Contracts
import Database
import Messaging
import NIOCore
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

/// Commits of one connection that come together, each for itself, against the real database.
@Suite("Commits that come one behind the other", .timeLimit(.minutes(3)))
struct CommitEachTests {
    private func quick(_ options: inout StorageEngine.Options) {
        options.settlementGrace = .milliseconds(50)
    }

    /// One APPEND: what is in the message, where it goes, which one of its connection it is.
    private struct Append {
        var text: String
        var disposition: Disposition
        var transaction = TransactionID.next()
        var ordinal: UInt32

        init(_ ordinal: Int, _ disposition: Disposition, text: String = "") {
            self.ordinal = UInt32(ordinal)
            self.text = "Subject: \(ordinal)\r\n\r\n" + text
            self.disposition = disposition.known(as: "append \(self.text)")
        }
    }

    private func commit(
        _ appends: [Append], on storage: StorageFixture, connection: TransactionID, began: Moment? = nil
    ) async throws -> [CommitReply.Result] {
        var request = CommitEachRequest()
        request.origin.entrance = .append
        request.origin.clientAddress = "192.0.2.1"
        request.origin.connectionID = .init(connection.octets)
        if let began {
            request.origin.machine = began.machine
            request.origin.beganAt = began.wallClock
            request.origin.beganUptime = began.uptime
            request.origin.receivedAt = Moment.now.wallClock
        }
        var payload = ByteBuffer()
        for append in appends {
            let (header, body) = storage.split(append.text)
            payload.writeString(append.text)
            request.commits.append(
                .with {
                    $0.transactionID = .init(append.transaction.octets)
                    $0.ordinal = append.ordinal
                    $0.receivedUptime = Moment.now.uptime
                    $0.content.headerOctets = Int64(header.utf8.count)
                    $0.content.bodyOctets = Int64(body.utf8.count)
                    $0.content.envelope = .init("(envelope)".utf8)
                    $0.content.bodyStructure = .init("(structure)".utf8)
                    $0.content.body = .init("(summary)".utf8)
                    $0.content.mimeIndex = .init([1, 2, 3])
                    $0.dispositions = [append.disposition]
                })
        }
        let reply = try await storage.delivery.commitEach(
            request, payload: [payload], CallContext(timeout: .seconds(20)))
        guard reply.replies.allSatisfy({ $0.results.count == 1 }) else {
            throw TestFailure("not one result for each")
        }
        return reply.replies.map { $0.results[0] }
    }

    @Test("are stored in their order, each with its own transaction and receipt")
    func stored() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let appends = (1...100).map { Append($0, .store(alice, flags: ["\\Seen", "$k\($0 % 3)"]), text: "text") }
            let results = try await commit(appends, on: storage, connection: .next())
            #expect(results.map(\.uid) == Array(1...100) && results.allSatisfy { $0.outcome == .done })
            for (append, result) in zip(appends, results) {
                #expect(Array(result.receipt.transactionID) == append.transaction.octets)
                #expect(Array(result.copyID) == append.transaction.octets)
                #expect(try await storage.octets(alice, result.mailboxID, result.uid) == Array(append.text.utf8))
            }
            let mailbox = try #require(try await storage.mailbox(alice, "INBOX"))
            #expect(mailbox.messageCount == 100 && mailbox.uidNext == 101)
            // The same request once more finds what it did.
            #expect(try await commit(appends, on: storage, connection: .next()).map(\.uid) == Array(1...100))
        }
    }

    @Test("fail each for itself: what does not fit keeps nobody out")
    func failures() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", octets: 1000)
            let large = String(repeating: "x", count: 1000)
            let results = try await commit(
                [
                    Append(1, .store(alice)), Append(2, .store(alice), text: large),
                    Append(3, .store(alice, "nothing")), Append(4, .store(alice, flags: (0..<57).map { "k\($0)" })),
                    Append(5, .store(alice)),
                ], on: storage, connection: .next())
            #expect(results.map(\.outcome) == [.done, .overQuota, .noSuchMailbox, .tooManyKeywords, .done])
            #expect(results.map(\.uid) == [1, 0, 0, 0, 2])
        }
    }

    @Test("and come again on another connection in other groups are stored once")
    func regrouped() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            func appends(_ ordinals: ClosedRange<Int>) -> [Append] {
                ordinals.map { Append($0, .store(alice)) }
            }
            let first = try await commit(appends(1...6), on: storage, connection: .next())
            #expect(first.map(\.uid) == [1, 2, 3, 4, 5, 6])
            let connection = TransactionID.next()
            var again = try await commit(appends(1...1), on: storage, connection: connection)
            again += try await commit(appends(2...4), on: storage, connection: connection)
            // What the first connection did not bring is new, behind what it brought.
            again += try await commit(appends(5...8), on: storage, connection: connection)
            #expect(again.map(\.uid) == [1, 2, 3, 4, 5, 6, 7, 8])
            #expect(again.prefix(6).map(\.copyID) == first.map(\.copyID))
            // A third time, one by one.
            let third = TransactionID.next()
            for ordinal in 1...8 {
                let one = try await commit(appends(ordinal...ordinal), on: storage, connection: third)
                #expect(one.map(\.uid) == [UInt32(ordinal)])
            }
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 8)
        }
    }

    @Test("and were committed alone or together before, by the same transactions, are the same")
    func sameTransactions() async throws {
        try await withStorage(adjust: quick) { storage in
            let alice = try await storage.account("alice@example.test")
            let connection = TransactionID.next()
            let appends = (1...5).map { Append($0, .store(alice)) }
            let third = try await commit([appends[2]], on: storage, connection: connection)
            #expect(third.map(\.uid) == [1])
            #expect(try await commit(appends, on: storage, connection: connection).map(\.uid) == [2, 3, 1, 4, 5])
            async let left = commit(appends, on: storage, connection: connection)
            async let right = commit(Array(appends.reversed()), on: storage, connection: connection)
            #expect(try await left.map(\.uid) == [2, 3, 1, 4, 5])
            #expect(try await right.map(\.uid) == [5, 4, 1, 3, 2])
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 5)
        }
    }

    @Test("keep their order when the same message is sent twice")
    func twice() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            var appends = (1...6).map { Append($0, .store(alice)) }
            // The second and the fourth are the first once more.
            for index in [1, 3] {
                appends[index].text = appends[0].text
                appends[index].disposition = appends[0].disposition
            }
            let results = try await commit(appends, on: storage, connection: .next())
            #expect(results.map(\.uid) == [1, 2, 3, 4, 5, 6])
        }
    }

    @Test("keep their order when one of them may be a repetition, and turns out to be none")
    func doubt() async throws {
        try await withStorage(adjust: { $0.settlementGrace = .milliseconds(50) }) { storage in
            let alice = try await storage.account("alice@example.test")
            // What is in doubt waits for what this front service has to tell.
            let now = Moment.now
            _ = try await storage.settle([], by: .next(), .told("front", now))
            let doubtful = Append(2, .store(alice))
            let other = TransactionID.next()
            let before = try await commit([doubtful], on: storage, connection: other)
            #expect(before.map(\.uid) == [1])
            // This connection begins when the first one's client had its reply, as is told a moment later.
            let began = Moment.now
            let appends = [Append(1, .store(alice)), Append(2, .store(alice)), Append(3, .store(alice))]
            let bystander = Append(9, .store(alice))
            async let found = commit(appends, on: storage, connection: .next(), began: began)
            // The first one is there at once, and the third waits for the second.
            try await eventually("the first one") {
                try await storage.mailbox(alice, "INBOX")?.messageCount == 2
            }
            #expect(try await commit([bystander], on: storage, connection: .next()).map(\.uid) == [3])
            _ = try await storage.settle(before, by: other, .told("front", now.advanced(by: .seconds(60))))
            #expect(try await found.map(\.uid) == [2, 4, 5])
        }
    }

    @Test("that are described wrongly are refused")
    func malformed() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            func request(_ change: (inout CommitEachRequest) -> Void, payload: String = "A: b\r\n\r\n") async throws {
                var request = CommitEachRequest.with {
                    $0.origin.entrance = .append
                    $0.commits = [
                        .with {
                            $0.transactionID = .init(TransactionID.next().octets)
                            $0.content.headerOctets = 8
                            $0.dispositions = [.store(alice)]
                        }
                    ]
                }
                change(&request)
                _ = try await storage.delivery.commitEach(
                    request, payload: [ByteBuffer(string: payload)], CallContext())
            }
            try await request({ _ in })
            for change: (inout CommitEachRequest) -> Void in [
                { $0.commits[0].transactionID = .init([1]) }, { $0.commits[0].content.headerOctets = 9 },
                { $0.commits[0].content.headerOctets = -1 }, { $0.commits[0].content.bodyOctets = .max },
                { $0.commits[0].content.headerOctets = 7 }, { $0.commits[0].content.stagedContentID = 1 },
                { $0.commits[0].dispositions = [] }, { $0.commits[0].dispositions[0].store.userID = alice + 1 },
            ] {
                await #expect(throws: MessagingError.self) { try await request(change) }
            }
            #expect(try await storage.mailbox(alice, "INBOX")?.messageCount == 1)
        }
    }
}

/// What goes into one transaction and what later.
@Suite("Rounds of a batch")
struct CommitRoundsTests {
    private func commit(_ name: String) throws -> PreparedCommit {
        PreparedCommit(
            transaction: try #require(DatabaseUUID(octets: TransactionID.next().octets)),
            origin: PreparedOrigin(Origin()), content: nil, stagedContentID: 1, size: 1, messageID: "",
            dispositions: [
                try PreparedDisposition(Disposition.store(1).known(as: name), at: 0, of: .next())
            ])
    }

    private func rounds(_ runs: [[String]]) throws -> CommitRounds {
        CommitRounds(try runs.map { try $0.map { try commit($0) } })
    }

    private func done(_ round: [CommitRounds.Member], doubt: Int? = nil) -> [CommitRounds.Result] {
        round.indices.map { .success(CommitBatch.Outcome(reply: CommitReply(), isInDoubt: $0 == doubt)) }
    }

    private func names(_ round: [CommitRounds.Member]) -> [String] { round.map { "\($0.run).\($0.position)" } }

    @Test("The same delivery waits, and what stands behind it in its run")
    func same() throws {
        var rounds = try rounds([["a", "b", "a", "c"], ["b"], ["d"]])
        let first = rounds.next()
        #expect(names(first) == ["0.0", "0.1", "2.0"])
        #expect(rounds.finish(first, done(first)).map(\.run) == [2])
        let second = rounds.next()
        #expect(names(second) == ["0.2", "0.3", "1.0"])
        #expect(rounds.finish(second, done(second)).map(\.run) == [0, 1])
        #expect(rounds.next().isEmpty)
    }

    @Test("A round that failed goes one by one; behind one in doubt nothing of its run is done")
    func split() throws {
        var rounds = try rounds([["a", "b", "c", "a"], ["e"]])
        let first = rounds.next()
        rounds.split(first)
        #expect(names(first) == ["0.0", "0.1", "0.2", "1.0"])
        var done: [Int] = []
        for (expected, doubt) in [("0.0", nil), ("0.1", 0), ("1.0", nil)] as [(String, Int?)] {
            let round = rounds.next()
            #expect(names(round) == [expected])
            done += rounds.finish(round, self.done(round, doubt: doubt)).map { run, results in
                if run == 0 {
                    let doubts = results.map { (try? $0.get().isInDoubt) ?? false }
                    #expect(doubts == [false, true, true, true])
                }
                return run
            }
        }
        #expect(done == [0, 1])
        #expect(rounds.next().isEmpty)
    }
}
