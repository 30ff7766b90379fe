import TestSupport
import Testing

@testable import IMAPAccess

/// REPLACE (RFC 8508) on real sockets. What is said in it, `Dialogues/replace.txt` shows.
@Suite struct ReplaceTests {
    private func replace(_ what: String, _ message: String, to name: String = "INBOX") -> String {
        "\(what) \(name) {\(message.utf8.count)+}\r\n\(message)"
    }

    @Test("A message that another session has removed is not replaced", .timeLimit(.minutes(1)))
    func removedElsewhere() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            server.store.deliver(Fixtures.short)
            let (one, other) = (try await server.select(), try await server.select())
            try await one.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
            try await one.ok("EXPUNGE")
            let lines = try await other.command(replace("REPLACE 1", "A: b\r\n\r\n"))
            #expect(lines.last?.hasPrefix("t NO [") == true)
            #expect(server.store.messages().map(\.uid) == [2])
            await one.close()
            await other.close()
        }
    }

    @Test("A large message streams, and takes the place of another all the same", .timeLimit(.minutes(1)))
    func large() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.select()
            let message = "Subject: x\r\n\r\n" + String(repeating: "some line of text\r\n", count: 100_000)
            let lines = try await client.command(replace("REPLACE 1", message))
            #expect(lines.first?.hasPrefix("* OK [APPENDUID 1000 2]") == true)
            #expect(lines.last?.hasPrefix("t OK") == true)
            #expect(server.store.messages().map(\.octets) == [Array(message.utf8)])
            let refused = try await client.command(replace("REPLACE 1", message, to: "nothing"))
            #expect(refused.last?.hasPrefix("t NO [TRYCREATE]") == true)
            #expect(server.store.messages().map(\.uid) == [2])
            await client.close()
        }
    }

    @Test("Another session is told of what came and what went", .timeLimit(.minutes(1)))
    func toldElsewhere() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            server.store.deliver(Fixtures.short)
            let (one, other) = (try await server.select(), try await server.select())
            try await other.send("i IDLE\r\n")
            #expect(try await other.line() == "+ idling")
            #expect(try await one.command(replace("UID REPLACE 1", "A: b\r\n\r\n")).last?.hasPrefix("t OK") == true)
            var told: Set<String> = []
            while !told.isSuperset(of: ["* 1 EXPUNGE", "* 2 EXISTS"]) { told.insert(try await other.line()) }
            try await other.send("DONE\r\n")
            _ = try await other.answer("i")
            await one.close()
            await other.close()
        }
    }

    @Test("A client that vanishes before the end of the command changes nothing", .timeLimit(.minutes(2)))
    func vanishing() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 1000
        try await TestServer.run(limits: limits) { server in
            server.store.deliver(Fixtures.plain)
            let octets = Array(("t UID REPLACE 1 INBOX {8+}\r\nA: b\r\n\r\n\r\n").utf8)
            for length in 0..<octets.count {
                let client = try await server.select()
                try await client.send(Array(octets[..<length]))
                if length % 2 == 0 { await client.reset() } else { await client.close() }
            }
            try await server.untilIdle()
            #expect(server.store.messages().map(\.uid) == [1])
            #expect(server.store.calls("append") == 0)
        }
    }
}
