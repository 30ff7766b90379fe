import Contracts
import Foundation
import Messaging
import SASL
import TestSupport
import Testing

/// Authentication as a process on a private PostgreSQL; the test calls as those do that let users log in.
@Suite("martlet-authentication", .timeLimit(.minutes(8)))
struct AuthenticationProcessTests {
    private let alice = Outcome.identity(7, "alice@example.test")

    @Test("lets in who has the password, by every mechanism, until the operator takes it away")
    func logins() async throws {
        try await AuthenticationHouse.run { authentication in
            let offered = try await authentication.sasl.mechanisms(
                .with {
                    $0.overTls = true
                    $0.channelBindingTypes = ["tls-exporter"]
                }, CallContext()
            ).mechanisms
            #expect(offered == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])
            #expect(try await !authentication.set("right", for: "alice@example.test", id: 7))
            for mechanism in [Mechanism.plain, .login, .scramSHA256] {
                #expect(try await authentication.login(mechanism, "alice@example.test", "right") == alice)
                let wrong = try await authentication.login(mechanism, "alice@example.test", "wrong")
                let unknown = try await authentication.login(mechanism, "nobody@example.test", "right")
                #expect(wrong == .failure(.credentials) && unknown == wrong)
            }
            let clear = try await authentication.login(.plain, "alice@example.test", "right", overTLS: false)
            #expect(clear == .failure(.encryptionRequired))
            let removed = try await authentication.accounts.removeCredentials(
                .with { $0.accountID = 7 }, CallContext(idempotencyKey: .next()))
            #expect(removed.removed)
            #expect(try await authentication.login(.plain, "alice@example.test", "right") == .failure(.credentials))
        }
    }

    @Test("lets nobody but the operator set passwords, and the operator log nobody in")
    func access() async throws {
        try await AuthenticationHouse.run { authentication in
            for caller in ["smtp-ingress", "imap-access", "content-processing", "storage"] {
                let client = AccountsClient(try authentication.house.client(to: .authentication, as: caller))
                await #expect("\(caller)") {
                    try await client.setPassword(
                        .with {
                            $0.accountID = 7
                            $0.address = "alice@example.test"
                            $0.password = "stolen"
                        }, CallContext(idempotencyKey: .next()))
                } throws: {
                    ($0 as? MessagingError)?.code == .denied
                }
            }
            let operatorSasl = SaslClient(try authentication.house.client(to: .authentication, as: "martlet"))
            await #expect(throws: MessagingError.self) {
                try await operatorSasl.mechanisms(SaslMechanismsRequest(), CallContext())
            }
        }
    }

    @Test("killed in the middle of an exchange: the new process goes on with it, since no process keeps one")
    func killedInAnExchange() async throws {
        try await AuthenticationHouse.run { authentication in
            _ = try await authentication.set("right", for: "alice@example.test", id: 7)
            let outcome = try await authentication.login(.scramSHA256, "alice@example.test", "right") {
                try await authentication.restart()
                try await authentication.running.untilReady()
                try await authentication.house.untilReached()
            }
            #expect(outcome == alice)
        }
    }

    @Test("killed under load lets in and refuses whom it did before; a password that was set is set")
    func killedUnderLoad() async throws {
        try await AuthenticationHouse.run { authentication in
            _ = try await authentication.set("right", for: "alice@example.test", id: 7)
            let load = try await Load<[Outcome]>.run(clients: 4, isRepeating: true) {
                authentication
            } step: { authentication, number in
                let name = "user-\(number)@example.test"
                _ = try await authentication.set("password \(number)", for: name, id: Int64(number + 100))
                // An address for each: throttling is none of this test's business.
                let client = "198.18.\(number / 250).\(number % 250)"
                return [
                    try await authentication.login(.plain, "alice@example.test", "right", client: client),
                    try await authentication.login(.scramSHA256, name, "password \(number)", client: client),
                    try await authentication.login(.plain, name, "another", client: client),
                ]
            } during: { load in
                for _ in 1...2 {
                    try await load.untilAnswered(20)
                    try await authentication.restart()
                }
                try await load.untilAnswered(20)
            }
            for (number, outcomes) in load.answers {
                let user = Outcome.identity(Int64(number + 100), "user-\(number)@example.test")
                #expect(outcomes == [alice, user, .failure(.credentials)], "\(number)")
                let later = try await authentication.login(.plain, "user-\(number)@example.test", "password \(number)")
                #expect(later == user)
            }
            for failure in load.failures {
                #expect((failure as? MessagingError)?.isTemporary == true, "\(failure)")
            }
        }
    }

    @Test("says that it is unavailable while PostgreSQL is away, and lets in within two seconds of its return")
    func databaseAway() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        try await AuthenticationHouse.run(on: try await cluster.database()) { authentication in
            _ = try await authentication.set("right", for: "alice@example.test", id: 7)
            try await expectPromptReturn(of: "PostgreSQL") {
                try await cluster.kill()
            } meanwhile: { () async throws in
                await #expect {
                    try await authentication.login(.plain, "alice@example.test", "right")
                } throws: {
                    ($0 as? MessagingError)?.isTemporary == true
                }
            } comeBack: {
                try await cluster.start()
            } isServed: {
                (try? await authentication.login(.plain, "alice@example.test", "right")) == alice
            }
        }
    }

    @Test("starts before PostgreSQL is there, says what it waits for, and needs no restart when it comes")
    func startsAlone() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        let database = try await cluster.database()
        try await cluster.kill()
        try await AuthenticationHouse.run(on: database, isReady: false) { authentication in
            try await eventually("the service to say what it waits for") {
                authentication.running.errors.contains("PostgreSQL: ")
            }
            try await cluster.start()
            try await authentication.running.untilReady()
            try await authentication.house.untilReached()
            #expect(try await !authentication.set("right", for: "alice@example.test", id: 7))
        }
    }

    @Test("told to leave, leaves with status 0")
    func leaves() async throws {
        try await AuthenticationHouse.run { try await $0.running.terminate() }
    }
}
