import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

/// Storage as a process on a private PostgreSQL; the test calls as the other services do.
@Suite("martlet-storage", .timeLimit(.minutes(8)))
struct StorageProcessTests {
    @Test("keeps accounts for the operator, mail for content processing, and shows it to the IMAP service as it came")
    func way() async throws {
        try await StorageHouse.run { storage in
            let alice = try await storage.account("alice@example.test")
            let resolved = try await storage.ingress.resolve(
                .with { $0.addresses = ["alice@example.test", "nobody@example.test", "a@elsewhere.test"] },
                CallContext())
            #expect(resolved.resolutions.map(\.outcome) == [.accepted, .unknownAddress, .notLocal])
            #expect(resolved.resolutions.first?.targets.first?.accountID == alice)
            let result = try await storage.deliver("Subject: x\r\n\r\nbody\r\n", to: alice, flags: ["\\Seen"])
            #expect(result.outcome == .done && result.uid == 1)
            let view = try await storage.view(alice, "INBOX")
            #expect(view.entries.map(\.uid) == [1] && view.entries.map(\.flags) == [1])
            let octets = try await storage.octets(alice, result.mailboxID, 1)
            #expect(octets == Array("Trace: 1\r\nSubject: x\r\n\r\nbody\r\n".utf8))
            let flags = try await storage.mailStore.storeFlags(
                .with {
                    $0.accountID = alice
                    $0.mailboxID = result.mailboxID
                    $0.uids = [1, 1]
                    $0.operation = .add
                    $0.flags = ["\\Deleted"]
                }, CallContext(idempotencyKey: .next()))
            #expect(flags.flags == [1 | 8])
            let expunged = try await storage.mailStore.expunge(
                .with {
                    $0.accountID = alice
                    $0.mailboxID = result.mailboxID
                }, CallContext(idempotencyKey: .next()))
            #expect(expunged.uids == [1])
            #expect(try await storage.view(alice, "INBOX").entries.isEmpty)
        }
    }

    @Test("announces a change to who listens, with the modseq that the mailbox then has")
    func announces() async throws {
        try await StorageHouse.run { storage in
            let alice = try await storage.account("alice@example.test")
            let subscriber = try storage.house.subscriber(to: .storage, as: "imap-access")
            var notices = subscriber.subscribe(MailboxTopic.account(alice)).makeAsyncIterator()
            #expect(await notices.next() == .lapse)
            let result = try await storage.deliver(to: alice)
            var change = await notices.next()?.mailboxChanged
            while let hierarchy = change?.hierarchy, hierarchy { change = await notices.next()?.mailboxChanged }
            #expect(change?.mailboxID == result.mailboxID && change?.highestModseq == result.modseq)
            await subscriber.close()
        }
    }

    @Test("lets each caller do only what is its own: the ingress reads no mail, the IMAP service stores none")
    func access() async throws {
        try await StorageHouse.run { storage in
            func isDenied(_ body: () async throws -> Void) async -> Bool {
                do {
                    try await body()
                    return false
                } catch {
                    return (error as? MessagingError)?.code == .denied
                }
            }
            let ingress = try storage.house.client(to: .storage, as: "smtp-ingress")
            let imap = try storage.house.client(to: .storage, as: "imap-access")
            let list = ListMailboxesRequest.with { $0.accountID = 1 }
            let commit = CommitRequest.with { $0.dispositions = [.store(1)] }
            let key = CallContext(idempotencyKey: .next())
            #expect(await isDenied { _ = try await MailStoreClient(ingress).listMailboxes(list, key) })
            #expect(await isDenied { _ = try await DeliveryClient(ingress).commit(commit, payload: [], key) })
            #expect(await isDenied { _ = try await DeliveryClient(imap).commit(commit, payload: [], key) })
            #expect(await isDenied { _ = try await DirectoryClient(imap).addDomain(AddDomainRequest(), key) })
        }
    }

    @Test(
        """
        killed in the middle of concurrent commits: each that was answered is there exactly once, and repeated under its \
        name it stores nothing and gets the first answer
        """)
    func killedUnderLoad() async throws {
        try await StorageHouse.run { storage in
            var accounts: [Int64] = []
            for name in ["alice", "bob", "carol"] { accounts.append(try await storage.account("\(name)@example.test")) }
            let owners = accounts
            let names = (0...20_000).map { _ in TransactionID.next() }
            @Sendable func commit(_ number: Int) async throws -> CommitReply.Result {
                let results = try await storage.commit(
                    StorageHouse.message(number), [.store(owners[number % 3])], transaction: names[number],
                    timeout: .seconds(30))
                return try #require(results.first)
            }
            let load = try await Load<CommitReply.Result>.run(clients: 12, isRepeating: true) {
                storage
            } step: { _, number in
                try await commit(number)
            } during: { load in
                for _ in 1...3 {
                    try await load.untilAnswered(100)
                    try await storage.restart()
                }
                try await load.untilAnswered(100)
            }
            #expect(!load.failures.isEmpty, "the process died between two commits only")
            for failure in load.failures {
                #expect((failure as? MessagingError)?.isTemporary == true, "\(failure)")
            }
            let stored = try await storage.numbers(of: owners)
            for (number, result) in load.answers {
                #expect(result.outcome == .done)
                #expect(
                    stored[number] == [StorageHouse.Place(account: owners[number % 3], uid: result.uid)], "\(number)")
            }
            // What was committed but never answered is whole, and there once as well.
            #expect(stored.values.allSatisfy { $0.count == 1 })

            for (number, first) in load.answers { #expect(try await commit(number) == first, "\(number)") }
            #expect(try await storage.numbers(of: owners) == stored)
        }
    }

    @Test(
        "killed while it takes a large message keeps nothing of it that anybody sees, and takes it when it comes again")
    func killedInAnUpload() async throws {
        try await StorageHouse.run { storage in
            let alice = try await storage.account("alice@example.test")
            let octets = ByteBuffer(repeating: 0x61, count: 3_000_000)
            let gate = Gate()
            let slow = Payload(source: HeldSource(octets: octets, gate: gate))
            async let first = storage.delivery.stage(StageRequest(), octets: slow, CallContext(timeout: .seconds(30)))
            try await eventually("half of the message to be there") { gate.arrivals == 1 }
            try await storage.restart()
            gate.open()
            // Clear in any case: it failed, or it was made again from the beginning.
            let staged: StageReply
            do {
                staged = try await first
            } catch {
                #expect((error as? MessagingError)?.isTemporary == true, "\(error)")
                staged = try await eventually("storage to take it") {
                    try? await storage.delivery.stage(
                        StageRequest(), octets: Payload(octets), CallContext(timeout: .seconds(30)))
                }
            }
            #expect(staged.octets == 3_000_000)
            let reply = try await storage.delivery.commit(
                .with {
                    $0.content.stagedContentID = staged.contentID
                    $0.content.headerOctets = 1_000
                    $0.content.bodyOctets = 2_999_000
                    $0.dispositions = [.store(alice)]
                }, payload: [ByteBuffer()], CallContext(idempotencyKey: .next()))
            let result = try #require(reply.results.first)
            #expect(result.outcome == .done)
            let kept = try await storage.octets(alice, result.mailboxID, result.uid)
            #expect(kept == Array(buffer: octets))
        }
    }

    @Test(
        "says that it is unavailable while PostgreSQL is away, and commits and shows mail within two seconds of its return"
    )
    func databaseAway() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        try await StorageHouse.run(on: try await cluster.database()) { storage in
            let alice = try await storage.account("alice@example.test")
            try await storage.deliver("Subject: before\r\n\r\n", to: alice)
            try await expectPromptReturn(of: "PostgreSQL") {
                try await cluster.kill()
            } meanwhile: { () async throws in
                await #expect {
                    try await storage.commit("Subject: away\r\n\r\n", [.store(alice)], timeout: .seconds(3))
                } throws: {
                    ($0 as? MessagingError)?.isTemporary == true
                }
            } comeBack: {
                try await cluster.start()
            } isServed: {
                // Commits and views go by connections of their own.
                guard (try? await storage.deliver("Subject: after\r\n\r\n", to: alice)) != nil else { return false }
                return (try? await storage.view(alice, "INBOX"))?.entries.first?.uid == 1
            }
        }
    }

    @Test("starts before PostgreSQL is there, says what it waits for, and needs no restart when it comes")
    func startsAlone() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        let database = try await cluster.database()
        try await cluster.kill()
        try await StorageHouse.run(on: database, isReady: false) { storage in
            try await eventually("the service to say what it waits for") {
                storage.running.errors.contains("PostgreSQL: ")
            }
            try await cluster.start()
            try await storage.running.untilReady()
            try await storage.house.untilReached()
            let alice = try await storage.account("alice@example.test")
            #expect(try await storage.deliver(to: alice).outcome == .done)
        }
    }

    @Test("told to leave answers the commits in hand, and leaves with status 0")
    func drains() async throws {
        try await StorageHouse.run { storage in
            let alice = try await storage.account("alice@example.test")
            let load = try await Load<CommitReply.Result>.run(clients: 6) {
                storage
            } step: { storage, number in
                let results = try await storage.commit(
                    StorageHouse.message(number), [.store(alice)], timeout: .seconds(5))
                return try #require(results.first)
            } during: { load in
                try await load.untilAnswered(50)
                storage.running.leave()
                #expect(try await storage.running.end() == .exited(0), "\(storage.running.errors)")
            }
            let process = try await storage.house.ready(.storage)
            try await storage.house.untilReached()
            let stored = try await storage.numbers(of: [alice])
            for (number, result) in load.answers { #expect(stored[number]?.map(\.uid) == [result.uid]) }
            try await process.terminate()
        }
    }
}

/// Gives half of its octets at once and the other half when the gate is open.
private struct HeldSource: PayloadSource {
    let octets: ByteBuffer
    let gate: Gate

    var octetCount: Int { octets.readableBytes }

    func read(at offset: Int, upTo limit: Int) async throws -> ByteBuffer {
        if offset >= octetCount / 2 { await gate.pass() }
        return try await octets.read(at: offset, upTo: limit)
    }
}
