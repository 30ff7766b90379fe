import IMAPSyntax
import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// URLAUTH (RFC 4467) on real sockets: what the URLs that one user makes give another. What is refused,
/// `Dialogues/urlauth.txt` shows.
@Suite struct URLAuthorizationTests {
    private static let owner = "imap://alice%40example.test@mail.example.test"

    /// The authorized URL.
    private func authorized(_ rump: String, by client: IMAPClient) async throws -> String {
        let lines = try await client.ok("GENURLAUTH \"\(Self.owner)\(rump)\" INTERNAL")
        let prefix = "* GENURLAUTH \"\(Self.owner)\(rump):internal:"
        guard lines.count == 1, let line = lines.first, line.hasPrefix(prefix), line.hasSuffix("\"") else {
            throw TestFailure("not authorized: \(lines)")
        }
        return String(line.dropFirst("* GENURLAUTH \"".count).dropLast())
    }

    /// What a URL gives; nil for NIL.
    private func given(_ url: String, to client: IMAPClient) async throws -> String? {
        let lines = try await client.ok("URLFETCH \"\(url)\"")
        let prefix = "* URLFETCH \"\(url)\" "
        guard lines.count == 1, let line = lines.first, line.hasPrefix(prefix) else {
            throw TestFailure("no answer: \(lines)")
        }
        let answer = line.dropFirst(prefix.count)
        if answer == "NIL" { return nil }
        guard let end = answer.firstRange(of: "}\r\n") else { throw TestFailure("no literal: \(lines)") }
        let octets = answer[end.upperBound...]
        #expect(answer[..<end.lowerBound] == "{\(octets.utf8.count)")
        return String(octets)
    }

    /// Alice, who makes URLs, and Bob, who has no mailbox.
    private func both(
        _ server: TestServer
    ) async throws -> (alice: IMAPClient, bob: IMAPClient) {
        let bob = try await server.login()
        try await bob.ok("UNAUTHENTICATE")
        try await bob.ok("LOGIN \(MemorySasl.otherAddress) \"\(MemorySasl.password)\"")
        return (try await server.login(), bob)
    }

    @Test("Messages and parts, whatever is selected", .timeLimit(.minutes(1)))
    func parts() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            server.store.deliver(Fixtures.mixed)
            let (alice, bob) = try await both(server)
            let whole = String(decoding: MemoryStore.prefix, as: UTF8.self) + Fixtures.plain
            let parts: [(String, String)] = [
                ("/INBOX/;uid=1", whole),
                ("/inbox;UIDVALIDITY=1000/;uid=1/;section=TEXT", "First line\r\nSecond line\r\n"),
                ("/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=6.4", "line"), ("/INBOX/;UID=1/;PARTIAL=100000", ""),
                ("/INBOX/;uid=2/;section=2", "AAECA2FiYw=="),
                ("/INBOX/;uid=2/;section=HEADER.FIELDS%20(Cc)", "Cc: Dora <dora@example.test>\r\n\r\n"),
            ]
            for (rump, expected) in parts {
                let url = try await authorized(rump + ";urlauth=anonymous", by: alice)
                #expect(try await given(url, to: bob) == expected, "\(rump)")
                #expect(try await given(url, to: alice) == expected, "\(rump)")
            }
            for rump in ["/INBOX/;uid=9", "/INBOX/;uid=1/;section=7", "/INBOX;UIDVALIDITY=7/;uid=1"] {
                let url = try await authorized(rump + ";urlauth=anonymous", by: alice)
                #expect(try await given(url, to: alice) == nil, "\(rump)")
            }
            #expect(server.store.messages().allSatisfy { $0.flags == 0 })
            try await alice.ok("SELECT Sent")
            let url = try await authorized("/INBOX/;uid=2/;section=2;urlauth=anonymous", by: alice)
            #expect(try await given(url, to: alice) == "AAECA2FiYw==")
            await alice.close()
            await bob.close()
        }
    }

    @Test("Who may use a URL, and how long", .timeLimit(.minutes(1)))
    func access() async throws {
        for (submitters, maySubmit) in [([], false), ([MemorySasl.otherAddress], true)] as [(Set<String>, Bool)] {
            try await TestServer.run(submitters: submitters) { server in
                server.store.deliver(Fixtures.plain)
                let (alice, bob) = try await both(server)
                let ends: [(String, Bool, Bool)] = [
                    (";URLAUTH=anonymous", true, true), (";URLAUTH=authuser", true, true),
                    (";URLAUTH=user+bob%40example.test", false, true),
                    (";URLAUTH=user+BOB%40Example.test", false, true),
                    (";URLAUTH=user+alice%40example.test", true, false), (";URLAUTH=user+bob", false, false),
                    (";URLAUTH=submit+alice%40example.test", false, maySubmit),
                    (";EXPIRE=2006-11-02T14:30:00Z;URLAUTH=anonymous", false, false),
                    (";EXPIRE=2999-12-31T23:59:59-12:00;URLAUTH=anonymous", true, true),
                ]
                for (end, toAlice, toBob) in ends {
                    let url = try await authorized("/INBOX/;UID=1" + end, by: alice)
                    #expect(try await (given(url, to: alice) != nil) == toAlice, "\(end)")
                    #expect(try await (given(url, to: bob) != nil) == toBob, "\(end)")
                }
                await alice.close()
                await bob.close()
            }
        }
    }

    @Test("A URL that was changed gives nothing", .timeLimit(.minutes(1)))
    func altered() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.login()
            let url = try await authorized("/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=user+alice%40example.test", by: client)
            #expect(try await given(url, to: client) != nil)
            let changes: [(String, String)] = [
                ("UID=1", "UID=2"), ("TEXT", "text"), ("TEXT", "HEADER"), ("INBOX", "inbox"), ("%40", "@"),
                ("imap:", "IMAP:"), ("mail.example", "Mail.example"), ("user+alice%40example.test", "anonymous"),
                ("internal", "xsample"), ("URLAUTH", "urlauth"), (":internal:", ":internal:00"),
                ("/INBOX", "/%49NBOX"),
            ]
            for (old, new) in changes {
                let changed = url.replacing(old, with: new, maxReplacements: 1)
                #expect(changed != url)
                #expect(try await given(changed, to: client) == nil, "\(changed)")
            }
            // Neither the mechanism's case nor that of the digits is part of what was proved.
            #expect(try await given(url.replacing("internal", with: "INTERNAL"), to: client) != nil)
            let token = url.suffix(64)
            #expect(try await given(String(url.dropLast(64)) + token.uppercased(), to: client) != nil)
            await client.close()
        }
    }

    @Test("RESETKEY ends what was given, of one mailbox or of all", .timeLimit(.minutes(1)))
    func resetting() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            server.store.deliver(Fixtures.plain, to: "Sent")
            let client = try await server.login()
            let inbox = try await authorized("/INBOX/;UID=1;URLAUTH=authuser", by: client)
            let sent = try await authorized("/Sent/;UID=1;URLAUTH=authuser", by: client)
            func bothGive() async throws -> [Bool] {
                let first = try await given(inbox, to: client) != nil
                let second = try await given(sent, to: client) != nil
                return [first, second]
            }
            #expect(try await bothGive() == [true, true])
            try await client.ok("RESETKEY INBOX")
            #expect(try await bothGive() == [false, true])
            #expect(try await authorized("/INBOX/;UID=1;URLAUTH=authuser", by: client) != inbox)
            try await client.ok("RESETKEY")
            #expect(try await bothGive() == [false, false])
            await client.close()
        }
    }

    @Test("Who has the mailbox selected is told of its new key", .timeLimit(.minutes(1)))
    func toldElsewhere() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            for (command, mailbox) in [("RESETKEY INBOX", "INBOX"), ("RESETKEY", "Sent")] {
                let other = try await server.select(mailbox)
                try await other.send("i IDLE\r\n")
                #expect(try await other.line() == "+ idling")
                // Then it hears of what happens.
                server.store.deliver(Fixtures.short, to: mailbox)
                #expect(try await other.line() == "* 1 EXISTS")
                #expect(try await other.line() == "* 0 RECENT")
                try await client.ok("RESETKEY Trash")
                try await client.ok(command)
                #expect(try await other.line() == "* OK [URLMECH INTERNAL] The mailbox has another key")
                try await other.send("DONE\r\n")
                #expect(try await other.answer("i").count == 1)
                await other.close()
            }
            await client.close()
        }
    }

    @Test("What is large streams; storage that is away makes it a NO", .timeLimit(.minutes(1)))
    func large() async throws {
        try await TestServer.run { server in
            let body = String(repeating: "0123456\r\n", count: 200_000)
            server.store.deliver("Subject: x\r\n\r\n" + body)
            let client = try await server.login()
            let url = try await authorized("/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=authuser", by: client)
            #expect(try await given(url, to: client) == body)
            // It goes on where storage broke off.
            server.store.state.withLock { $0.failAfterOctets = 500_000 }
            #expect(try await given(url, to: client) == body)
            server.store.setFault(MessagingError(.unavailable, "test"))
            #expect(try await client.command("URLFETCH \"\(url)\"").last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            server.store.setFault(nil)
            #expect(try await given(url, to: client) == body)
            await client.close()
        }
    }
}
