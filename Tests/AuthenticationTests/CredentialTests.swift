import Contracts
import Foundation
import Messaging
import SASL
import TestSupport
import Testing

@testable import Authentication

private let address = "alice@example.test"
private let alice = Outcome.identity(1, address)

@Suite(.timeLimit(.minutes(3)))
struct CredentialTests {
    @Test func passwordsAreSetReplacedListedAndRemoved() async throws {
        let harness = try await Harness.start()
        #expect(try await harness.set("first", for: address) == false)
        #expect(try await harness.set("second", for: address) == true)
        #expect(try await harness.set("other", for: "bob@example.test", id: 2) == false)
        #expect(try await harness.login(.plain, address, "first") == .failure(.credentials))
        #expect(try await harness.login(.plain, address, "second") == alice)

        func listed() async throws -> [Int64] {
            try await harness.accounts.listCredentials(.with { $0.accountIds = [3, 2, 1] }, CallContext()).accountIds
        }
        func remove() async throws -> Bool {
            try await harness.accounts.removeCredentials(
                .with { $0.accountID = 1 }, CallContext(idempotencyKey: .next())
            ).removed
        }
        #expect(try await listed() == [1, 2])
        #expect(try await remove() == true)
        #expect(try await remove() == false)
        #expect(try await listed() == [2])
        #expect(try await harness.login(.plain, address, "second") == .failure(.credentials))
        await harness.stop()
    }

    @Test func anAddressThatWasGivenToANewAccountBelongsToItAlone() async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("old", for: address, id: 1)
        _ = try await harness.set("new", for: address, id: 2)
        #expect(try await harness.login(.plain, address, "old") == .failure(.credentials))
        #expect(try await harness.login(.plain, address, "new") == .identity(2, address))
        await harness.stop()
    }

    @Test(arguments: ["", "bell\u{7}", "\u{627}1", "\u{221}", String(repeating: "x", count: 1025)])
    func aPasswordThatNobodyCouldTypeIsNotSet(password: String) async throws {
        let harness = try await Harness.start()
        await #expect(throws: MessagingError.self) { try await harness.set(password, for: address) }
        await harness.stop()
    }

    @Test func onlyVerifiersAreKept() async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("Tr0ub4dor", for: address)
        let dump = try await harness.database.psql(["--command", "SELECT * FROM authentication.credentials"])
        #expect(dump.contains("SCRAM-SHA-256$\(Harness.iterations):"))
        #expect(!dump.contains("Tr0ub4dor"))
        await harness.stop()
    }

    @Test func aPasswordThatWasRightIsKnownAgainWithoutWorkUntilItChanges() async throws {
        let first = try await Harness.start()
        let second = try await Harness.start(on: first.database)
        _ = try await second.set("right", for: address)
        #expect(try await first.login(.plain, address, "right") == alice)
        let work = first.engine.workers.performed
        for _ in 0..<5 { #expect(try await first.login(.plain, address, "right") == alice) }
        #expect(try await first.login(.login, "ALICE@example.test", "right") == alice)
        #expect(first.engine.workers.performed == work)
        // A wrong one costs as much as ever.
        #expect(try await first.login(.plain, address, "wrong") == .failure(.credentials))
        #expect(first.engine.workers.performed == work + 1)
        // The other replica changes it, and changes it back to the same: what was remembered is worth nothing.
        _ = try await second.set("changed", for: address)
        #expect(try await first.login(.plain, address, "right") == .failure(.credentials))
        _ = try await second.set("right", for: address)
        #expect(try await first.login(.plain, address, "right") == alice)
        #expect(first.engine.workers.performed == work + 3)
        await first.stop()
        await second.stop()
    }

    @Test func memoryOfPasswordsIsBoundedAndExpires() {
        let recent = RecentPasswords(lifetime: .seconds(10), limit: 3)
        let start = ContinuousClock.now
        for number in 0..<10 { recent.insert(name: "\(number)", password: "p", verifier: "v", now: start) }
        let known = (0..<10).filter { recent.contains(name: "\($0)", password: "p", verifier: "v", now: start) }
        #expect(known.count == 3)
        #expect(known.contains(9))
        #expect(!recent.contains(name: "9", password: "q", verifier: "v", now: start))
        #expect(!recent.contains(name: "9", password: "p", verifier: "w", now: start))
        #expect(!recent.contains(name: "9", password: "p", verifier: "v", now: start + .seconds(10)))
        let never = RecentPasswords(lifetime: .zero)
        never.insert(name: "a", password: "p", verifier: "v")
        #expect(!never.contains(name: "a", password: "p", verifier: "v"))
    }
}

@Suite(.timeLimit(.minutes(3)))
struct ThrottleTests {
    private func failures(_ harness: Harness, _ count: Int, _ name: String, from client: String) async throws {
        for _ in 0..<count {
            #expect(try await harness.login(.plain, name, "wrong", client: client) == .failure(.credentials))
        }
    }

    private func letPass(_ seconds: Int, _ harness: Harness) async throws {
        try await harness.database.psql([
            "--command", "UPDATE authentication.failures SET updated_at = updated_at - interval '\(seconds) seconds'",
        ])
    }

    @Test func anAddressThatFailsTooOftenWaitsWhateverItTries() async throws {
        let harness = try await Harness.start {
            $0.throttle.client = .init(failures: 3, window: .seconds(3000))
        }
        _ = try await harness.set("right", for: address)
        for name in ["a@example.test", "b@example.test", address] {
            try await failures(harness, 1, name, from: "2001:db8:1:2::1")
        }
        let work = harness.engine.workers.performed
        for mechanism in [Mechanism.plain, .login, .scramSHA256] {
            // Another address of the same network.
            #expect(
                try await harness.login(mechanism, address, "right", client: "2001:db8:1:2:ffff::9")
                    == .failure(.throttled))
        }
        #expect(harness.engine.workers.performed == work)
        #expect(try await harness.login(.plain, address, "right", client: "2001:db8:1:3::1") == alice)
        // The bucket leaks: one more attempt after a third of the window, all after the whole.
        try await letPass(1100, harness)
        try await failures(harness, 1, address, from: "2001:db8:1:2::1")
        #expect(try await harness.login(.plain, address, "right", client: "2001:db8:1:2::1") == .failure(.throttled))
        try await letPass(3100, harness)
        #expect(try await harness.login(.plain, address, "right", client: "2001:db8:1:2::1") == alice)
        await harness.stop()
    }

    @Test(arguments: [address, "nobody@example.test"])
    func aNameForWhichTooManyFailWaitsWhetherItExistsOrNot(name: String) async throws {
        let harness = try await Harness.start {
            $0.throttle.name = .init(failures: 3, window: .seconds(3000))
        }
        _ = try await harness.set("right", for: address)
        for number in 1...3 { try await failures(harness, 1, name, from: "192.0.2.\(number)") }
        for mechanism in [Mechanism.plain, .scramSHA256] {
            #expect(
                try await harness.login(mechanism, name, "right", client: "192.0.2.9") == .failure(.throttled))
        }
        #expect(try await harness.login(.plain, "x@example.test", "y", client: "192.0.2.9") == .failure(.credentials))
        await harness.stop()
    }

    @Test func anExchangeThatBeganInTimeIsHeldUpAtItsEnd() async throws {
        let harness = try await Harness.start { $0.throttle.client = .init(failures: 1, window: .seconds(3000)) }
        _ = try await harness.set("right", for: address)
        var exchange = ClientExchange(.scramSHA256, claim: Claim(name: address), password: "right")
        let initial = try exchange.initialResponse() ?? []
        let reply = try await harness.sasl.start(
            .with {
                $0.mechanism = "SCRAM-SHA-256"
                $0.initialResponse = Data(initial)
                $0.clientAddress = "192.0.2.1"
            }, CallContext())
        try await failures(harness, 1, address, from: "192.0.2.1")
        let response = try exchange.challenged(Array(reply.challenge))
        let last = try await harness.sasl.respond(
            .with {
                $0.exchange = reply.exchange
                $0.response = Data(response)
                $0.clientAddress = "192.0.2.1"
            }, CallContext())
        #expect(last.failure == .throttled)
        await harness.stop()
    }

    @Test func networksAreCountedAsOneClient() {
        #expect(ThrottlePolicy.subject(client: "192.0.2.1") == "client:192.0.2.1")
        #expect(ThrottlePolicy.subject(client: "::ffff:192.0.2.1") == "client:192.0.2.1")
        #expect(ThrottlePolicy.subject(client: "2001:db8:1:2:3::4") == "client:20010db800010002/64")
        #expect(ThrottlePolicy.subject(client: "fe80::1%eth0") == "client:fe80000000000000/64")
    }
}

@Suite(.timeLimit(.minutes(3)))
struct OverloadTests {
    @Test func beyondItsQueueTheServiceAnswersAtOnce() async throws {
        let workers = PasswordWorkers(threads: 1, waitingLimit: 2)
        let gate = DispatchSemaphore(value: 0)
        let (entered, entering) = AsyncStream<Void>.makeStream()
        let deadline = ContinuousClock.now + .seconds(60)
        async let first: Int = workers.run(deadline: deadline) {
            entering.yield()
            gate.wait()
            return 1
        }
        for await _ in entered { break }
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<10 {
                group.addTask { (try? await workers.run(deadline: deadline) { true }) ?? false }
            }
            var refused = 0
            var served = 0
            for await outcome in group {
                if outcome { served += 1 } else { refused += 1 }
                // Eight are refused while the thread is busy; then it goes on with the two that wait.
                if refused == 8, served == 0 { gate.signal() }
            }
            return (served: served, refused: refused)
        }
        #expect(outcomes == (2, 8))
        #expect(try await first == 1)
        #expect(workers.performed == 3)
    }

    @Test func workThatNobodyWaitsForIsNotDone() async throws {
        let workers = PasswordWorkers(threads: 1, waitingLimit: 2)
        await #expect(throws: MessagingError(.deadlineExceeded, "the password was not checked in time")) {
            try await workers.run(deadline: .now - .seconds(1)) { 1 }
        }
        #expect(workers.performed == 0)
    }
}

@Suite(.timeLimit(.minutes(3)), .serialized)
struct AvailabilityTests {
    @Test func withoutPostgreSQLTheServiceSaysSoAndRecoversByItself() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        let harness = try await Harness.start(on: try await cluster.database())
        _ = try await harness.set("right", for: address)
        #expect(try await harness.login(.plain, address, "right") == alice)
        try await cluster.kill()
        for mechanism in [Mechanism.plain, .scramSHA256] {
            do {
                _ = try await harness.login(mechanism, address, "right")
                Issue.record("answered without a database")
            } catch let error as MessagingError {
                #expect(error.code == .unavailable)
            }
        }
        try await cluster.start()
        let outcome = try await eventually("a login") { try? await harness.login(.plain, address, "right") }
        #expect(outcome == alice)
        await harness.stop()
    }

    @Test func aServiceThatIsThereBeforePostgreSQLWaitsForIt() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        let database = try await cluster.database()
        try await cluster.kill()
        async let starting = Harness.start(on: database)
        try await cluster.start()
        let harness = try await starting
        _ = try await harness.set("right", for: address)
        #expect(try await harness.login(.scramSHA256, address, "right") == alice)
        await harness.stop()
    }
}
