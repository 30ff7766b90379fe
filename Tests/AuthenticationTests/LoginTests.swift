import Contracts
import Foundation
import Messaging
import SASL
import TestSupport
import Testing

@testable import Authentication

private let binding = SASL.ChannelBinding(type: "tls-exporter", octets: Array(repeating: 9, count: 32))
private let alice = Outcome.identity(1, "alice@example.test")

@Suite(.timeLimit(.minutes(3)))
struct LoginTests {
    @Test func oneVerifierServesEveryMechanism() async throws {
        let harness = try await Harness.start()
        #expect(try await harness.set("correct horse", for: "Alice@Example.Test") == false)
        for mechanism in Mechanism.allCases {
            for name in ["alice@example.test", "ALICE@EXAMPLE.TEST"] {
                let outcome = try await harness.login(
                    mechanism, name, "correct horse", clientBindings: [binding], serverBindings: [binding],
                    offered: Mechanism.allCases)
                #expect(outcome == alice, "\(mechanism)")
            }
        }
        await harness.stop()
    }

    @Test func passwordsThatLookTheSameAreTheSame() async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("caf\u{E9} I\u{AD}X", for: "alice@example.test")
        for mechanism in [Mechanism.scramSHA256, .plain, .login] {
            #expect(try await harness.login(mechanism, "alice@example.test", "cafe\u{301} IX") == alice)
        }
        await harness.stop()
    }

    /// Neither the reply, nor its form, nor the work behind it tells whether a name exists.
    @Test(arguments: Mechanism.allCases)
    func aFailedNameAndAFailedPasswordAreNotToldApart(mechanism: Mechanism) async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("right", for: "alice@example.test")
        let before = harness.engine.workers.performed
        func work(_ name: String) async throws -> Int {
            let start = harness.engine.workers.performed
            let outcome = try await harness.login(
                mechanism, name, "wrong", clientBindings: [binding], serverBindings: [binding],
                offered: Mechanism.allCases)
            #expect(outcome == .failure(.credentials))
            return harness.engine.workers.performed - start
        }
        let known = try await work("alice@example.test")
        let unknown = try await work("nobody@example.test")
        #expect(known == unknown)
        #expect(known == (mechanism.sendsPassword ? 1 : 0))
        #expect(harness.engine.workers.performed == before + 2 * known)
        // Both were counted.
        let subjects = try await harness.database.psql([
            "--command", "SELECT subject, level FROM authentication.failures ORDER BY 1",
        ])
        #expect(subjects.contains("name:alice@example.test"))
        #expect(subjects.contains("name:nobody@example.test"))
        await harness.stop()
    }

    @Test func theSaltOfANameThatNobodyHasIsAlwaysTheSameAndLooksLikeAnyOther() async throws {
        let harness = try await Harness.start()
        let other = try await Harness.start(on: harness.database)
        _ = try await harness.set("right", for: "alice@example.test")
        func challenge(_ harness: Harness, _ name: String) async throws -> [String: String] {
            let reply = try await harness.sasl.start(
                .with {
                    $0.mechanism = "SCRAM-SHA-256"
                    $0.initialResponse = Data("n,,n=\(name),r=abc".utf8)
                    $0.clientAddress = "192.0.2.1"
                }, CallContext())
            var attributes: [String: String] = [:]
            for part in String(decoding: reply.challenge, as: UTF8.self).split(separator: ",") {
                attributes[String(part.prefix(1))] = String(part.dropFirst(2))
            }
            return attributes
        }
        let known = try await challenge(harness, "alice@example.test")
        let first = try await challenge(harness, "nobody@example.test")
        let second = try await challenge(other, "Nobody@example.test")
        let third = try await challenge(harness, "somebody@example.test")
        #expect(first["s"] == second["s"])
        #expect(first["s"] != third["s"])
        #expect(first["s"]?.count == known["s"]?.count)
        #expect(first["i"] == known["i"])
        #expect(first["r"]?.count == known["r"]?.count)
        await harness.stop()
        await other.stop()
    }

    @Test func anyReplicaGoesOnWithAnExchange() async throws {
        let first = try await Harness.start()
        let second = try await Harness.start(on: first.database)
        let stranger = try await Harness.start(on: first.database, secret: "another")
        _ = try await first.set("right", for: "alice@example.test")
        for mechanism in [Mechanism.scramSHA256, .login] {
            #expect(try await first.login(mechanism, "alice@example.test", "right", then: second) == alice)
            await #expect(throws: MessagingError.self) {
                try await first.login(mechanism, "alice@example.test", "right", then: stranger)
            }
        }
        for harness in [first, second, stranger] { await harness.stop() }
    }

    @Test func anExchangeBelongsToOneClientAndATime() async throws {
        let seal = ExchangeSeal(secret: [1], lifetime: .seconds(10))
        var exchange = ServerExchange(.login, in: .init())
        _ = exchange.began()
        let open = OpenExchange(exchange: exchange, identity: .with { $0.accountID = 7 })
        let sealed = try #require(seal.seal(open, client: "192.0.2.1", now: 0))
        let opened = try seal.open(sealed, client: "192.0.2.1", now: 10_000_000)
        #expect(opened.exchange == exchange)
        #expect(opened.identity?.accountID == 7)
        #expect(throws: (any Error).self) { try seal.open(sealed, client: "192.0.2.2", now: 0) }
        #expect(throws: (any Error).self) { try seal.open(sealed, client: "192.0.2.1", now: 10_000_001) }
    }

    @Test func nobodyActsAsSomebodyElse() async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("right", for: "alice@example.test")
        for mechanism in [Mechanism.plain, .scramSHA256] {
            #expect(
                try await harness.login(
                    mechanism, "alice@example.test", "right", authorization: "Alice@example.test") == alice)
            #expect(
                try await harness.login(mechanism, "alice@example.test", "right", authorization: "bob@example.test")
                    == .failure(.authorization))
            // Only who proved himself learns so much.
            #expect(
                try await harness.login(mechanism, "alice@example.test", "wrong", authorization: "bob@example.test")
                    == .failure(.credentials))
        }
        await harness.stop()
    }

    @Test func aPasswordIsShownUnderTLSOnly() async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("right", for: "alice@example.test")
        for mechanism in [Mechanism.plain, .login] {
            #expect(
                try await harness.login(mechanism, "alice@example.test", "right", overTLS: false)
                    == .failure(.encryptionRequired))
        }
        #expect(try await harness.login(.scramSHA256, "alice@example.test", "right", overTLS: false) == alice)
        await harness.stop()
    }

    @Test func theBoundMechanismNeedsABinding() async throws {
        let harness = try await Harness.start()
        _ = try await harness.set("right", for: "alice@example.test")
        #expect(
            try await harness.login(.scramSHA256Plus, "alice@example.test", "right", clientBindings: [binding])
                == .failure(.unknownMechanism))
        // Somebody took the bound mechanism out of what the server offered (RFC 5802, 6).
        #expect(
            try await harness.login(
                .scramSHA256, "alice@example.test", "right", clientBindings: [binding], serverBindings: [binding],
                offered: [.scramSHA256, .plain]) == .failure(.credentials))
        await harness.stop()
    }

    @Test func whatIsAnnouncedDependsOnTheConnection() async throws {
        let harness = try await Harness.start()
        func announced(_ overTLS: Bool, _ types: [String]) async throws -> [String] {
            try await harness.sasl.mechanisms(
                .with {
                    $0.overTls = overTLS
                    $0.channelBindingTypes = types
                }, CallContext()
            ).mechanisms
        }
        #expect(try await announced(false, []) == ["SCRAM-SHA-256"])
        #expect(try await announced(true, []) == ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
        #expect(
            try await announced(true, ["tls-exporter"]) == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])
        await harness.stop()
    }

    @Test func nonsenseIsAnsweredAsSuch() async throws {
        let harness = try await Harness.start()
        func start(_ mechanism: String, _ response: String) async throws -> SaslFailure {
            try await harness.sasl.start(
                .with {
                    $0.mechanism = mechanism
                    $0.initialResponse = Data(response.utf8)
                    $0.overTls = true
                }, CallContext()
            ).failure
        }
        #expect(try await start("CRAM-MD5", "") == .unknownMechanism)
        #expect(try await start("PLAIN", "no parts") == .malformed)
        #expect(try await start("SCRAM-SHA-256", "n,,") == .malformed)
        #expect(try await start("PLAIN", "\0" + String(repeating: "a", count: 5000) + "\0b") == .malformed)
        await #expect(throws: MessagingError.self) {
            _ = try await harness.sasl.respond(.with { $0.exchange = Data("forged".utf8) }, CallContext())
        }
        await harness.stop()
    }
}
