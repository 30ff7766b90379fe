import Contracts
import IMAPSyntax
import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// ESEARCH beyond what a dialogue shows (RFC 7377).
@Suite("Several mailboxes")
struct MultiSearchTests {
    @Test("No more mailboxes than the limit, and no view of any is left", .timeLimit(.minutes(1)))
    func limit() async throws {
        var limits = Limits()
        limits.searchedMailboxes = 2
        limits.restingMessages = 0
        try await TestServer.run(limits: limits) { server in
            server.store.deliver(Fixtures.short, to: "Sent")
            let client = try await server.login()
            #expect(try await client.command("ESEARCH IN (personal) ALL").last?.hasPrefix("t NO [LIMIT]") == true)
            #expect(
                try await client.ok("ESEARCH IN (mailboxes (Sent INBOX)) ALL") == [
                    "* ESEARCH (TAG \"t\" MAILBOX Sent UIDVALIDITY 1001) UID ALL 1"
                ])
            #expect(server.services.mailboxes.counts == (0, 0))
            await client.close()
        }
    }

    @Test("While storage is away there is no answer, and nothing is left", .timeLimit(.minutes(1)))
    func storageAway() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.short)
            let client = try await server.select("Sent")
            server.store.setFault(MessagingError(.unavailable, "test"))
            #expect(
                try await client.command("ESEARCH IN (personal) ALL").last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            server.store.setFault(nil)
            #expect(try await client.ok("ESEARCH IN (personal) ALL").count == 1)
            await client.close()
        }
    }

    private func found(_ sources: [SearchSource], selectedID: Int64? = nil) -> [String] {
        let names = ["INBOX", "a", "a/b", "a/b/c", "ab", "held/d", "held"]
        let mailboxes = names.enumerated().map { index, name -> Mailbox in
            var mailbox = Mailbox()
            mailbox.mailboxID = Int64(index)
            mailbox.name = name
            mailbox.selectable = name != "held"
            mailbox.subscribed = name.hasPrefix("a/")
            return mailbox
        }
        return sources.mailboxes(among: mailboxes, selectedID: selectedID).map(\.name)
    }

    @Test("Which mailboxes the sources name (RFC 7377, 2.2)")
    func sources() {
        #expect(found([.personal]) == ["INBOX", "a", "a/b", "a/b/c", "ab", "held/d"])
        #expect(found([.inboxes, .personal, .subscribed]).count == 6)
        #expect(found([.subscribed]) == ["a/b", "a/b/c"])
        #expect(found([.subtree(["a"])]) == ["a", "a/b", "a/b/c"])
        #expect(found([.subtree(["held", "inbox"])]) == ["INBOX", "held/d"])
        #expect(found([.subtree([""])]).count == 6)
        #expect(found([.subtreeOne(["a"])]) == ["a", "a/b"])
        #expect(found([.subtreeOne([""])]) == ["INBOX", "a", "ab"])
        #expect(found([.subtreeOne(["held", "a/b"])]) == ["a/b", "a/b/c", "held/d"])
        #expect(found([.mailboxes(["ab", "held", "*"]), .selected], selectedID: 1) == ["a", "ab"])
        #expect(found([.selected]).isEmpty)
    }
}
