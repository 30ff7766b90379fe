import Contracts
import Messaging
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    /// Gives, adds (`+`) or takes (`-`) rights, as SETACL does; the identifier may have a dash.
    func give(
        _ rights: String, to identifier: String, on name: String, of accountID: Int64, by user: Int64 = 0,
        key: TransactionID? = nil
    ) async throws -> MailboxOutcome {
        var request = SetRightsRequest()
        request.accountID = accountID
        request.mailboxName = name
        request.userID = user
        request.operation = rights.hasPrefix("+") ? .add : rights.hasPrefix("-") ? .remove : .replace
        let letters = request.operation == .replace ? rights : String(rights.dropFirst())
        request.entry.rights = try #require(MailboxRights(letters: letters)).rawValue
        request.entry.negative = identifier.hasPrefix("-")
        request.entry.identifier = request.entry.negative ? String(identifier.dropFirst()) : identifier
        return try await mailStore.setRights(request, CallContext(idempotencyKey: key)).outcome
    }

    /// The list of a mailbox as text; nil when it is refused.
    func list(_ name: String, of accountID: Int64, by user: Int64 = 0) async throws -> String? {
        let reply = try await mailStore.getRights(
            GetRightsRequest.with {
                $0.accountID = accountID
                $0.mailboxName = name
                $0.userID = user
            }, CallContext())
        guard reply.outcome == .done else { return nil }
        return reply.entries.map {
            ($0.negative ? "-" : "") + $0.identifier + " " + MailboxRights(rawValue: $0.rights).letters
        }.joined(separator: ", ")
    }

    /// A mailbox of another account as a user may know it.
    func find(
        _ name: String, of address: String, by user: Int64, isShared: Bool = false
    ) async throws -> FindMailboxReply {
        try await mailStore.findMailbox(
            FindMailboxRequest.with {
                $0.userID = user
                $0.address = address
                $0.shared = isShared
                $0.mailboxName = name
            }, CallContext())
    }

    /// What of others a user is told: names with rights.
    func others(of user: Int64) async throws -> [String] {
        let reply = try await mailStore.listMailboxes(
            ListMailboxesRequest.with {
                $0.accountID = user
                $0.others = true
            }, CallContext())
        return reply.others.map { "\($0.owner.address)/\($0.name) \(MailboxRights(rawValue: $0.rights).letters)" }
    }
}

/// Access control lists (RFC 4314).
@Suite("Rights", .timeLimit(.minutes(3)))
struct RightsTests {
    @Test("are given, added, taken away and replaced, to accounts and to anyone")
    func lists() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            #expect(try await storage.list("INBOX", of: alice) == "")
            #expect(try await storage.give("lrs", to: "Bob@Example.test", on: "inbox", of: alice) == .done)
            #expect(try await storage.give("l", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("r", to: "-bob@example.test", on: "INBOX", of: alice) == .done)
            #expect(
                try await storage.list("INBOX", of: alice)
                    == "anyone l, bob@example.test lrs, -bob@example.test r")
            #expect(try await storage.give("+wi", to: "bob@example.test", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("-ls", to: "bob@example.test", on: "INBOX", of: alice) == .done)
            #expect(
                try await storage.list("INBOX", of: alice)
                    == "anyone l, bob@example.test rwi, -bob@example.test r")
            // What is given to him and to anyone, without what is taken from him.
            let found = try await storage.find("INBOX", of: "alice@example.test", by: bob)
            #expect(found.mailbox.permissions.letters == "lwi")
            #expect(try await storage.give("", to: "-bob@example.test", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("-l", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(try await storage.list("INBOX", of: alice) == "bob@example.test rwi")
            for nobody in ["nobody@example.test", "nobody"] {
                #expect(try await storage.give("lr", to: nobody, on: "INBOX", of: alice) == .noSuchIdentifier)
            }
            #expect(try await storage.give("lr", to: "alice@example.test", on: "INBOX", of: alice) == .notPermitted)
            #expect(try await storage.give("lr", to: "-alice@example.test", on: "INBOX", of: alice) == .notPermitted)
            #expect(try await storage.give("lr", to: "anyone", on: "nothing", of: alice) == .noSuchMailbox)
        }
    }

    @Test("are changed by those who have a, and seen by them, and by nobody else")
    func administration() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            #expect(try await storage.give("lr", to: "anyone", on: "INBOX", of: alice, by: bob) == .noSuchMailbox)
            _ = try await storage.give("lrswipkxte", to: "bob@example.test", on: "INBOX", of: alice)
            #expect(try await storage.give("lr", to: "anyone", on: "INBOX", of: alice, by: bob) == .noPermission)
            #expect(try await storage.list("INBOX", of: alice, by: bob) == nil)
            _ = try await storage.give("a", to: "bob@example.test", on: "INBOX", of: alice)
            #expect(try await storage.give("lr", to: "anyone", on: "INBOX", of: alice, by: bob) == .done)
            #expect(try await storage.list("INBOX", of: alice, by: bob) == "anyone lr, bob@example.test a")
        }
    }

    @Test("are announced to the owner's sessions and to those of who is concerned, and change once for each key")
    func announcement() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            _ = storage.changes.take()
            let key = TransactionID.next()
            #expect(try await storage.give("lr", to: "bob@example.test", on: "INBOX", of: alice, key: key) == .done)
            let changes = storage.changes.take()
            #expect(changes.map(\.accountID) == [alice, bob] && changes.allSatisfy(\.hierarchy))
            #expect(changes[0].mailboxID > 0)
            #expect(try await storage.give("-r", to: "bob@example.test", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("lr", to: "bob@example.test", on: "INBOX", of: alice, key: key) == .done)
            #expect(try await storage.list("INBOX", of: alice) == "bob@example.test l")
            _ = storage.changes.take()
            #expect(try await storage.give("+l", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(storage.changes.take().map(\.accountID) == [alice, 0])
            #expect(try await storage.give("+l", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(storage.changes.take().isEmpty)
        }
    }

    @Test("have a limit for each mailbox")
    func limit() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            _ = try await storage.account("bob@example.test")
            try await storage.database.query(
                """
                INSERT INTO mail.rights SELECT account_id, mailbox_id, 1000000 + n, false, 1
                FROM mail.mailboxes, generate_series(1, \(RightsRows.entryLimit - 1)) n
                WHERE account_id = \(alice) AND name = 'INBOX'
                """)
            #expect(try await storage.give("l", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("l", to: "bob@example.test", on: "INBOX", of: alice) == .beyondLimit)
            #expect(try await storage.give("lr", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("", to: "anyone", on: "INBOX", of: alice) == .done)
            #expect(try await storage.give("l", to: "bob@example.test", on: "INBOX", of: alice) == .done)
        }
    }

    @Test(
        "decide what is told of others' mailboxes: with l the name, with r the rest, but for what is the owner's alone")
    func visibility() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let carol = try await storage.account("carol@example.test")
            _ = try await storage.create(alice, "Work/Deep")
            try await storage.deliver(to: alice, mailbox: "Sent", flags: ["\\Deleted", "word"])
            for (name, rights) in [("Work/Deep", "lr"), ("Sent", "lr"), ("INBOX", "l"), ("Trash", "rswipkxtea")] {
                _ = try await storage.give(rights, to: "bob@example.test", on: name, of: alice)
            }
            _ = try await storage.give("l", to: "anyone", on: "Archive", of: carol)
            #expect(
                try await storage.others(of: bob) == [
                    "alice@example.test/INBOX l", "alice@example.test/Sent lr", "alice@example.test/Work/Deep lr",
                    "carol@example.test/Archive l",
                ])
            #expect(try await storage.others(of: carol).isEmpty)
            #expect(try await storage.others(of: alice) == ["carol@example.test/Archive l"])
            let list = try await storage.mailStore.listMailboxes(
                .with {
                    $0.accountID = bob
                    $0.others = true
                    $0.deletedOctets = true
                }, CallContext())
            #expect(list.mailboxes.count == 6 && list.mailboxes.allSatisfy { !$0.hasOwner && $0.permissions == .all })
            for mailbox in list.others { #expect(!mailbox.subscribed && mailbox.specialUse.isEmpty) }
            let sent = try #require(list.others.first { $0.name == "Sent" })
            #expect(sent.messageCount == 1 && sent.deletedOctets == sent.octets && sent.selectable)
            #expect(sent.owner.accountID == alice && !sent.owner.shared)
            let inbox = try #require(list.others.first { $0.name == "INBOX" })
            #expect(!inbox.selectable && inbox.highestModseq == 0 && inbox.uidNext == 0 && inbox.uidValidity == 0)

            let found = try await storage.find("sent", of: "ALICE@example.test", by: bob)
            #expect(found.outcome == .noSuchMailbox)
            let exact = try await storage.find("Sent", of: "ALICE@example.test", by: bob)
            #expect(exact.outcome == .done && exact.mailbox.keywords == ["word"] && exact.accountID == alice)
            // Without l it can be used all the same, by who knows its name.
            let unlisted = try await storage.find("Trash", of: "alice@example.test", by: bob)
            #expect(unlisted.mailbox.permissions.contains(.read))
            for (name, address) in [
                ("Drafts", "alice@example.test"), ("Work", "alice@example.test"), ("nothing", "alice@example.test"),
                ("INBOX", "nobody@example.test"), ("INBOX", "bob@example.test"),
            ] {
                let reply = try await storage.find(name, of: address, by: bob)
                #expect(reply.outcome == .noSuchMailbox && !reply.hasMailbox, "\(address)/\(name)")
            }
            // By its number, of the account that it belongs to only.
            for (account, isFound) in [(alice, true), (carol, false)] {
                let reply = try await storage.mailStore.findMailbox(
                    .with {
                        $0.userID = bob
                        $0.accountID = account
                        $0.mailboxID = sent.mailboxID
                    }, CallContext())
                #expect((reply.outcome == .done) == isFound)
            }
        }
    }

    @Test("are inherited by what is made below, stay when a mailbox is renamed, and end with it")
    func hierarchy() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            _ = try await storage.create(alice, "Work")
            _ = try await storage.give("lrkx", to: "bob@example.test", on: "Work", of: alice)
            func create(_ name: String) async throws -> MailboxOutcome {
                try await storage.mailStore.createMailbox(
                    .with {
                        $0.accountID = alice
                        $0.name = name
                        $0.userID = bob
                    }, CallContext()
                ).outcome
            }
            func rename(_ from: String, _ to: String) async throws -> MailboxOutcome {
                try await storage.mailStore.renameMailbox(
                    .with {
                        $0.accountID = alice
                        $0.from = from
                        $0.to = to
                        $0.userID = bob
                    }, CallContext()
                ).outcome
            }
            func delete(_ name: String) async throws -> MailboxOutcome {
                try await storage.mailStore.deleteMailbox(
                    .with {
                        $0.accountID = alice
                        $0.name = name
                        $0.userID = bob
                    }, CallContext()
                ).outcome
            }
            #expect(try await create("New") == .noPermission)
            #expect(try await create("Sent/New") == .noPermission)
            #expect(try await create("Work/a/b") == .done)
            for name in ["Work/a", "Work/a/b"] {
                #expect(try await storage.list(name, of: alice) == "bob@example.test lrkx")
            }
            #expect(try await storage.find("Work/a/c/d", of: "alice@example.test", by: bob).parentRights == 0b1100_0011)
            #expect(try await storage.find("Sent/c", of: "alice@example.test", by: bob).parentRights == 0)
            _ = try await storage.give("lr", to: "bob@example.test", on: "Work/a/b", of: alice)
            #expect(try await rename("Work/a/b", "Work/b") == .noPermission)
            _ = try await storage.give("+x", to: "bob@example.test", on: "Work/a/b", of: alice)
            #expect(try await rename("Work/a/b", "b") == .noPermission)
            #expect(try await rename("Sent", "Work/Sent") == .noSuchMailbox)
            #expect(try await rename("Work/a/b", "Work/b") == .done)
            #expect(try await storage.list("Work/b", of: alice) == "bob@example.test lrx")
            #expect(try await delete("Sent") == .noSuchMailbox)
            #expect(try await delete("Work/b") == .done)
            #expect(try await storage.create(alice, "Work/b").outcome == .done)
            #expect(try await storage.list("Work/b", of: alice) == "bob@example.test lrkx")
            // The name that stays for its children has no list any more.
            #expect(try await delete("Work") == .done)
            #expect(try await storage.list("Work", of: alice) == "")
            #expect(try await create("Work/c") == .noPermission)
            // What renaming takes out of the inbox is for whom the inbox is.
            _ = try await storage.give("l", to: "anyone", on: "Work", of: alice)
            _ = try await storage.give("lr", to: "bob@example.test", on: "INBOX", of: alice)
            #expect(try await storage.rename(alice, "INBOX", "Work/old") == .done)
            #expect(try await storage.list("Work/old", of: alice) == "bob@example.test lr")
            #expect(
                try await storage.database.query(
                    "SELECT count(*) FROM mail.rights WHERE mailbox_id NOT IN (SELECT mailbox_id FROM mail.mailboxes)")
                    == "0")
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "bob@example.test" }, CallContext(idempotencyKey: .next()))
            #expect(try await storage.list("Work/old", of: alice) == "")
            #expect(try await storage.list("Work", of: alice) == "anyone l")
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "alice@example.test" }, CallContext(idempotencyKey: .next()))
            #expect(try await storage.database.query("SELECT count(*) FROM mail.rights") == "0")
        }
    }

    @Test("of an account that is nobody's are given by who keeps the accounts")
    func sharedAccount() async throws {
        try await withStorage { storage in
            let bob = try await storage.account("bob@example.test")
            let added = try await storage.directory.addAccount(
                .with {
                    $0.address = "office@example.test"
                    $0.shared = true
                }, CallContext())
            #expect(added.account.shared)
            let office = added.account.accountID
            #expect(try await storage.mailboxes(office).map(\.name) == ["INBOX"])
            _ = try await storage.create(office, "Plans")
            _ = try await storage.give("lrkxa", to: "bob@example.test", on: "Plans", of: office)
            #expect(try await storage.find("Plans", of: "office@example.test", by: bob).accountID == 0)
            let found = try await storage.find("Plans", of: "office@example.test", by: bob, isShared: true)
            #expect(found.outcome == .done && found.mailbox.owner.shared)
            #expect(try await storage.find("INBOX", of: "bob@example.test", by: office, isShared: true).accountID == 0)
            #expect(try await storage.give("lr", to: "anyone", on: "Plans", of: office, by: bob) == .done)
        }
    }

    @Test("are asked again in the transaction that expunges")
    func expunge() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            try await storage.deliver(to: alice, mailbox: "INBOX", flags: ["\\Deleted"])
            let inbox = try #require(try await storage.mailbox(alice, "INBOX")).mailboxID
            for (rights, outcome) in [
                ("rswt", MailboxOutcome.noSuchMailbox), ("lrswt", .noPermission), ("re", .done),
            ] {
                _ = try await storage.give(rights, to: "bob@example.test", on: "INBOX", of: alice)
                let reply = try await storage.mailStore.expunge(
                    .with {
                        $0.accountID = alice
                        $0.mailboxID = inbox
                        $0.userID = bob
                    }, CallContext(idempotencyKey: .next()))
                #expect(reply.outcome == outcome && reply.uids == (outcome == .done ? [1] : []), "\(rights)")
            }
        }
    }

    @Test("leave flags as they are that a user may not change")
    func keptFlags() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.deliver(to: alice, flags: ["\\Seen", "\\Flagged", "word"]).mailboxID
            let before = try await storage.view(alice, "INBOX").entries[0].flags
            func replace(_ flags: [String], _ keeps: (seen: Bool, deleted: Bool, others: Bool)) async throws -> UInt64 {
                _ = try await storage.mailStore.storeFlags(
                    .with {
                        $0.accountID = alice
                        $0.mailboxID = inbox
                        $0.uids = [1, 1]
                        $0.operation = .replace
                        $0.flags = flags
                        $0.keepsSeen = keeps.seen
                        $0.keepsDeleted = keeps.deleted
                        $0.keepsOthers = keeps.others
                    }, CallContext())
                return try await storage.view(alice, "INBOX").entries[0].flags
            }
            #expect(try await replace(["\\Deleted"], (true, false, true)) == before | 8)
            #expect(try await replace([], (false, true, true)) == (before | 8) & ~1)
            #expect(try await replace(["\\Draft"], (false, true, false)) == 8 | 16)
            let mailbox = try #require(try await storage.mailbox(alice, "INBOX"))
            #expect(mailbox.deletedCount == 1 && mailbox.unseenCount == 1)
            #expect(try await replace([], (false, false, false)) == 0)
        }
    }
}
