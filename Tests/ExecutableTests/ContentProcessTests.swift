import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

/// Content processing as a process; storage is a stub, and the test calls as the ingress and the IMAP service do.
@Suite("martlet-content-processing", .timeLimit(.minutes(8)))
struct ContentProcessTests {
    @Test("has storage commit a message with its trace fields, once for all recipients, under the transaction's name")
    func accepts() async throws {
        try await ContentHouse.run { content in
            let transaction = TransactionID.next()
            let message = sample()
            let statuses = try await content.accept(
                message, to: [local("bob@example.test", 5), local("team@example.test", 5, 6)], transaction: transaction)
            #expect(statuses.map(\.codes) == ["250 2.0.0", "250 2.0.0"])
            #expect(statuses.map(\.text) == [transaction.description, transaction.description])
            let commit = try #require(await content.storage.commits.first)
            #expect(await content.storage.commits.count == 1)
            #expect(commit.transaction == transaction && commit.idempotencyKey == transaction)
            #expect(commit.prefix.hasPrefix("Return-Path: <sender@client.example>\r\nReceived: from client.example"))
            #expect(commit.payload.dropFirst().flatMap { Array(buffer: $0) } == message)
            #expect(commit.request.dispositions.map(\.store.accountID) == [5, 6])
        }
    }

    @Test("streams a large message to storage before it is committed, and queues what goes elsewhere with it")
    func large() async throws {
        try await ContentHouse.run { content in
            let message = sample(octets: Payload.inlineLimit + 2_000_000)
            let statuses = try await content.accept(
                message, to: [local("bob@example.test", 5), remote("carol@far.test")], by: .submission)
            #expect(statuses.map(\.codes) == ["250 2.0.0", "250 2.0.0"])
            #expect(await content.storage.staged == [message])
            let commit = try #require(await content.storage.commits.first)
            #expect(commit.request.content.stagedContentID == 100 && commit.payload.count == 1)
            #expect(commit.request.dispositions.map(\.hasEnqueue) == [false, true])
            #expect(commit.request.dispositions.last?.enqueue.forwardPath == "carol@far.test")
        }
    }

    @Test("stores what an IMAP user appends without trace fields, and says which uid it has")
    func appends() async throws {
        try await ContentHouse.run { content in
            let reply = try await content.append(sample()) { $0.flags = ["\\Draft"] }
            #expect(reply.outcome == .stored && reply.uid == 1 && reply.uidValidity == 11)
            let commit = try #require(await content.storage.commits.first)
            #expect(commit.prefix.isEmpty && commit.request.dispositions.first?.store.mailboxName == "Drafts")
            #expect(commit.request.dispositions.first?.store.flags == ["\\Draft"])
        }
    }

    @Test("lets each caller do only what is its own: the IMAP service hands nothing in, the operator nothing at all")
    func access() async throws {
        try await ContentHouse.run { content in
            for caller in ["imap-access", "martlet", "authentication"] {
                let client = AcceptanceClient(try content.house.client(to: .content, as: caller))
                await #expect("\(caller)") {
                    try await client.accept(
                        AcceptRequest(), message: Payload(ByteBuffer()), CallContext(idempotencyKey: .next()))
                } throws: {
                    ($0 as? MessagingError)?.code == .denied
                }
            }
            #expect(await content.storage.commits.isEmpty)
        }
    }

    @Test(
        "killed under load answers or fails each call clearly; repeated, a transaction asks storage for the very same")
    func killedUnderLoad() async throws {
        try await ContentHouse.run { content in
            let names = (0...10_000).map { _ in TransactionID.next() }
            @Sendable func message(_ number: Int) -> [UInt8] {
                sample(
                    octets: number % 7 == 0 ? Payload.inlineLimit + 100_000 : 4_096, header: "X-Number: \(number)\r\n")
            }
            let load = try await Load<[TransactionStatus]>.run(clients: 6, isRepeating: true) {
                content
            } step: { content, number in
                let statuses = try await content.accept(
                    message(number), to: [local("bob@example.test", 5)], transaction: names[number],
                    timeout: .seconds(30))
                // A new process that does not reach storage yet says that, and is asked again.
                if statuses.map(\.codes) == ["451 4.3.0"] { throw MessagingError(.unavailable, "storage is away") }
                return statuses
            } during: { load in
                for _ in 1...3 {
                    try await load.untilAnswered(60)
                    try await content.restart()
                }
                try await load.untilAnswered(60)
            }
            let commits = Dictionary(grouping: await content.storage.commits, by: \.transaction)
            for (number, statuses) in load.answers {
                #expect(statuses.map(\.codes) == ["250 2.0.0"] && statuses[0].text == names[number].description)
                let asked = try #require(commits[names[number]], "message \(number)")
                for commit in asked {
                    #expect(commit.idempotencyKey == names[number] && commit.prefix == asked[0].prefix)
                    #expect(commit.request.dispositions == asked[0].request.dispositions)
                    #expect(commit.request.content.digest == asked[0].request.content.digest)
                    guard commit.payload.count == 3 else { continue }
                    #expect(commit.payload.dropFirst().flatMap { Array(buffer: $0) } == message(number))
                }
            }
            for failure in load.failures {
                #expect((failure as? MessagingError)?.isTemporary == true, "\(failure)")
            }
        }
    }

    @Test("killed while storage commits: the call is made again at the new process, and storage knows it by its key")
    func killedBeforeTheAnswer() async throws {
        try await ContentHouse.run { content in
            await content.storage.hold()
            let transaction = TransactionID.next()
            async let statuses = content.accept(
                sample(), to: [local("bob@example.test", 5)], transaction: transaction, timeout: .seconds(30))
            try await eventually("storage to have the commit") { await content.storage.commits.count == 1 }
            try await content.restart()
            await content.storage.release()
            // The caller need not even know: within its deadline the same call goes to the replica that came, which may not
            // have reached storage yet.
            var codes: [String] = []
            do {
                codes = try await statuses.map(\.codes)
            } catch let error as MessagingError {
                #expect(error.code == .unavailable, "\(error)")
            }
            if codes != ["250 2.0.0"] {
                #expect(codes.isEmpty || codes == ["451 4.3.0"])
                try await content.house.untilServed(by: content.running)
                let again = try await content.accept(
                    sample(), to: [local("bob@example.test", 5)], transaction: transaction, timeout: .seconds(30))
                #expect(again.map(\.codes) == ["250 2.0.0"])
            }
            let commits = await content.storage.commits
            #expect(commits.count == 2 && commits.allSatisfy { $0.idempotencyKey == transaction })
        }
    }

    @Test("says 451 4.3.0 while storage is away, and commits within two seconds of its return")
    func storageAway() async throws {
        try await ContentHouse.run { content in
            func code() async throws -> [String] {
                try await content.accept(sample(), to: [local("bob@example.test", 5)]).map(\.codes)
            }
            #expect(try await code() == ["250 2.0.0"])
            try await expectPromptReturn(of: content.stub) { () async throws in
                #expect(try await code() == ["451 4.3.0"])
                await #expect(throws: MessagingError.self) { try await content.append(sample()) }
            } isServed: {
                try await code() == ["250 2.0.0"]
            }
        }
    }

    @Test("told to leave finishes the message in hand, and leaves with status 0")
    func drains() async throws {
        try await ContentHouse.run { content in
            await content.storage.hold()
            async let statuses = content.accept(sample(), to: [local("bob@example.test", 5)])
            try await eventually("storage to have the commit") { await content.storage.commits.count == 1 }
            content.running.leave()
            try await eventually("the service to drain") { content.running.errors.contains("message=draining") }
            await content.storage.release()
            #expect(try await statuses.map(\.codes) == ["250 2.0.0"])
            #expect(try await content.running.end() == .exited(0), "\(content.running.errors)")
            #expect(await content.storage.commits.count == 1)
        }
    }
}
