import Contracts
import Foundation
import Messaging
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    /// What is noted of a mailbox, or of the account for the empty name, as text; nil when there is no such mailbox.
    func notes(
        _ accountID: Int64, _ name: String, _ entries: [String], depth: Int32 = 0
    ) async throws -> [String: String]? {
        let reply = try await mailStore.getMetadata(
            GetMetadataRequest.with {
                $0.accountID = accountID
                $0.mailboxName = name
                $0.entries = entries
                $0.depth = depth
            }, CallContext())
        guard reply.outcome == .done else { return nil }
        #expect(reply.annotations.map(\.entry) == reply.annotations.map(\.entry).sorted())
        return Dictionary(
            uniqueKeysWithValues: reply.annotations.map { ($0.entry, String(decoding: $0.value, as: UTF8.self)) })
    }

    func note(
        _ accountID: Int64, _ name: String, _ changes: KeyValuePairs<String, String?>, key: TransactionID? = nil
    ) async throws -> MetadataOutcome {
        let request = SetMetadataRequest.with { request in
            request.accountID = accountID
            request.mailboxName = name
            request.changes = changes.map { entry, value in
                AnnotationChange.with {
                    $0.entry = entry
                    if let value { $0.value = Data(value.utf8) }
                }
            }
        }
        return try await mailStore.setMetadata(request, CallContext(idempotencyKey: key)).outcome
    }
}

/// RFC 5464.
@Suite("Metadata")
struct MetadataTests {
    @Test("is kept for each mailbox and for the account, and nobody else's")
    func keeping() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            #expect(try await storage.note(alice, "inbox", ["/private/comment": "a", "/shared/comment": ""]) == .done)
            #expect(try await storage.note(alice, "", ["/private/vendor/x/y": "b"]) == .done)
            #expect(
                try await storage.notes(alice, "INBOX", ["/shared/comment", "/private/comment", "/private/x"])
                    == ["/private/comment": "a", "/shared/comment": ""])
            #expect(
                try await storage.notes(alice, "", ["/private/vendor/x/y", "/private/comment"])
                    == ["/private/vendor/x/y": "b"])
            #expect(try await storage.notes(alice, "Sent", ["/private/comment"]) == [:])
            #expect(try await storage.notes(bob, "INBOX", ["/private/comment"]) == [:])
            #expect(try await storage.notes(alice, "nothing", ["/private/comment"]) == nil)
            #expect(try await storage.note(alice, "nothing", ["/private/comment": "x"]) == .noSuchMailbox)
            #expect(try await storage.note(alice, "INBOX", ["/private/comment": nil, "/private/x": nil]) == .done)
            #expect(try await storage.notes(alice, "INBOX", ["/private/comment"]) == [:])
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "alice@example.test" }, CallContext())
            #expect(try await storage.database.query("SELECT count(*) FROM mail.metadata") == "0")
        }
    }

    @Test("holds any octets")
    func octets() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let value = Data((0...255).map { UInt8($0) })
            let request = SetMetadataRequest.with {
                $0.accountID = alice
                $0.mailboxName = "INBOX"
                $0.changes = [
                    AnnotationChange.with {
                        $0.entry = "/private/a"
                        $0.value = value
                    }
                ]
            }
            #expect(try await storage.mailStore.setMetadata(request, CallContext()).outcome == .done)
            let reply = try await storage.mailStore.getMetadata(
                GetMetadataRequest.with {
                    $0.accountID = alice
                    $0.allMailboxes = true
                    $0.entries = ["/private/a", "/private/specialuse"]
                }, CallContext())
            let mailboxes = try await storage.mailboxes(alice)
            #expect(reply.annotations.first { $0.entry == "/private/a" }?.value == value)
            for mailbox in mailboxes where !mailbox.specialUse.isEmpty {
                #expect(
                    reply.annotations.contains {
                        $0.mailboxID == mailbox.mailboxID && $0.value == Data(mailbox.specialUse.utf8)
                    })
            }
            #expect(reply.annotations.count == 6)
        }
    }

    @Test("below an entry is found one level deep, or all of it")
    func depth() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let all: [String: String] = [
                "/private/a": "1", "/private/a/b": "2", "/private/a/b/c": "3", "/private/ab": "4", "/private/a_/c": "5",
                "/shared/a/b": "6",
            ]
            for (entry, value) in all { #expect(try await storage.note(alice, "INBOX", [entry: value]) == .done) }
            func found(_ entries: [String], _ depth: Int32) async throws -> [String] {
                try await storage.notes(alice, "INBOX", entries, depth: depth).map { $0.values.sorted() } ?? []
            }
            #expect(try await found(["/private/a"], 0) == ["1"])
            #expect(try await found(["/private/a"], 1) == ["1", "2"])
            #expect(try await found(["/private/a"], -1) == ["1", "2", "3"])
            #expect(try await found(["/private/a_"], -1) == ["5"])
            #expect(try await found(["/private"], 1) == ["1", "4"])
            #expect(try await found(["/private", "/private/a"], -1) == ["1", "2", "3", "4", "5"])
            #expect(try await found(["/private", "/shared"], -1).count == 6)
            #expect(try await found([], -1).isEmpty)
        }
    }

    @Test("goes with the mailbox when it is renamed, is copied from the inbox, and ends with the mailbox")
    func hierarchy() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let entry = "/private/comment"
            _ = try await storage.create(alice, "a/b")
            #expect(try await storage.note(alice, "a", [entry: "name"]) == .done)
            #expect(try await storage.note(alice, "a/b", [entry: "mailbox"]) == .done)
            #expect(try await storage.rename(alice, "a", "x") == .done)
            #expect(try await storage.notes(alice, "x", [entry]) == [entry: "name"])
            #expect(try await storage.notes(alice, "x/b", [entry]) == [entry: "mailbox"])
            #expect(try await storage.delete(alice, "x/b") == .done)
            _ = try await storage.create(alice, "x/b")
            #expect(try await storage.notes(alice, "x/b", [entry]) == [:])
            #expect(try await storage.note(alice, "INBOX", [entry: "inbox"]) == .done)
            #expect(try await storage.rename(alice, "INBOX", "old") == .done)
            #expect(try await storage.notes(alice, "INBOX", [entry]) == [entry: "inbox"])
            #expect(try await storage.notes(alice, "old", [entry]) == [entry: "inbox"])
            // What keeps its name for its children is another mailbox when it is made again.
            _ = try await storage.create(alice, "old/child")
            #expect(try await storage.delete(alice, "old") == .done)
            #expect(try await storage.notes(alice, "old", [entry]) == [:])
            #expect(try await storage.note(alice, "old", [entry: "hollow"]) == .done)
            _ = try await storage.create(alice, "old")
            #expect(try await storage.notes(alice, "old", [entry]) == [:])
            #expect(
                try await storage.database.query(
                    """
                    SELECT count(*) FROM mail.metadata a WHERE mailbox_id NOT IN (SELECT mailbox_id FROM mail.mailboxes)
                    """) == "0")
        }
    }

    @Test("is limited in size, in number for each mailbox and in all for each account; less is always possible")
    func limits() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let largest = String(repeating: "x", count: MetadataLimits.valueOctets)
            #expect(try await storage.note(alice, "INBOX", ["/private/a": largest]) == .done)
            #expect(try await storage.note(alice, "INBOX", ["/private/a": largest + "x"]) == .valueTooLarge)
            for index in 1..<MetadataLimits.entries {
                #expect(try await storage.note(alice, "INBOX", ["/private/\(index)": "\(index)"]) == .done)
            }
            #expect(try await storage.note(alice, "INBOX", ["/private/1": "other", "/private/b": "x"]) == .tooMany)
            #expect(try await storage.notes(alice, "INBOX", ["/private/1"]) == ["/private/1": "1"])
            #expect(
                try await storage.note(
                    alice, "INBOX", ["/private/1": "other", "/private/2": nil, "/private/b": "x"]) == .done)
            #expect(try await storage.note(alice, "Sent", ["/private/b": "x"]) == .done)
            // To the brim, by the database itself.
            try await storage.database.query(
                """
                INSERT INTO mail.metadata SELECT account_id, mailbox_id, '/private/brim/' || n, repeat('x', 32768)::bytea
                    FROM mail.mailboxes, generate_series(1, 130) n WHERE name = 'Trash'
                """)
            #expect(try await storage.note(alice, "Sent", ["/private/c": "x"]) == .tooMany)
            #expect(try await storage.note(alice, "Sent", ["/private/b": "y"]) == .done)
            #expect(try await storage.note(alice, "Trash", ["/private/brim/1": nil]) == .done)
            // Renaming the inbox does not fail for it.
            #expect(try await storage.rename(alice, "INBOX", "old") == .done)
            #expect(try await storage.notes(alice, "old", ["/private/1"]) == [:])
            #expect(try await storage.delete(alice, "Trash") == .done)
            #expect(try await storage.note(alice, "Sent", ["/private/c": "x"]) == .done)
        }
    }

    @Test("shows and sets the special use of a mailbox, under the rules for making one")
    func specialUse() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let entry = "/private/specialuse"
            _ = storage.changes.take()
            #expect(try await storage.notes(alice, "Sent", [entry]) == [entry: "\\Sent"])
            #expect(try await storage.notes(alice, "INBOX", [entry]) == [:])
            _ = try await storage.create(alice, "a/b")
            #expect(try await storage.note(alice, "a/b", [entry: "\\Sent", "/private/x": "x"]) == .notPermitted)
            #expect(try await storage.notes(alice, "a/b", ["/private/x"]) == [:])
            #expect(try await storage.note(alice, "a/b", [entry: "\\Odd"]) == .notPermitted)
            #expect(try await storage.note(alice, "a/b", [entry: "\\Sent \\Junk"]) == .notPermitted)
            #expect(try await storage.note(alice, "Sent", [entry: nil]) == .done)
            #expect(try await storage.note(alice, "a", [entry: "\\Sent"]) == .notPermitted)
            _ = storage.changes.take()
            #expect(try await storage.note(alice, "a/b", [entry: "\\Sent", "/private/x": "x"]) == .done)
            #expect(storage.changes.take().contains { $0.hierarchy })
            #expect(try await storage.mailbox(alice, "a/b")?.specialUse == "\\Sent")
            #expect(try await storage.mailbox(alice, "Sent")?.specialUse == "")
            #expect(
                try await storage.notes(alice, "a/b", [entry, "/private/x"])
                    == [entry: "\\Sent", "/private/x": "x"])
            #expect(try await storage.database.query("SELECT count(*) FROM mail.metadata") == "1")
        }
    }

    @Test("is changed once for each key")
    func repetition() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let key = TransactionID.next()
            #expect(try await storage.note(alice, "INBOX", ["/private/a": "first"], key: key) == .done)
            #expect(try await storage.note(alice, "INBOX", ["/private/a": "second"]) == .done)
            #expect(try await storage.note(alice, "INBOX", ["/private/a": "first"], key: key) == .done)
            #expect(try await storage.notes(alice, "INBOX", ["/private/a"]) == ["/private/a": "second"])
        }
    }
}
