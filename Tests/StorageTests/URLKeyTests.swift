import Contracts
import Foundation
import Messaging
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    /// The token of a URL, nil when there is no such mailbox.
    func token(_ accountID: Int64, _ name: String, _ rump: String) async throws -> Data? {
        let reply = try await mailStore.authorizeURL(
            AuthorizeURLRequest.with {
                $0.accountID = accountID
                $0.mailboxName = name
                $0.rump = Data(rump.utf8)
            }, CallContext())
        #expect((reply.outcome == .done) == !reply.token.isEmpty)
        return reply.outcome == .done ? reply.token : nil
    }

    /// Where a URL leads, nil when it is not valid.
    func place(_ owner: String, _ name: String, _ rump: String, _ token: Data?) async throws -> [Int64]? {
        let reply = try await mailStore.checkURL(
            CheckURLRequest.with {
                $0.owner = owner
                $0.mailboxName = name
                $0.rump = Data(rump.utf8)
                $0.token = token ?? Data()
            }, CallContext())
        return reply.valid ? [reply.accountID, reply.mailboxID, Int64(reply.uidValidity)] : nil
    }

    func resetKeys(_ accountID: Int64, _ name: String, key: TransactionID? = nil) async throws -> MailboxOutcome {
        let request = ResetURLKeysRequest.with {
            $0.accountID = accountID
            $0.mailboxName = name
        }
        return try await mailStore.resetURLKeys(request, CallContext(idempotencyKey: key)).outcome
    }
}

/// RFC 4467.
@Suite("URL keys")
struct URLKeyTests {
    @Test("A token proves one URL of one mailbox of one account, and the same one again")
    func proving() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let inbox = try #require(try await storage.mailboxes(alice).first { $0.name == "INBOX" })
            let place = [alice, inbox.mailboxID, Int64(inbox.uidValidity)]
            let token = try #require(try await storage.token(alice, "inbox", "rump"))
            #expect(token.count == 33 && token.first == 1)
            #expect(try await storage.token(alice, "INBOX", "rump") == token)
            #expect(try await storage.place("alice@example.test", "INBOX", "rump", token) == place)
            #expect(try await storage.place("Alice@Example.TEST", "inbox", "rump", token) == place)
            let others = [
                try await storage.token(alice, "INBOX", "Rump"), try await storage.token(alice, "Sent", "rump"),
                try await storage.token(bob, "INBOX", "rump"),
            ]
            #expect(Set(others.compactMap { $0 } + [token]).count == 4)
            let altered: [Data?] = [token.dropLast(), Data(), Data([2]) + token.dropFirst(), token + Data([0])]
            for wrong in others + altered {
                #expect(try await storage.place("alice@example.test", "INBOX", "rump", wrong) == nil)
            }
            #expect(try await storage.place("bob@example.test", "INBOX", "rump", token) == nil)
            #expect(try await storage.place("alice@example.test", "Sent", "rump", token) == nil)
            #expect(try await storage.place("alice@example.test", "INBOX", "rump2", token) == nil)
            #expect(try await storage.place("nobody@example.test", "INBOX", "rump", token) == nil)
            #expect(try await storage.place("alice@example.test", "nothing", "rump", token) == nil)
            #expect(try await storage.place("", "", "", Data()) == nil)
            #expect(try await storage.token(alice, "nothing", "rump") == nil)
            #expect(try await storage.database.query("SELECT count(*) FROM mail.url_keys") == "3")
        }
    }

    @Test("A key that is reset ends what it proved, and no other's")
    func resetting() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            let proofs = [
                ("alice@example.test", "INBOX", try await storage.token(alice, "INBOX", "rump")),
                ("alice@example.test", "Sent", try await storage.token(alice, "Sent", "rump")),
                ("bob@example.test", "INBOX", try await storage.token(bob, "INBOX", "rump")),
            ]
            func valid() async throws -> [Bool] {
                var valid: [Bool] = []
                for (owner, name, token) in proofs {
                    valid.append(try await storage.place(owner, name, "rump", token) != nil)
                }
                return valid
            }
            #expect(try await valid() == [true, true, true])
            #expect(try await storage.resetKeys(alice, "nothing") == .noSuchMailbox)
            let key = TransactionID.next()
            _ = storage.changes.take()
            #expect(try await storage.resetKeys(alice, "inbox", key: key) == .done)
            #expect(storage.changes.take().map { $0.urlKey && $0.mailboxID > 0 && $0.accountID == alice } == [true])
            #expect(try await valid() == [false, true, true])
            let token = try await storage.token(alice, "INBOX", "rump")
            // The same call again changes nothing.
            #expect(try await storage.resetKeys(alice, "inbox", key: key) == .done)
            #expect(try await storage.token(alice, "INBOX", "rump") == token)
            _ = storage.changes.take()
            #expect(try await storage.resetKeys(alice, "") == .done)
            #expect(storage.changes.take().map { $0.urlKey && $0.mailboxID == 0 } == [true])
            #expect(try await valid() == [false, false, true])
            #expect(try await storage.token(alice, "INBOX", "rump") != token)
        }
    }

    @Test("A mailbox that is deleted, or an account that is removed or disabled, gives nothing any more")
    func removing() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try await storage.token(alice, "INBOX", "rump")
            let request = CreateMailboxRequest.with {
                $0.accountID = alice
                $0.name = "Shared"
            }
            _ = try await storage.mailStore.createMailbox(request, CallContext())
            let shared = try await storage.token(alice, "Shared", "rump")
            #expect(try await storage.place("alice@example.test", "Shared", "rump", shared) != nil)
            _ = try await storage.mailStore.deleteMailbox(
                DeleteMailboxRequest.with {
                    $0.accountID = alice
                    $0.name = "Shared"
                }, CallContext())
            #expect(try await storage.database.query("SELECT count(*) FROM mail.url_keys") == "1")
            _ = try await storage.mailStore.createMailbox(request, CallContext())
            #expect(try await storage.place("alice@example.test", "Shared", "rump", shared) == nil)
            #expect(try await storage.place("alice@example.test", "INBOX", "rump", inbox) != nil)
            try await storage.database.query("UPDATE directory.accounts SET disabled = true")
            #expect(try await storage.place("alice@example.test", "INBOX", "rump", inbox) == nil)
            _ = try await storage.directory.removeAccount(
                RemoveAccountRequest.with { $0.address = "alice@example.test" }, CallContext())
            #expect(try await storage.database.query("SELECT count(*) FROM mail.url_keys") == "0")
        }
    }
}
