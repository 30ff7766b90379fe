import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    func create(_ accountID: Int64, _ name: String, use: String = "") async throws -> MailboxReply {
        try await mailStore.createMailbox(
            CreateMailboxRequest.with {
                $0.accountID = accountID
                $0.name = name
                $0.specialUse = use
            }, CallContext())
    }

    func delete(_ accountID: Int64, _ name: String) async throws -> MailboxOutcome {
        try await mailStore.deleteMailbox(
            DeleteMailboxRequest.with {
                $0.accountID = accountID
                $0.name = name
            }, CallContext()
        ).outcome
    }

    func rename(_ accountID: Int64, _ from: String, _ to: String) async throws -> MailboxOutcome {
        try await mailStore.renameMailbox(
            RenameMailboxRequest.with {
                $0.accountID = accountID
                $0.from = from
                $0.to = to
            }, CallContext()
        ).outcome
    }
}

@Suite("Mailboxes")
struct MailboxTests {
    @Test("are made with the names above them, in the inbox's one spelling")
    func creation() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            #expect(try await storage.create(alice, "a/b/c").outcome == .done)
            let made = try await storage.mailboxes(alice).filter { $0.name.hasPrefix("a") }
            #expect(made.map(\.name) == ["a", "a/b", "a/b/c"])
            #expect(made.map(\.selectable) == [false, false, true])
            #expect(try await storage.create(alice, "a/b/c").outcome == .alreadyExists)
            #expect(try await storage.create(alice, "a/b/").mailbox.selectable)
            #expect(try await storage.create(alice, "InBox").outcome == .alreadyExists)
            #expect(try await storage.create(alice, "inbox/sub").mailbox.name == "INBOX/sub")
            for bad in ["", "/", "a//b", "/a", "a\u{1}b", "a*", "50%"] {
                #expect(try await storage.create(alice, bad).outcome == .notPermitted)
            }
            #expect(try await storage.create(alice, String(repeating: "x", count: 1001)).outcome == .beyondLimit)
            #expect(
                try await storage.create(alice, Array(repeating: "x", count: 33).joined(separator: "/")).outcome
                    == .beyondLimit)
            #expect(try await storage.create(alice, "Trash2", use: "\\Trash").outcome == .notPermitted)
            #expect(try await storage.create(alice, "Odd", use: "\\Odd").outcome == .notPermitted)
        }
    }

    @Test("are named in normalisation form C, so that no two look alike")
    func netUnicode() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
            #expect(try await storage.create(alice, composed + "/\u{65E5}").outcome == .done)
            for name in [decomposed, decomposed + "/x", "x/" + decomposed, "\u{212B}", "a\u{316}\u{301}\u{316}"] {
                #expect(try await storage.create(alice, name).outcome == .notPermitted)
            }
            #expect(try await storage.rename(alice, "Sent", decomposed) == .notPermitted)
            #expect(try await storage.rename(alice, composed, "th\u{E9}") == .done)
            #expect(try await storage.mailbox(alice, "th\u{E9}/\u{65E5}")?.selectable == true)
        }
    }

    @Test("are no more than the limit")
    func limit() async throws {
        try await withStorage(adjust: { $0.mailboxLimit = 8 }) { storage in
            let alice = try await storage.account("alice@example.test")
            #expect(try await storage.create(alice, "a").outcome == .done)
            #expect(try await storage.create(alice, "b").outcome == .done)
            #expect(try await storage.create(alice, "c").outcome == .beyondLimit)
        }
    }

    @Test("with children leave their name when they are deleted, and get a new UIDVALIDITY when made again")
    func deletion() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let parent = try await storage.create(alice, "a").mailbox
            _ = try await storage.create(alice, "a/b")
            try await storage.deliver(to: alice, mailbox: "a")
            #expect(try await storage.delete(alice, "a") == .done)
            #expect(try await storage.mailbox(alice, "a")?.selectable == false)
            #expect(try await storage.view(alice, "a").outcome == .noSuchMailbox)
            #expect(try await storage.deliver(to: alice, mailbox: "a").outcome == .noSuchMailbox)
            #expect(try await storage.delete(alice, "a") == .hasChildren)
            let again = try await storage.create(alice, "a").mailbox
            #expect(again.uidValidity > parent.uidValidity)
            #expect(again.messageCount == 0 && again.uidNext == 1)
            #expect(try await storage.delete(alice, "a/b") == .done)
            #expect(try await storage.delete(alice, "a") == .done)
            #expect(try await storage.mailbox(alice, "a") == nil)
            #expect(try await storage.delete(alice, "a") == .noSuchMailbox)
            #expect(try await storage.delete(alice, "inbox") == .notPermitted)
            let account = try await storage.directory.findAccount(
                FindAccountRequest.with { $0.address = "alice@example.test" }, CallContext()
            ).account
            #expect(account.usedMessages == 0 && account.usedOctets == 0)
        }
    }

    @Test("are renamed with their children and keep their messages; INBOX gives its messages away")
    func renaming() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let mailbox = try await storage.create(alice, "a/b").mailbox
            _ = try await storage.create(alice, "a/b/c")
            _ = try await storage.create(alice, "a/bc")
            try await storage.deliver(to: alice, mailbox: "a/b")
            #expect(try await storage.rename(alice, "a/b", "x/y") == .done)
            let names = try await storage.mailboxes(alice).map(\.name).filter { $0.first == "a" || $0.first == "x" }
            #expect(names == ["a", "a/bc", "x", "x/y", "x/y/c"])
            let renamed = try #require(try await storage.mailbox(alice, "x/y"))
            #expect(renamed.mailboxID == mailbox.mailboxID && renamed.messageCount == 1)
            #expect(try await storage.rename(alice, "x/y", "a/bc") == .alreadyExists)
            #expect(try await storage.rename(alice, "x/y", "x/y/z") == .notPermitted)
            #expect(try await storage.rename(alice, "gone", "z") == .noSuchMailbox)
            for _ in 0..<3 { try await storage.deliver(to: alice, flags: ["\\Flagged"]) }
            #expect(try await storage.rename(alice, "INBOX", "old/inbox") == .done)
            #expect(try await storage.view(alice, "INBOX").entries.isEmpty)
            #expect(try await storage.view(alice, "INBOX", since: 1).vanished == [1, 3])
            #expect(try await storage.view(alice, "old/inbox").entries.map(\.flags) == [4, 4, 4])
            #expect(try await storage.deliver(to: alice).uid == 4)
        }
    }

    @Test("are subscribed by name, whether they are there or not")
    func subscriptions() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            func subscribe(_ name: String, _ subscribed: Bool) async throws -> MailboxReply {
                try await storage.mailStore.subscribe(
                    SubscribeRequest.with {
                        $0.accountID = alice
                        $0.name = name
                        $0.subscribed = subscribed
                    }, CallContext())
            }
            #expect(try await subscribe("news", true).outcome == .done)
            #expect(try await subscribe("inbox", false).mailbox.subscribed == false)
            let list = try await storage.mailStore.listMailboxes(
                ListMailboxesRequest.with { $0.accountID = alice }, CallContext())
            #expect(list.subscribedWithoutMailbox == ["news"])
            #expect(list.mailboxes.first { $0.name == "INBOX" }?.subscribed == false)
            _ = try await storage.create(alice, "news")
            #expect(try await storage.mailbox(alice, "news")?.subscribed == true)
            #expect(try await subscribe("news", false).outcome == .done)
            #expect(try await subscribe("news", false).outcome == .done)
            #expect(try await storage.mailbox(alice, "news")?.subscribed == false)
        }
    }

    @Test("of one account are nobody else's")
    func isolation() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let message = try await storage.deliver(to: alice)
            #expect(try await storage.octets(bob, message.mailboxID, 1) == nil)
            #expect(
                try await storage.flags(bob, message.mailboxID, [1, 1], .add, ["\\Seen"]).outcome == .noSuchMailbox)
            #expect(try await storage.copy(bob, message.mailboxID, [1, 1], to: "Sent").outcome == .noSuchMailbox)
            #expect(try await storage.expunge(bob, message.mailboxID).outcome == .noSuchMailbox)
        }
    }
}
