import Contracts
import Messaging
import TestSupport
import Testing

@testable import Storage

/// What becomes of contents whose messages are removed.
@Suite("Released contents")
struct ReleasedContentTests {
    private func counts(_ storage: StorageFixture) async throws -> String {
        try await storage.database.query(
            """
            SELECT (SELECT count(*) FROM mail.contents) || ' '
                || (SELECT coalesce(string_agg(cardinality(content_ids)::text, ',' ORDER BY batch_id), '-')
                    FROM mail.released_batches)
                || ' ' || (SELECT count(*) FROM mail.released_contents)
            """)
    }

    @Test("are remembered many in a row, and go after the grace time unless something refers to them")
    func together() async throws {
        try await withStorage(adjust: { $0.contentGrace = .seconds(3600) }) { storage in
            let alice = try await storage.account("alice@example.test")
            var inbox: Int64 = 0
            for _ in 0..<5 { inbox = try await storage.deliver(to: alice).mailboxID }
            _ = try await storage.copy(alice, inbox, [2, 3], to: "Archive")
            for _ in 0..<99 { _ = try await storage.copy(alice, inbox, [1, 5], to: "Trash") }
            let trash = try #require(try await storage.mailbox(alice, "Trash")).mailboxID
            _ = try await storage.flags(alice, inbox, [1, 4], .add, ["\\Deleted"])
            _ = try await storage.flags(alice, trash, [1, 450], .add, ["\\Deleted"])
            #expect(try await storage.expunge(alice, inbox, [1, 3, 4, 4]).uids == [1, 2, 3, 4])
            #expect(try await storage.expunge(alice, trash).uids == Array(1...450))
            #expect(try await counts(storage) == "5 4,200,200,50 0")
            #expect(try await storage.engine.upkeep.removeDue() == 0)
            #expect(try await counts(storage) == "5 4,200,200,50 0")
            let age = "UPDATE mail.released_batches SET released_at = released_at - interval '2 hours'"
            try await storage.database.query(age)
            // What is still in Trash, in Archive or in the inbox stays.
            #expect(try await storage.engine.upkeep.removeDue() == 0)
            #expect(try await counts(storage) == "5 - 0")
            #expect(try await storage.delete(alice, "Trash") == .done)
            #expect(try await counts(storage) == "5 45 0")
            try await storage.database.query(age)
            #expect(try await storage.engine.upkeep.removeDue() == 2)
            #expect(try await counts(storage) == "3 - 0")
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "alice@example.test" }, CallContext())
            #expect(try await counts(storage) == "3 3 0")
            try await storage.database.query(age)
            #expect(try await storage.engine.upkeep.removeDue() == 3)
            #expect(try await counts(storage) == "0 - 0")
        }
    }

    @Test("that are large have rows of their own, whose grace time begins anew")
    func large() async throws {
        try await withStorage(adjust: { $0.contentGrace = .seconds(3600) }) { storage in
            let alice = try await storage.account("alice@example.test")
            let text = "Subject: x\r\n\r\n" + String(repeating: "x", count: Released.octets)
            let inbox = try await storage.deliver(text, to: alice).mailboxID
            try await storage.deliver(to: alice)
            _ = try await storage.copy(alice, inbox, [1, 1], to: "Archive")
            _ = try await storage.flags(alice, inbox, [1, 2], .add, ["\\Deleted"])
            #expect(try await storage.expunge(alice, inbox).uids == [1, 2])
            #expect(try await counts(storage) == "2 1 1")
            try await storage.database.query(
                """
                UPDATE mail.released_batches SET released_at = released_at - interval '2 hours';
                UPDATE mail.released_contents SET released_at = released_at - interval '2 hours';
                """)
            let archive = try #require(try await storage.mailbox(alice, "Archive")).mailboxID
            _ = try await storage.flags(alice, archive, [1, 1], .add, ["\\Deleted"])
            #expect(try await storage.expunge(alice, archive).uids == [1])
            #expect(try await storage.engine.upkeep.removeDue() == 1)
            #expect(try await counts(storage) == "1 - 1")
            try await storage.database.query(
                "UPDATE mail.released_contents SET released_at = released_at - interval '2 hours'")
            #expect(try await storage.engine.upkeep.removeDue() == 1)
            #expect(try await counts(storage) == "0 - 0")
        }
    }
}
