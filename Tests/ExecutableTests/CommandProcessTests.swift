import Contracts
import Foundation
import Messaging
import TestSupport
import Testing

/// The operator's command as a process; storage and authentication are stubs.
@Suite("martlet", .timeLimit(.minutes(8)))
struct CommandProcessTests {
    private func withHouse(_ body: (House, StubHouse, _ storage: StubService) async throws -> Void) async throws {
        try await House.run { house in
            let known = StubHouse()
            house.configuration.withLock {
                $0.sections["administration"] = ["expected: [storage, authentication]", "timeout: 20s"]
            }
            let storage = try house.stub(
                .storage,
                [DirectoryServer(known), MailStoreServer(known), HealthServer(StubHealth(service: "storage"))])
            try house.stub(
                .authentication,
                [AccountsServer(known), HealthServer(StubHealth(service: "authentication", waitingFor: "PostgreSQL"))])
            try await body(house, known, storage)
        }
    }

    @Test("account add makes the account at storage and its password at authentication, and account list shows both")
    func accounts() async throws {
        try await withHouse { house, known, _ in
            let added = try await house.run(
                .command, ["account", "add", "alice@example.test", "--password-stdin", "--quota", "1GB"],
                input: "correct horse\n")
            #expect(added.end == .exited(0) && added.output == "added alice@example.test\n" && added.errors.isEmpty)
            known.state.withLock { state in
                #expect(state.passwords == [1: "correct horse"] && state.changesWithoutKey == 0)
                #expect(state.accounts.map(\.quota.storageOctets) == [1 << 30])
            }
            let listed = try await house.run(.command, ["account", "list", "--json"])
            #expect(listed.end == .exited(0))
            let page = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [String: Any])
            let account = try #require((page["accounts"] as? [[String: Any]])?.first)
            #expect(account["address"] as? String == "alice@example.test" && account["has_password"] as? Bool == true)
            let mailboxes = try await house.run(.command, ["mailbox", "list", "alice@example.test"])
            #expect(mailboxes.end == .exited(0) && mailboxes.output.contains("INBOX"))
        }
    }

    @Test("says with its status what came of it, for scripts")
    func statuses() async throws {
        try await withHouse { house, known, _ in
            known.state.withLock { $0.accounts = [StubHouse.account(1, "alice@example.test")] }
            let cases: [(arguments: [String], status: Int32, says: String)] = [
                (["account", "add", "alice@example.test", "--password-stdin"], 73, "is there already"),
                (["account", "password", "nobody@example.test", "--password-stdin"], 67, "nobody@example.test"),
                (["account", "add", "no address", "--password-stdin"], 65, "no address"),
                (["account", "addd"], 64, "addd"),
            ]
            for (arguments, status, says) in cases {
                let run = try await house.run(.command, arguments, input: "password\n")
                #expect(run.end == .exited(status) && run.errors.contains(says), "\(arguments): \(run)")
                #expect(run.output.isEmpty)
            }
            #expect(known.state.withLock(\.accounts).count == 1)
        }
    }

    @Test("status asks every replica how it is, and 69 means that something is not ready")
    func status() async throws {
        try await withHouse { house, _, _ in
            let run = try await house.run(.command, ["status", "--json"])
            #expect(run.end == .exited(69))
            let page = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
            let services = try #require(page["services"] as? [[String: Any]])
            #expect(services.map { $0["service"] as? String } == ["storage", "authentication"])
            #expect(services.map { $0["ready"] as? Bool } == [true, false], "\(run.output)")
            house.configuration.withLock { $0.sections["administration"] = ["expected: [storage, imap-access]"] }
            let other = try await house.run(.command, ["status"])
            #expect(other.end == .exited(69))
            for words in ["imap-access", "not there", "PostgreSQL"] { #expect(other.output.contains(words)) }
        }
    }

    @Test("killed while storage works: what was asked happens once, and the command can be repeated")
    func killed() async throws {
        try await House.run { house in
            let known = StubHouse()
            let gate = Gate()
            try house.stub(.storage, [DirectoryServer(HeldDirectory(known: known, gate: gate))])
            try house.stub(.authentication, [AccountsServer(known)])
            let addresses = (1...4).map { "user-\($0)@example.test" }
            let started = try addresses.map {
                try house.start(.command, ["account", "add", $0, "--password-stdin"], input: "password\n")
            }
            try await eventually("storage to have all requests") { gate.arrivals == addresses.count }
            for command in started { try await command.kill() }
            gate.open()
            try await eventually("storage to have done them") {
                known.state.withLock(\.accounts).count == addresses.count
            }
            for address in addresses {
                let again = try await house.run(
                    .command, ["account", "add", address, "--password-stdin"], input: "x\n")
                #expect(again.end == .exited(73) && again.errors.contains("martlet account password"), "\(again)")
                let password = try await house.run(
                    .command, ["account", "password", address, "--password-stdin"], input: "x\n")
                #expect(password.end == .exited(0), "\(password)")
            }
            known.state.withLock { state in
                #expect(state.accounts.map(\.address).sorted() == addresses && state.passwords.count == addresses.count)
            }
        }
    }

    @Test("says 69 and what to do while storage is away, and works within two seconds of its return")
    func storageAway() async throws {
        try await withHouse { house, _, storage in
            try await expectPromptReturn(of: storage) { () async throws in
                let run = try await house.run(.command, ["domain", "list"])
                #expect(run.end == .exited(69) && run.errors.contains("martlet status"), "\(run)")
            } isServed: {
                try await house.run(.command, ["domain", "list"]).end == .exited(0)
            }
        }
    }
}

/// A service that is ready unless it waits for something.
private struct StubHealth: Health {
    let service: String
    var waitingFor: String?

    func check(_ request: HealthRequest, _ context: CallContext) async throws -> HealthReply {
        .with {
            $0.service = service
            $0.ready = waitingFor == nil
            $0.waitingFor = waitingFor.map { [$0] } ?? []
            $0.processID = UInt32(getpid())
        }
    }
}

/// Makes accounts only when the gate is open.
private struct HeldDirectory: Directory {
    let known: StubHouse
    let gate: Gate

    func addAccount(_ request: AddAccountRequest, _ context: CallContext) async throws -> AddAccountReply {
        await gate.pass()
        return try await known.addAccount(request, context)
    }

    func findAccount(_ request: FindAccountRequest, _ context: CallContext) async throws -> FindAccountReply {
        try await known.findAccount(request, context)
    }
}
