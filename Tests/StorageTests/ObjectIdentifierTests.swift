import Contracts
import Messaging
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    /// What storage's rows say of these messages, in the order in which it comes.
    func rows(_ accountID: Int64, _ mailboxID: Int64, _ uids: [UInt32]) async throws -> [FetchedMessage] {
        let request = FetchRequest.with {
            $0.accountID = accountID
            $0.mailboxID = mailboxID
            $0.uids = uids
            $0.rowOnly = true
        }
        return try await fetched(request)
    }
}

extension StorageFixture {
    /// All messages of the pages that answer a request.
    func fetched(_ request: FetchRequest) async throws -> [FetchedMessage] {
        var messages: [FetchedMessage] = []
        for try await (page, payload) in try await mailStore.fetch(request, CallContext()) {
            messages += try page.messages(payload)
        }
        return messages
    }
}

/// RFC 8474: what stays the same, and what is never the same.
@Suite("Object identifiers")
struct ObjectIdentifierTests {
    @Test("of contents follow the message, also through a commit to several mailboxes")
    func contents() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let results = try await storage.commit(
                "Subject: x\r\n\r\nx\r\n", [.store(alice), .store(alice, "Sent"), .store(bob)])
            try await storage.deliver(to: alice)
            let inbox = try await storage.rows(alice, results[0].mailboxID, [1, 9])
            #expect(inbox.map(\.uid) == [1, 2])
            #expect(inbox[0].contentID > 0 && inbox[0].contentID != inbox[1].contentID)
            #expect(inbox[0].octets == Int64(try await storage.view(alice, "INBOX").entries[0].size))
            let same = inbox[0].contentID
            #expect(try await storage.rows(alice, results[1].mailboxID, [1, 1]).map(\.contentID) == [same])
            #expect(try await storage.rows(bob, results[2].mailboxID, [1, 1]).map(\.contentID) == [same])
            let copied = try await storage.copy(alice, results[0].mailboxID, [1, 2], to: "Trash", move: true)
            #expect(
                try await storage.rows(alice, copied.toMailboxID, [1, 9]).map(\.contentID) == inbox.map(\.contentID))
            // With the contents comes the same.
            let request = FetchRequest.with {
                $0.accountID = alice
                $0.mailboxID = copied.toMailboxID
                $0.uids = [1, 9]
                $0.envelope = true
            }
            let full = try await storage.fetched(request)
            #expect(full.allSatisfy { $0.envelope.map { $0.readableBytes > 0 } == true })
            #expect(full.map(\.contentID) == inbox.map(\.contentID))
        }
    }

    @Test("come for as many messages and holes as there are")
    func pages() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let first = try await storage.deliver(to: alice)
            try await storage.database.query(
                """
                INSERT INTO mail.messages (account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
                    SELECT account_id, mailbox_id, n, content_id, 0, 2, internal_date, size
                    FROM mail.messages, generate_series(2, 5000) n WHERE n % 7 <> 0
                """)
            let expected: [UInt32] = Array(UInt32(1)...5000).filter { (uid: UInt32) -> Bool in uid % 7 != 0 }
            #expect(try await storage.rows(alice, first.mailboxID, [1, 5000]).map(\.uid) == expected)
            let single: [UInt32] = expected.flatMap { (uid: UInt32) -> [UInt32] in [uid, uid] }
            #expect(try await storage.rows(alice, first.mailboxID, single).map(\.uid) == expected)
            #expect(try await storage.rows(alice, first.mailboxID, [3, 3, 1, .max]).map(\.uid) == expected)
            #expect(try await storage.rows(alice, first.mailboxID, [7, 7, 6000, 7000]).isEmpty)
        }
    }

    @Test("of mailboxes stay when they are renamed, and are new when they are made again")
    func mailboxes() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let made = try await storage.create(alice, "a").mailbox
            _ = try await storage.create(alice, "a/b")
            #expect(try await storage.rename(alice, "a", "c") == .done)
            #expect(try await storage.mailbox(alice, "c")?.mailboxID == made.mailboxID)
            #expect(try await storage.delete(alice, "c") == .done)
            let again = try await storage.create(alice, "c").mailbox
            #expect(again.selectable && again.mailboxID != made.mailboxID)
            // The inbox stays itself: its messages go to a mailbox that is new (RFC 8474, 8.2).
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            #expect(try await storage.rename(alice, "INBOX", "old") == .done)
            #expect(try await storage.mailbox(alice, "INBOX")?.mailboxID == inbox.mailboxID)
            #expect(try await storage.mailbox(alice, "old")?.mailboxID != inbox.mailboxID)
        }
    }

    @Test("are asked for in windows that are neither too wide nor too many")
    func windows() {
        #expect(UIDRanges(pairs: [1, 5, 7, 9, 11, 11]).count(within: 8) == 2)
        #expect(UIDRanges(pairs: [1, 5, 7, 9, 11, 11]).count(within: 100) == 3)
        #expect(UIDRanges(pairs: [1, .max, .max, .max]).count(within: 8) == 1)
        #expect(UIDRanges(pairs: [1, 9, 11, 11]).count(within: 8) == 1)
        #expect(UIDRanges(pairs: []).count(within: 8) == 0)
    }
}
