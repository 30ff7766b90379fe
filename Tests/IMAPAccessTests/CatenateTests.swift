import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// CATENATE (RFC 4469) on real sockets. What is said in it, `Dialogues/catenate.txt` and `catenate-refused.txt` show.
@Suite struct CatenateTests {
    private static func large(_ octets: Int) -> String {
        let lines = (0..<octets / 8).map { "\(100_000 + $0 % 900_000)\r\n" }
        return "Subject: large\r\n\r\n" + lines.joined()
    }

    private func body(_ message: String) -> String {
        message.split(separator: "\r\n\r\n", maxSplits: 1).dropFirst().joined()
    }

    private func text(_ text: String) -> String { "TEXT {\(text.utf8.count)+}\r\n\(text)" }

    @Test("What is large goes from storage into the upload, in one request", .timeLimit(.minutes(1)))
    func streams() async throws {
        try await TestServer.run { server in
            let large = Self.large(1_500_000)
            server.store.deliver(large)
            server.store.deliver(Fixtures.plain)
            let client = try await server.login()
            let parts = [
                text("Subject: x\r\n\r\n"), "URL /INBOX/;UID=1/;SECTION=TEXT", "URL /INBOX/;UID=2/;SECTION=TEXT",
                text("-"), "URL /INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=1000.300000",
            ]
            let lines = try await client.command("APPEND Sent CATENATE (\(parts.joined(separator: " ")))")
            #expect(lines == ["t OK [APPENDUID 1001 1] APPEND completed"])
            let text = Array(body(large).utf8)
            let expected: [UInt8] =
                Array("Subject: x\r\n\r\n".utf8) + text + Array((body(Fixtures.plain) + "-").utf8)
                + text[1000..<301_000]
            #expect(server.store.messages(in: "Sent").map(\.octets) == [expected])
            #expect(server.store.calls("append") == 1)
            // The mailbox is looked up once, each message once, and once more the target of something large.
            #expect(server.store.calls("view") == 2)
            #expect(server.store.calls("fetched messages") == 3)
            let replaced = try await client.command("APPEND nothing CATENATE (\(parts.joined(separator: " ")))")
            #expect(replaced.last?.hasPrefix("t NO [TRYCREATE]") == true)
            #expect(server.store.calls("append") == 1)
            await client.close()
        }
    }

    @Test("A message that goes while the command comes makes its URL a bad one", .timeLimit(.minutes(1)))
    func goneMeanwhile() async throws {
        try await TestServer.run { server in
            for message in [Fixtures.plain, Self.large(1_000_000)] {
                let uid = server.store.deliver(message)
                let (client, other) = (try await server.login(), try await server.select())
                try await client.send("t APPEND Sent CATENATE (URL /INBOX/;UID=\(uid) TEXT {2}\r\n")
                #expect(try await client.line() == "+ Ready for the text")
                try await other.ok("UID STORE \(uid) +FLAGS.SILENT (\\Deleted)")
                try await other.ok("EXPUNGE")
                try await client.send("hi)\r\n")
                let lines = try await client.answer()
                #expect(lines.count == 1 && lines[0].hasPrefix("t NO [BADURL /INBOX/;UID=\(uid)]"), "\(lines)")
                try await client.ok("NOOP")
                await client.close()
                await other.close()
            }
            #expect(server.store.messages(in: "Sent").isEmpty)
        }
    }

    @Test("Storage that goes away while it is read stores nothing; the next try does", .timeLimit(.minutes(1)))
    func storageGoesAway() async throws {
        try await TestServer.run { server in
            server.store.deliver(Self.large(1_000_000))
            let client = try await server.login()
            let command = "APPEND Sent CATENATE (\(text("A: b\r\n\r\n")) URL /INBOX/;UID=1/;SECTION=TEXT)"
            server.store.state.withLock { $0.failAfterOctets = 400_000 }
            #expect(try await client.command(command).last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            #expect(server.store.messages(in: "Sent").isEmpty)
            server.store.setFault(MessagingError(.unavailable, "test"))
            #expect(try await client.command(command).last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            server.store.setFault(nil)
            #expect(try await client.command(command).last?.hasPrefix("t OK") == true)
            #expect(server.store.messages(in: "Sent").count == 1)
            await client.close()
        }
    }

    @Test("Limits count over the sum, and the session goes on", .timeLimit(.minutes(1)))
    func limits() async throws {
        var limits = Limits()
        limits.messageOctets = 2000
        limits.inlineOctets = 500
        limits.commandOctets = 1000
        limits.appendedMessages = 3
        try await TestServer.run(limits: limits) { server in
            server.store.deliver("A: b\r\n\r\n" + String(repeating: "x", count: 800))
            let client = try await server.login()
            let url = "URL /INBOX/;UID=1/;SECTION=TEXT"
            func spaces(_ count: Int) -> String { text(String(repeating: " ", count: count)) }
            let refused: [(String, String)] = [
                ("CATENATE (\(url) \(url) \(url))", "TOOBIG"),
                ("CATENATE (\(url) \(url) \(spaces(401)))", "TOOBIG"),
                ("CATENATE (\(spaces(401)) \(url) \(url) \(spaces(2)))", "TOOBIG"),
                ("CATENATE (\(spaces(600)) \(spaces(401)))", "LIMIT"),
                ("CATENATE (\(url) \(url)) CATENATE (\(url))", "LIMIT"),
                ("CATENATE (\(url)) {501+}\r\n\(String(repeating: " ", count: 501))", "LIMIT"),
                ([1, 2, 3, 4].map { "CATENATE (\(text("\($0)")))" }.joined(separator: " "), "LIMIT"),
                ("CATENATE (\(text("1")) TEXT {2001+}\r\n\(String(repeating: " ", count: 2001)))", "TOOBIG"),
            ]
            for (parts, code) in refused {
                let lines = try await client.command("APPEND INBOX \(parts)")
                #expect(lines.last?.hasPrefix("t NO [\(code)]") == true, "\(parts): \(lines)")
                try await client.ok("NOOP")
            }
            #expect(server.store.messages().count == 1)
            for parts in [
                "CATENATE (\(url) \(url) \(spaces(400)))", "CATENATE (\(spaces(600)) \(spaces(400)))",
                "CATENATE (\(url)) CATENATE (\(url)) {3+}\r\n123",
            ] {
                #expect(try await client.command("APPEND INBOX \(parts)").last?.hasPrefix("t OK") == true, "\(parts)")
            }
            #expect(server.store.messages().map(\.size).suffix(5) == [2000, 1000, 800, 800, 3])
            await client.close()
        }
    }

    @Test("UTF-8 in a header that is put together needs a client that knows of it", .timeLimit(.minutes(1)))
    func eightBitHeader() async throws {
        try await TestServer.run { server in
            server.store.deliver("Subject: ü\r\n\r\nä")
            let client = try await server.login()
            let tried: [(String, Bool)] = [
                ("URL /INBOX/;UID=1/;SECTION=HEADER", false),
                ("URL \"/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)\"", false),
                ("URL /INBOX/;UID=1", false), ("\(text("A: b\r\n")) URL /INBOX/;UID=1/;SECTION=TEXT", false),
                ("\(text("A: b\r\n\r\n")) URL /INBOX/;UID=1/;SECTION=TEXT", true),
                ("\(text("A: b\r\n\r\n")) URL /INBOX/;UID=1/;SECTION=HEADER", true),
            ]
            for (parts, fits) in tried {
                let last = try await client.command("APPEND Sent CATENATE (\(parts))").last
                #expect(last?.hasPrefix(fits ? "t OK" : "t NO [CANNOT]") == true, "\(parts): \(last ?? "")")
            }
            try await client.ok("ENABLE UTF8=ACCEPT")
            try await client.ok("APPEND Sent CATENATE (URL /INBOX/;UID=1)")
            #expect(server.store.messages(in: "Sent").count == 3)
            await client.close()
        }
    }

    @Test("A client that vanishes before the end of the command stores nothing", .timeLimit(.minutes(2)))
    func vanishing() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 1000
        try await TestServer.run(limits: limits) { server in
            server.store.deliver(Fixtures.plain)
            let octets = Array("t APPEND Sent CATENATE (URL {13+}\r\n/INBOX/;UID=1 TEXT {2+}\r\nhi)\r\n".utf8)
            for length in 0..<octets.count {
                let client = try await server.login()
                try await client.send(Array(octets[..<length]))
                if length % 2 == 0 { await client.reset() } else { await client.close() }
            }
            try await server.untilIdle()
            #expect(server.store.messages(in: "Sent").isEmpty)
            #expect(server.store.calls("append") == 0)
        }
    }

    @Test("It leaves a receipt as any APPEND does, which is settled as any", .timeLimit(.minutes(1)))
    func settling() async throws {
        let holder = StoreHolder()
        try await TestServer.run { server in
            await holder.keep(server.store)
            server.store.deliver(Self.large(600_000))
            let client = try await server.login()
            try await client.ok("APPEND Sent CATENATE (URL /INBOX/;UID=1)")
            try await client.ok("APPEND Sent CATENATE (URL /INBOX/;UID=1/;SECTION=HEADER)")
            #expect(server.store.state.withLock { $0.appendClients.allSatisfy { $0.receivedUptime > 0 } })
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            await client.close()
            try await server.untilIdle()
        }
        #expect(await holder.store?.state.withLock { $0.settledReceipts.count } == 2)
    }
}
