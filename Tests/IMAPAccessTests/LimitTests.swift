import NIOCore
import TestSupport
import Testing
import TransportSecurity

@testable import IMAPAccess

/// Everything that a stranger can make grow has a limit.
@Suite struct LimitTests {
    @Test("Too many bad commands end the session", .timeLimit(.minutes(1)))
    func badCommands() async throws {
        var limits = Limits()
        limits.badCommands = 5
        try await TestServer.run(limits: limits) { server in
            let client = try await server.connect()
            for _ in 1...4 { #expect(try await client.command("NONSENSE").last?.hasPrefix("t BAD") == true) }
            // A good one in between counts from the beginning again.
            try await client.ok("NOOP")
            for _ in 1...5 { #expect(try await client.command("NONSENSE").last?.hasPrefix("t BAD") == true) }
            #expect(try await client.line().hasPrefix("* BYE"))
            try await client.untilEnd()
            await client.close()
        }
    }

    @Test("A line without end is refused", .timeLimit(.minutes(1)))
    func longLine() async throws {
        try await TestServer.run { server in
            let client = try await server.connect()
            try await client.send("t NOOP " + String(repeating: "x", count: 200_000) + "\r\n")
            let line = try await client.line()
            #expect(line.hasPrefix("t BAD") || line.hasPrefix("* BAD") || line.hasPrefix("* BYE"))
            await client.close()
        }
    }

    @Test("A message beyond the limit is refused before its octets, or skipped", .timeLimit(.minutes(1)))
    func largeLiteral() async throws {
        var limits = Limits()
        limits.messageOctets = 100_000
        try await TestServer.run(limits: limits) { server in
            let client = try await server.login()
            // What is said of the limit is what holds (RFC 7889).
            let capabilities = try await client.command("CAPABILITY").first ?? ""
            #expect(capabilities.split(separator: " ").contains("APPENDLIMIT=100000"))
            #expect(
                try await client.command("STATUS INBOX (APPENDLIMIT)").first == "* STATUS INBOX (APPENDLIMIT 100000)")
            #expect(try await client.command("APPEND INBOX {100001}").last?.hasPrefix("t NO [TOOBIG]") == true)
            #expect(
                try await client.append(String(repeating: "x", count: 100_001)).last?.hasPrefix("t NO [TOOBIG]") == true
            )
            #expect(try await client.append("Subject: x\r\n\r\n").last?.hasPrefix("t OK") == true)
            #expect(server.store.calls("append") == 1)
            await client.close()
        }
    }

    @Test("How many messages one command deals with is announced where it is limited", .timeLimit(.minutes(1)))
    func messages() async throws {
        var limits = Limits()
        limits.commandMessages = 1000
        for (limits, announced) in [(limits, true), (Limits(), false)] {
            try await TestServer.run(limits: limits) { server in
                let client = try await server.login()
                let capabilities = try await client.command("CAPABILITY").first ?? ""
                #expect(capabilities.split(separator: " ").contains("MESSAGELIMIT=1000") == announced)
                #expect(capabilities.contains("MESSAGELIMIT") == announced)
                await client.close()
            }
        }
    }

    @Test("Sessions from one address, and in all", .timeLimit(.minutes(1)))
    func sessions() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 2
        try await TestServer.run(limits: limits) { server in
            let (first, second) = (try await server.connect(), try await server.connect())
            let third = try await IMAPClient(server.plain, on: TestServer.eventLoops)
            #expect(try await third.line().hasPrefix("* BYE"))
            try await third.untilEnd()
            await third.close()
            await second.close()
            try await first.ok("LOGOUT")
            try await first.untilEnd()
            await first.close()
            try await server.untilIdle()
            let again = try await server.connect()
            try await again.ok("NOOP")
            await again.close()
        }
    }

    /// A client that has said all at once what it takes to log in and select: its patience is not measured.
    private static func member(of server: TestServer, saying more: String = "") async throws -> IMAPClient {
        let client = try await server.connect(
            preface: Array("a AUTHENTICATE TEST-STEPS\r\nZnJpZW5k\r\n\r\ns SELECT INBOX\r\n\(more)".utf8))
        #expect(try await client.answer("a").last?.hasPrefix("a OK") == true)
        #expect(try await client.answer("s").last?.hasPrefix("s OK") == true)
        return client
    }

    @Test("Silence ends a stranger's session while a member's goes on", .timeLimit(.minutes(1)))
    func silenceOfStrangers() async throws {
        var limits = Limits()
        limits.unauthenticatedTimeout = .seconds(2)
        limits.idleTimeout = .seconds(3600)
        try await TestServer.run(limits: limits) { server in
            let member = try await Self.member(of: server)
            let stranger = try await server.connect()
            #expect(try await stranger.line().hasPrefix("* BYE"))
            try await stranger.untilEnd()
            try await member.ok("NOOP")
            for client in [member, stranger] { await client.close() }
        }
    }

    @Test("Silence ends a member's session, in IDLE too", .timeLimit(.minutes(1)))
    func silenceOfMembers() async throws {
        var limits = Limits()
        limits.unauthenticatedTimeout = .seconds(3600)
        limits.idleTimeout = .seconds(2)
        try await TestServer.run(limits: limits) { server in
            let member = try await Self.member(of: server)
            let idle = try await Self.member(of: server, saying: "i IDLE\r\n")
            #expect(try await idle.line() == "+ idling")
            for client in [member, idle] {
                #expect(try await client.line().hasPrefix("* BYE"))
                try await client.untilEnd()
                await client.close()
            }
        }
    }

    @Test("What is pipelined beyond the limit waits in the socket", .timeLimit(.minutes(1)))
    func pipelining() async throws {
        var limits = Limits()
        limits.pipelinedOctets = 2048
        try await TestServer.run(limits: limits) { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.select()
            let commands = (1...5000).map { "c\($0) FETCH 1 BODY.PEEK[TEXT]<0.5>\r\n" }.joined()
            async let sending: Void = client.send(commands)
            for number in 1...5000 {
                #expect(try await client.line() == "* 1 FETCH (BODY[TEXT]<0> {5}\r\nFirst)")
                #expect(try await client.line().hasPrefix("c\(number) OK"))
            }
            try await sending
            await client.close()
        }
    }
}

/// STARTTLS and what hangs on it (RFC 9051, 6.2.1).
@Suite struct EncryptionTests {
    @Test("STARTTLS: nothing that came in the clear counts", .timeLimit(.minutes(1)))
    func startTLS() async throws {
        try await TestServer.run { server in
            let client = try await server.connect()
            try await client.send("s STARTTLS\r\ni CREATE injected\r\n")
            #expect(try await client.line().hasPrefix("s OK"))
            try await client.startTLS()
            let lines = try await client.command("CAPABILITY")
            #expect(lines.count == 2)
            #expect(lines.first?.contains("AUTH=PLAIN") == true)
            #expect(lines.first?.contains("STARTTLS") == false)
            #expect(lines.first?.contains("LOGINDISABLED") == false)
            #expect(try await client.command("STARTTLS").last?.hasPrefix("t BAD") == true)
            #expect(try await client.command("LOGIN a b").last?.hasPrefix("t NO [AUTHENTICATIONFAILED]") == true)
            try await client.ok("LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\"")
            #expect(server.sasl.bindings.withLock { $0 }.contains("tls-exporter"))
            #expect(try await client.ok("LIST \"\" injected").isEmpty)
            await client.close()
        }
    }

    @Test("A handshake that does not come ends the session", .timeLimit(.minutes(1)))
    func noHandshake() async throws {
        var limits = Limits()
        limits.unauthenticatedTimeout = .milliseconds(200)
        try await TestServer.run(limits: limits) { server in
            let silent = try await IMAPClient(server.secure, on: TestServer.eventLoops)
            try await silent.untilEnd()
            await silent.close()
            let plain = try await IMAPClient(
                server.secure, on: TestServer.eventLoops, preface: Array("a NOOP\r\n".utf8))
            try await plain.untilEnd()
            await plain.close()
        }
    }
}
