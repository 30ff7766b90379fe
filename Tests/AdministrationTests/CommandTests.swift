import ArgumentParser
import Contracts
import Foundation
import Messaging
import ServiceRuntime
import TestSupport
import Testing

@testable import Administration

/// The JSON of an answer as a dictionary.
private func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
}

/// The failure of a command.
private func failure(_ body: () async throws -> Transcript) async throws -> Failure {
    do {
        let transcript = try await body()
        Issue.record("no failure, but: \(transcript.answer)")
        return Failure(.other, "")
    } catch {
        return Failure(error)
    }
}

@Suite("martlet account")
struct AccountCommandTests {
    @Test("add makes the account and its password, with its quota")
    func add() async throws {
        let house = StubHouse()
        let transcript = try await run(
            "account", "add", "alice@example.test", "--password-stdin", "--quota", "1GB", "--messages", "500",
            house: house, input: "correct horse\n")
        #expect(transcript.answer == "added alice@example.test\n")
        let state = house.state.withLock { $0 }
        #expect(state.passwords == [1: "correct horse"])
        #expect(state.accounts.first?.quota.storageOctets == 1 << 30)
        #expect(state.accounts.first?.quota.messageCount == 500)
        #expect(state.changesWithoutKey == 0)
    }

    @Test("add answers in JSON with a stable shape")
    func addJSON() async throws {
        let transcript = try await run(
            "account", "add", "alice@example.test", "--password-stdin", "--json", house: StubHouse(), input: "x")
        #expect(
            transcript.answer == """
                {
                  "account" : {
                    "account_id" : 1,
                    "address" : "alice@example.test",
                    "created_at" : "2024-02-29T23:59:59.000000Z",
                    "disabled" : false,
                    "has_password" : true,
                    "quota" : {
                      "message_count" : 0,
                      "storage_octets" : 0
                    },
                    "used" : {
                      "message_count" : 12,
                      "storage_octets" : 3145728
                    }
                  },
                  "existed" : false
                }

                """)
    }

    @Test("add of one that is there changes nothing and says what to do")
    func addTwice() async throws {
        let house = StubHouse {
            $0.accounts = [StubHouse.account(1, "alice@example.test")]
            $0.passwords = [1: "old"]
        }
        let failure = try await failure {
            try await run("account", "add", "alice@example.test", "--password-stdin", house: house, input: "new")
        }
        #expect(failure.status == .existsAlready)
        #expect(failure.advice?.contains("martlet account password alice@example.test") == true)
        #expect(house.state.withLock { $0.passwords } == [1: "old"])
    }

    @Test("add without authentication leaves an account that can be completed, and says how")
    func addWithoutAuthentication() async throws {
        let house = StubHouse { $0.authenticationError = MessagingError(.unavailable, "no replica") }
        let failure = try await failure {
            try await run("account", "add", "alice@example.test", "--password-stdin", house: house, input: "x")
        }
        #expect(failure.status == .unavailable)
        #expect(failure.message.hasPrefix("alice@example.test was added, but has no password yet"))
        house.state.withLock { $0.authenticationError = nil }
        let transcript = try await run(
            "account", "password", "alice@example.test", "--password-stdin", house: house, input: "x\n")
        #expect(transcript.answer == "alice@example.test has a new password\n")
    }

    @Test("what the service says of a domain that is not ours reaches the operator")
    func foreignDomain() async throws {
        let failure = try await failure {
            try await run("account", "add", "alice@example.org", "--password-stdin", house: StubHouse(), input: "x")
        }
        #expect(failure.message == "the domain of alice@example.org is not ours")
    }

    @Test("a password that is none is refused before anything changes", arguments: ["", "\n", "a\u{0}b", "two\nlines"])
    func badPassword(input: String) async throws {
        let house = StubHouse()
        let failure = try await failure {
            try await run("account", "add", "alice@example.test", "--password-stdin", house: house, input: input)
        }
        #expect(failure.status == .unusableData)
        #expect(house.state.withLock { $0.accounts.isEmpty })
    }

    @Test("at a terminal the password is asked for twice")
    func askedFor() async throws {
        let house = StubHouse()
        _ = try await run("account", "add", "alice@example.test", house: house, secrets: ["same", "same"])
        #expect(house.state.withLock { $0.passwords } == [1: "same"])
        let differing = try await failure {
            try await run("account", "add", "bob@example.test", house: house, secrets: ["one", "other"])
        }
        #expect(differing.message.contains("differ"))
        let nobody = try await failure { try await run("account", "add", "bob@example.test", house: house) }
        #expect(nobody.advice?.contains("--password-stdin") == true)
    }

    @Test(
        "an address that is none is refused",
        arguments: ["alice", "@example.test", "a@", "a@b..c", "a b@example.test", "a@exa mple", "a@-_-!"])
    func badAddress(address: String) async throws {
        let failure = try await failure {
            try await run("account", "add", address, "--password-stdin", house: StubHouse(), input: "x")
        }
        #expect(failure.status == .unusableData)
    }

    @Test("list shows every account of every page, and who has no password")
    func list() async throws {
        let house = StubHouse { state in
            state.accounts = (1...5).map { StubHouse.account($0, "user\($0)@example.test") }
            state.passwords = [2: "x"]
            state.pageSize = 2
        }
        let page = try object(try await run("account", "list", "--json", house: house).answer)
        let accounts = try #require(page["accounts"] as? [[String: Any]])
        #expect(accounts.map { $0["address"] as? String } == (1...5).map { "user\($0)@example.test" })
        #expect(accounts.map { $0["has_password"] as? Bool } == [false, true, false, false, false])
        let text = try await run("account", "list", house: house).answer
        #expect(
            text.hasPrefix(
                "ADDRESS             MESSAGES  STORED  QUOTA  PASSWORD\nuser1@example.test  12        3.0 MB"))
    }

    @Test("list goes on without authentication, and an empty house says how to begin")
    func listOtherwise() async throws {
        let house = StubHouse {
            $0.accounts = [StubHouse.account(1, "alice@example.test")]
            $0.authenticationError = MessagingError(.unavailable)
        }
        #expect(try await run("account", "list", house: house).answer.contains("?"))
        #expect(try await run("account", "list", house: StubHouse()).answer.contains("martlet account add"))
        let empty = try object(try await run("account", "list", "--json", house: StubHouse()).answer)
        #expect((empty["accounts"] as? [Any])?.isEmpty == true)
    }

    @Test("remove takes the password first, asks a person, and trusts a script")
    func remove() async throws {
        let house = StubHouse {
            $0.accounts = [StubHouse.account(1, "alice@example.test")]
            $0.passwords = [1: "x"]
        }
        let refused = try await failure {
            try await run("account", "remove", "alice@example.test", house: house, reply: "no")
        }
        #expect(refused.message == "nothing was changed")
        house.state.withLock { $0.storageError = nil }
        #expect(
            try await run("account", "remove", "alice@example.test", house: house).answer
                == "removed alice@example.test\n")
        #expect(house.state.withLock { $0.accounts.isEmpty && $0.passwords.isEmpty })
        let gone = try await failure { try await run("account", "remove", "alice@example.test", house: house) }
        #expect(gone.status == .notFound)
    }

    @Test("quota shows and changes one limit and keeps the other")
    func quota() async throws {
        let house = StubHouse { state in
            var account = StubHouse.account(1, "alice@example.test")
            account.quota.messageCount = 77
            state.accounts = [account]
        }
        let shown = try await run("account", "quota", "alice@example.test", house: house).answer
        #expect(shown.contains("storage             3.0 MB  none"))
        let page = try object(
            try await run("account", "quota", "alice@example.test", "--storage", "2GB", "--json", house: house).answer)
        let quota = (page["account"] as? [String: Any])?["quota"] as? [String: Any]
        #expect(quota?["storage_octets"] as? Int == 2 << 30)
        #expect(quota?["message_count"] as? Int == 77)
        _ = try await run("account", "quota", "alice@example.test", "--storage", "none", house: house)
        #expect(house.state.withLock { $0.accounts.first?.quota.storageOctets } == 0)
    }
}

@Suite("martlet domain, alias, mailbox")
struct DirectoryCommandTests {
    @Test("domains are added once, listed, and removed when nobody lives there")
    func domains() async throws {
        let house = StubHouse { $0.accounts = [StubHouse.account(1, "alice@example.test")] }
        #expect(try await run("domain", "add", "example.org", house: house).answer == "added example.org\n")
        #expect(try await run("domain", "add", "example.org", house: house).answer == "example.org was there already\n")
        let page = try object(try await run("domain", "list", "--json", house: house).answer)
        #expect(
            (page["domains"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == [
                "example.test", "example.org",
            ])
        let inhabited = try await failure { try await run("domain", "remove", "example.test", house: house) }
        #expect(inhabited.message.contains("still has 1 accounts"))
        #expect(try await run("domain", "remove", "example.org", house: house).answer == "removed example.org\n")
        #expect(
            try await failure { try await run("domain", "remove", "example.org", house: house) }.status == .notFound)
        #expect(
            try await failure { try await run("domain", "add", "not a name", house: house) }.status == .unusableData)
    }

    @Test("aliases lead to several targets, also for a whole domain")
    func aliases() async throws {
        let house = StubHouse()
        let added = try await run(
            "alias", "add", "sales@example.test", "alice@example.test", "bob@example.test", house: house)
        #expect(added.answer == "sales@example.test leads to alice@example.test, bob@example.test\n")
        _ = try await run("alias", "add", "@example.test", "alice@example.test", house: house)
        let page = try object(try await run("alias", "list", "--json", house: house).answer)
        let aliases = try #require(page["aliases"] as? [[String: Any]])
        #expect(aliases.map { $0["address"] as? String } == ["@example.test", "sales@example.test"])
        #expect(try await run("alias", "remove", "@example.test", house: house).answer == "removed @example.test\n")
        #expect(
            try await failure { try await run("alias", "remove", "@example.test", house: house) }.status == .notFound)
        #expect(throws: (any Error).self) { try Administration.parseAsRoot(["alias", "add", "sales@example.test"]) }
    }

    @Test("mailboxes are listed with their counts")
    func mailboxes() async throws {
        let house = StubHouse { $0.accounts = [StubHouse.account(1, "alice@example.test")] }
        let page = try object(try await run("mailbox", "list", "alice@example.test", "--json", house: house).answer)
        let inbox = try #require((page["mailboxes"] as? [[String: Any]])?.first)
        #expect(inbox["name"] as? String == "INBOX")
        #expect(inbox["message_count"] as? Int == 12)
        #expect(inbox["uid_validity"] as? Int == 5)
        #expect(
            try await run("mailbox", "list", "alice@example.test", house: house).answer.contains(
                "INBOX    12        2       3.0 MB"))
        let nobody = try await failure { try await run("mailbox", "list", "bob@example.test", house: house) }
        #expect(nobody.status == .notFound)
    }

    @Test("a shared account has no password, and its mailboxes are for those who are given rights")
    func sharing() async throws {
        let house = StubHouse { $0.accounts = [StubHouse.account(1, "alice@example.test")] }
        let added = try object(
            try await run("account", "add", "office@example.test", "--shared", "--json", house: house).answer)
        let account = try #require(added["account"] as? [String: Any])
        #expect(account["shared"] as? Bool == true && account["has_password"] as? Bool == false)
        #expect(house.state.withLock { $0.passwords.isEmpty && $0.accounts.last?.shared == true })
        let password = try await failure {
            try await run("account", "password", "office@example.test", "--password-stdin", house: house, input: "x")
        }
        #expect(password.status == .notPermitted)
        #expect(throws: (any Error).self) {
            try Administration.parseAsRoot(["account", "add", "o@example.test", "--shared", "--password-stdin"])
        }
        let missing = try await failure {
            try await run("mailbox", "rights", "office@example.test", "Plans", house: house)
        }
        #expect(missing.status == .notFound)
        #expect(
            try await run("mailbox", "create", "office@example.test", "Plans", house: house).answer
                == "made Plans for office@example.test\n")
        let again = try await failure {
            try await run("mailbox", "create", "office@example.test", "Plans", house: house)
        }
        #expect(again.status == .existsAlready)
        #expect(
            try await run("mailbox", "rights", "office@example.test", "Plans", house: house).answer.contains("Nobody"))
        let all = ["mailbox", "grant", "office@example.test", "Plans"]
        _ = try await run(all[0], all[1], all[2], all[3], "alice@example.test", "lrcda", house: house)
        let listed = try await run(all[0], all[1], all[2], all[3], "anyone", "lr", "--deny", house: house).answer
        #expect(listed.contains("alice@example.test  lrkxtea") && listed.contains("anyone              without lr"))
        _ = try await run(all[0], all[1], all[2], all[3], "anyone", "none", "--deny", house: house)
        #expect(house.state.withLock { $0.rights.map(\.identifier) } == ["alice@example.test"])
        let nobody = try await failure {
            try await run(all[0], all[1], all[2], all[3], "eve@example.test", "lr", house: house)
        }
        #expect(nobody.status == .notFound)
        for bad in [["lrz"], ["LR"], ["lr", "--add", "--remove"]] {
            #expect(throws: (any Error).self) { try Administration.parseAsRoot(all + ["anyone"] + bad) }
        }
        #expect(house.state.withLock { $0.changesWithoutKey } == 0)
    }
}

@Suite("What goes wrong is told with what to do")
struct FailureTests {
    @Test(
        "Each way in which a service fails has its status",
        arguments: [
            (MessagingError(.unavailable), Failure.Status.unavailable),
            (MessagingError(.deadlineExceeded), .unavailable),
            (MessagingError(.overloaded), .unavailable), (MessagingError(.denied), .notPermitted),
            (MessagingError(.unknownMethod), .other), (MessagingError(.malformed, "no such flag"), .unusableData),
            (MessagingError(.failed, "disk full"), .other),
        ])
    func statuses(error: MessagingError, status: Failure.Status) async throws {
        let house = StubHouse { $0.storageError = error }
        do {
            _ = try await run("domain", "list", house: house)
            Issue.record("no error")
        } catch {
            #expect(Failure(error).status == status)
        }
    }

    @Test("A configuration that cannot be used is told in one line")
    func configuration() {
        let failure = Failure(
            ConfigurationError(place: "martlet.yaml:3", key: "timeout", problem: "expected a time, found \"soon\""))
        #expect(failure.status == .configuration)
        #expect(
            failure.text(json: false) == "martlet: martlet.yaml:3: timeout: expected a time, found \"soon\"\n")
    }

    @Test("In JSON it has a code, a message and advice")
    func json() throws {
        let page = try object(Failure(.unavailable, "no answer", advice: "wait").text(json: true))
        let error = try #require(page["error"] as? [String: Any])
        #expect(error as? [String: String] == ["code": "unavailable", "message": "no answer", "advice": "wait"])
        #expect(
            Failure(.unavailable, "no answer", advice: "wait").text(json: false)
                == "martlet: no answer\n         wait\n")
    }

    @Test("Completion scripts are made for every command")
    func completion() {
        let script = Administration.completionScript(for: .bash)
        for word in ["account", "domain", "alias", "mailbox", "status", "keys", "password-stdin"] {
            #expect(script.contains(word))
        }
    }

    @Test("Help shows examples for every command that changes something")
    func help() {
        for command in [
            AccountAdd.self, AccountPassword.self, AliasAdd.self, DomainAdd.self, MailboxCreate.self, MailboxGrant.self,
        ]
            as [any ParsableCommand.Type]
        {
            #expect(command.configuration.discussion.contains("EXAMPLE"))
        }
    }
}
