import Contracts
import Database
import Messaging
import ServiceRuntime
import TestSupport
import Testing

@testable import Storage

/// RFC 8514: when a message was saved in the mailbox that it is in.
@Suite("Save dates")
struct SaveDateTests {
    private static func now() -> Int64 { Moment.now.wallClock }

    @Test("are the present at each way into a mailbox, and stay")
    func ways() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let before = Self.now()
            let first = try await storage.deliver(to: alice)
            // Two in one commit go another way through the database than one alone.
            _ = try await storage.commit("Subject: x\r\n\r\n", [.store(alice), .store(alice)])
            let between = Self.now()
            let inbox = try await storage.rows(alice, first.mailboxID, [1, 3])
            #expect(inbox.count == 3)
            #expect(inbox.allSatisfy { before <= $0.savedAt && $0.savedAt <= between })
            // The internal date is another matter.
            #expect(try await storage.view(alice, "INBOX").entries.allSatisfy { $0.date == 1_700_000_000_000_000 })
            let copied = try await storage.copy(alice, first.mailboxID, [1, 1], to: "Trash")
            _ = try await storage.copy(alice, first.mailboxID, [2, 2], to: "Trash", move: true)
            let trash = try await storage.rows(alice, copied.toMailboxID, [1, 2])
            #expect(trash.count == 2)
            #expect(trash.allSatisfy { (between...Self.now()).contains($0.savedAt) })
            _ = try await storage.flags(alice, first.mailboxID, [1, 1], .add, ["\\Seen"])
            #expect(try await storage.rows(alice, first.mailboxID, [1, 1]) == [inbox[0]])
        }
    }

    @Test("of messages from before they were kept are not known, and no table is written anew for them")
    func earlier() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = DatabaseConnection(
            ConnectionConfiguration(connectionString: database.connectionString()))
        try await connection.connect()
        // The schema as it was before this migration, with a message in it.
        try await Schema.migrators[0].apply(on: connection)
        try await Migrator(schema: "mail", migrations: Array(Schema.mail.prefix(4))).apply(on: connection)
        try await database.query(
            """
            INSERT INTO directory.domains (name) VALUES ('example.test');
            INSERT INTO directory.accounts (address, domain, next_uid_validity)
                VALUES ('a@example.test', 'example.test', 2);
            INSERT INTO mail.mailboxes (account_id, name, uid_validity, uid_next, message_count)
                SELECT account_id, 'INBOX', 1, 2, 1 FROM directory.accounts;
            INSERT INTO mail.messages SELECT account_id, mailbox_id, 1, 1, 0, 1, now(), 10 FROM mail.mailboxes;
            """)
        let file = try await database.query("SELECT pg_relation_filenode('mail.messages')")
        try await withStorage(database) { storage in
            let account = try await storage.directory.findAccount(
                FindAccountRequest.with { $0.address = "a@example.test" }, CallContext()
            ).account.accountID
            let inbox = try #require(try await storage.mailbox(account, "INBOX"))
            #expect(try await storage.rows(account, inbox.mailboxID, [1, 1]).map(\.savedAt) == [0])
            #expect(try await database.query("SELECT pg_relation_filenode('mail.messages')") == file)
            try await storage.deliver(to: account)
            #expect(try await storage.rows(account, inbox.mailboxID, [2, 2]).allSatisfy { $0.savedAt > 0 })
        }
    }
}
