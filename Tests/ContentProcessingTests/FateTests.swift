import Contracts
import Messaging
import TestSupport
import Testing

@testable import ContentProcessing

@Suite("The fate of a message", .timeLimit(.minutes(2)))
struct FateTests {
    @Test("that nobody could take is the failure itself", arguments: [Door.relay, .submission, .lmtp])
    func allFailed(_ door: Door) async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(.overQuota, for: 5)
            await fixture.storage.set(.noSuchAccount, for: 6)
            let statuses = try await fixture.accept(
                sample(), to: [local("full@x.test", 5), local("gone@x.test", 6)], by: door)
            #expect(statuses.map(\.codes) == ["452 4.2.2", "550 5.1.1"])
            #expect(await fixture.storage.commits.count == 1)
        }
    }

    @Test("that some could take is 250 in SMTP, and the copies that failed are in the queue", arguments: [false, true])
    func partly(_ isLarge: Bool) async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(.overQuota, for: 5)
            let transaction = TransactionID.next()
            let message = sample(octets: isLarge ? 400_000 : 0)
            let statuses = try await fixture.accept(
                message, to: [local("full@x.test", 5), local("fine@x.test", 6)], transaction: transaction)
            #expect(statuses.map(\.codes) == ["250 2.0.0", "250 2.0.0"])
            let commits = await fixture.storage.commits
            #expect(commits.count == 2)
            let enqueue = commits[1].request.dispositions.map(\.enqueue)
            #expect(enqueue.map(\.forwardPath) == ["account5@example.test"])
            #expect(enqueue.map(\.reversePath) == ["sender@client.example"])
            // The same delivery done otherwise: its fingerprint and its account are those of the copy that failed.
            #expect(commits[1].transaction == transaction && commits[1].idempotencyKey == transaction)
            let failed = commits[0].request.dispositions[0]
            #expect(commits[1].request.dispositions[0].fingerprints == failed.fingerprints)
            #expect(failed.fingerprints.map(\.count) == [32] && enqueue.map(\.accountID) == [5])
            #expect(commits[1].prefix == commits[0].prefix)
            #expect(commits[1].request.content == commits[0].request.content)
        }
    }

    @Test("is 451 for all when neither mailbox nor queue could take a copy: the client comes again, nothing is lost")
    func notQueued() async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(.overQuota, for: 5)
            await fixture.storage.fail([nil, MessagingError(.failed, "disk full")])
            let statuses = try await fixture.accept(sample(), to: [local("full@x.test", 5), local("fine@x.test", 6)])
            #expect(statuses.map(\.codes) == ["451 4.3.0", "451 4.3.0"])
        }
    }

    @Test("is told for each recipient in LMTP (RFC 2033, 4.2)")
    func lmtp() async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(.overQuota, for: 5)
            let statuses = try await fixture.accept(
                sample(), to: [local("full@x.test", 5), local("fine@x.test", 6)], by: .lmtp)
            #expect(statuses.map(\.codes) == ["452 4.2.2", "250 2.0.0"])
            #expect(await fixture.storage.commits.count == 1)
            // Of an alias, what one target could not take is queued. Whoever leads to the same account alone has a copy
            // of its own: the client may come again with that recipient only.
            let alias = try await fixture.accept(
                sample(), to: [local("team@x.test", 5, 6), local("full@x.test", 5)], by: .lmtp)
            #expect(alias.map(\.codes) == ["250 2.0.0", "452 4.2.2"])
            #expect(await fixture.storage.commits.count == 3)
        }
    }

    @Test("repeated under the same name asks storage for the same things by the same names")
    func repeated() async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(.overQuota, for: 5)
            let transaction = TransactionID.next()
            for _ in 0..<2 {
                let recipients = [local("full@x.test", 5), local("fine@x.test", 6)]
                _ = try await fixture.accept(sample(), to: recipients, transaction: transaction)
            }
            let commits = await fixture.storage.commits
            #expect(commits.count == 4)
            for (first, second) in zip(commits[..<2], commits[2...]) {
                #expect(first.transaction == second.transaction && first.request == second.request)
                #expect(first.payload == second.payload)
            }
        }
    }

    // MARK: Storage away, overload

    @Test("is 451 4.3.0 while storage is away, also for a large message")
    func storageAway() async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.stopStorage()
            for octets in [0, 400_000] {
                let statuses = try await fixture.accept(
                    sample(octets: octets), to: [local("b@x.test", 5), local("c@x.test", 6)],
                    timeout: .seconds(5))
                #expect(statuses.map(\.codes) == ["451 4.3.0", "451 4.3.0"])
            }
        }
    }

    @Test("is 451 4.3.2 when storage has too much in hand, 451 4.3.0 when it fails")
    func storageFails() async throws {
        try await ContentFixture.run { fixture async throws in
            let recipients = [local("b@x.test", 5)]
            await fixture.storage.fail([MessagingError(.failed, "internal")])
            #expect(try await fixture.accept(sample(), to: recipients).map(\.codes) == ["451 4.3.0"])
            let overloaded = MessagingError(.overloaded, "busy")
            await fixture.storage.fail(Array(repeating: overloaded, count: 64))
            let statuses = try await fixture.accept(sample(), to: recipients, timeout: .seconds(5))
            #expect(statuses.map(\.code) == [451])
            await fixture.storage.fail([])
            #expect(try await fixture.accept(sample(), to: recipients).map(\.codes) == ["250 2.0.0"])
        }
    }

    @Test("is decided at once when too much is in hand here")
    func overloaded() async throws {
        let gate = AdmissionGate(messages: 2, octets: 100)
        #expect(gate.enter(1000))
        #expect(!gate.enter(1))
        gate.leave(1000)
        #expect(gate.enter(60) && gate.enter(40))
        #expect(!gate.enter(0))
        gate.leave(60)
        gate.leave(40)

        var limits = ProcessingLimits()
        limits.messagesInHand = 1
        try await ContentFixture.run(limits: limits) { fixture async throws in
            await fixture.storage.hold()
            async let first = fixture.accept(sample(), to: [local("b@x.test", 5)])
            while await fixture.storage.commits.isEmpty { await Task.yield() }
            await #expect(throws: MessagingError.self) {
                try await fixture.accept(sample(), to: [local("c@x.test", 6)], timeout: .milliseconds(500))
            }
            await fixture.storage.release()
            let accepted = try await first + fixture.accept(sample(), to: [local("c@x.test", 6)])
            #expect(accepted.map(\.codes) == ["250 2.0.0", "250 2.0.0"])
        }
    }

    @Test("has one table, whose codes agree with one another (RFC 3463, 2)")
    func table() {
        let fates: [Fate] = [
            .accepted(.next()), .headerTooLarge, .tooManyHeaderFields, .messageTooLarge, .loop, .overQuota,
            .noSuchAccount,
            .noSuchMailbox, .storageAway, .overloaded,
        ]
        for status in fates.map(\.status) {
            #expect(status.enhancedStatus.hasPrefix("\(status.code / 100)."))
            #expect(!status.text.isEmpty && status.text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
        }
    }
}
