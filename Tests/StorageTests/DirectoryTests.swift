import Contracts
import Messaging
import TestSupport
import Testing

@testable import Storage

@Suite("The directory")
struct DirectoryTests {
    private func resolve(_ addresses: [String], _ storage: StorageFixture) async throws -> [ResolveReply.Resolution] {
        try await storage.directory.resolve(
            ResolveRequest.with { $0.addresses = addresses }, CallContext()
        ).resolutions
    }

    private func alias(_ address: String, _ targets: [String], _ storage: StorageFixture) async throws {
        _ = try await storage.directory.addAlias(
            AddAliasRequest.with {
                $0.address = address
                $0.targets = targets
            }, CallContext())
    }

    @Test("makes an account with its mailboxes, once")
    func accounts() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("Alice@Example.TEST")
            #expect(try await storage.account("alice@example.test") == alice)
            let mailboxes = try await storage.mailboxes(alice)
            #expect(mailboxes.map(\.name) == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"])
            #expect(
                mailboxes.map(\.specialUse) == ["\\Archive", "\\Drafts", "", "\\Junk", "\\Sent", "\\Trash"])
            #expect(mailboxes.allSatisfy { $0.subscribed && $0.selectable && $0.uidNext == 1 })
            #expect(Set(mailboxes.map(\.uidValidity)).count == 6)
            let error = await #expect(throws: MessagingError.self) {
                try await storage.directory.addAccount(
                    AddAccountRequest.with { $0.address = "x@elsewhere.test" }, CallContext())
            }
            #expect(error?.text == "elsewhere.test is not a domain of this system: add it first")
            for bad in ["", "alice", "@example.test", "a b@example.test", "alice@"] {
                await #expect(throws: MessagingError.self) {
                    try await storage.directory.addAccount(AddAccountRequest.with { $0.address = bad }, CallContext())
                }
            }
        }
    }

    @Test("gives no UIDVALIDITY twice, not even to a new account of an old address")
    func uidValidity() async throws {
        try await withStorage { storage in
            let first = try await storage.account("alice@example.test")
            for index in 0..<20 {
                _ = try await storage.mailStore.createMailbox(
                    CreateMailboxRequest.with {
                        $0.accountID = first
                        $0.name = "m\(index)"
                    }, CallContext())
            }
            try await storage.deliver(to: first)
            let old = try await storage.mailboxes(first)
            let removed = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "ALICE@example.test" }, CallContext())
            #expect(removed.removed && removed.accountID == first)
            #expect(try await storage.database.query("SELECT count(*) FROM mail.messages") == "0")
            let second = try await storage.account("alice@example.test")
            #expect(second != first)
            let new = try await storage.mailboxes(second)
            #expect(Set(old.map(\.uidValidity)).isDisjoint(with: new.map(\.uidValidity)))
        }
    }

    @Test("pages through accounts and counts what domains have")
    func lists() async throws {
        try await withStorage { storage in
            for index in 0..<5 { try await storage.account("u\(index)@example.test") }
            try await storage.account("x@other.test")
            try await alias("all@example.test", ["u1@example.test", "u2@example.test"], storage)
            var names: [String] = []
            var after = ""
            while true {
                let page = try await storage.directory.listAccounts(
                    ListAccountsRequest.with {
                        $0.domain = "example.test"
                        $0.after = after
                        $0.limit = 2
                    }, CallContext())
                names += page.accounts.map(\.address)
                after = names.last ?? ""
                if !page.more { break }
            }
            #expect(names == (0..<5).map { "u\($0)@example.test" })
            let domains = try await storage.directory.listDomains(ListDomainsRequest(), CallContext()).domains
            #expect(domains.map(\.name) == ["example.test", "other.test"])
            #expect(domains.map(\.accountCount) == [5, 1])
            #expect(domains.map(\.aliasCount) == [1, 0])
            await #expect(throws: MessagingError.self) {
                try await storage.directory.removeDomain(
                    RemoveDomainRequest.with { $0.name = "other.test" }, CallContext())
            }
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "x@other.test" }, CallContext())
            let removed = try await storage.directory.removeDomain(
                RemoveDomainRequest.with { $0.name = "other.test" }, CallContext())
            #expect(removed.removed)
        }
    }

    @Test("resolves accounts, aliases of aliases, sub-addresses, catch-all, and what is elsewhere")
    func resolution() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            try await alias("team@example.test", ["alice@example.test", "more@example.test"], storage)
            try await alias(
                "more@example.test", ["bob@example.test", "carol@example.com", "team@example.test"], storage)
            try await alias("bob@example.test", ["bob@example.test", "archive@example.com"], storage)
            try await alias("alice+list@example.test", ["bob@example.test"], storage)
            _ = try await storage.directory.addDomain(AddDomainRequest.with { $0.name = "all.test" }, CallContext())
            try await alias("@all.test", ["alice@example.test"], storage)
            let answers = try await resolve(
                [
                    "Alice@EXAMPLE.test", "alice+detail@example.test", "alice+list@example.test", "team@example.test",
                    "bob@example.test", "anyone@all.test", "nobody@example.test", "x@elsewhere.test", "nonsense",
                ], storage)
            #expect(
                answers.map(\.outcome)
                    == [
                        .accepted, .accepted, .accepted, .accepted, .accepted, .accepted, .unknownAddress, .notLocal,
                        .unknownAddress,
                    ])
            func accounts(_ index: Int) -> [Int64] { answers[index].targets.map(\.accountID).filter { $0 != 0 } }
            func remotes(_ index: Int) -> [String] {
                answers[index].targets.map(\.remoteAddress).filter { !$0.isEmpty }
            }
            #expect(accounts(0) == [alice])
            #expect(answers[0].targets.first?.address == "alice@example.test")
            #expect(accounts(1) == [alice])
            #expect(answers[1].targets.first?.address == "alice+detail@example.test")
            #expect(accounts(2) == [bob])
            #expect(Set(accounts(3)) == [alice, bob])
            #expect(Set(remotes(3)) == ["carol@example.com", "archive@example.com"])
            #expect(accounts(4) == [bob])
            #expect(remotes(4) == ["archive@example.com"])
            #expect(accounts(5) == [alice])
        }
    }

    @Test("says who is over quota or switched off before any message comes")
    func refusals() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", messages: 1)
            try await storage.account("bob@example.test")
            try await storage.deliver(to: alice)
            try await storage.database.query("UPDATE directory.accounts SET disabled = true WHERE address LIKE 'bob%'")
            let answers = try await resolve(["alice@example.test", "bob@example.test"], storage)
            #expect(answers.map(\.outcome) == [.overQuota, .disabled])
            _ = try await storage.directory.setQuota(
                SetQuotaRequest.with {
                    $0.address = "alice@example.test"
                    $0.quota.messageCount = 2
                }, CallContext())
            #expect(try await resolve(["alice@example.test"], storage).first?.outcome == .accepted)
        }
    }

    @Test("answers each of many that ask at the same time with its own")
    func together() async throws {
        try await withStorage { storage in
            var identifiers: [Int64] = []
            for index in 0..<10 { identifiers.append(try await storage.account("u\(index)@example.test")) }
            let known = identifiers
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<200 {
                    group.addTask {
                        let answers = try await resolve(
                            ["u\(index % 10)@example.test", "nobody\(index)@example.test"], storage)
                        #expect(answers.map(\.outcome) == [.accepted, .unknownAddress])
                        #expect(answers.first?.targets.map(\.accountID) == [known[index % 10]])
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("removes single targets of an alias, and the alias with the last")
    func aliasTargets() async throws {
        try await withStorage { storage in
            try await storage.account("alice@example.test")
            try await alias("a@example.test", ["x@example.com", "y@example.com"], storage)
            func remove(_ targets: [String]) async throws -> Bool {
                try await storage.directory.removeAlias(
                    RemoveAliasRequest.with {
                        $0.address = "a@example.test"
                        $0.targets = targets
                    }, CallContext()
                ).removed
            }
            #expect(try await remove(["z@example.com"]) == false)
            #expect(try await remove(["x@example.com"]))
            let aliases = try await storage.directory.listAliases(
                ListAliasesRequest.with { $0.domain = "example.test" }, CallContext()
            ).aliases
            #expect(aliases.map(\.targets) == [["y@example.com"]])
            #expect(try await remove([]))
            #expect(try await resolve(["a@example.test"], storage).first?.outcome == .unknownAddress)
        }
    }
}

@Suite("A resolution")
struct ResolutionTests {
    @Test("ends, also where aliases lead in circles or without end")
    func bounds() {
        var excerpt = DirectoryExcerpt()
        excerpt.domains = ["x.test"]
        for index in 0..<100 { excerpt.aliases["a\(index)@x.test"] = ["a\(index + 1)@x.test", "a\(index / 2)@x.test"] }
        var resolution = Resolution("a0@x.test")
        var steps = 0
        while !resolution.pending.isEmpty {
            resolution.advance(with: excerpt)
            steps += 1
        }
        #expect(steps == Resolution.depthLimit + 1)
        #expect(resolution.reply.outcome == .unknownAddress)
    }
}
