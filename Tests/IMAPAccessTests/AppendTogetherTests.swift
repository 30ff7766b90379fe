import Contracts
import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// Several messages of one APPEND (RFC 3502) on real sockets. What is said in it, `Dialogues/multiappend.txt` shows.
@Suite struct AppendTogetherTests {
    private func several(_ messages: [String]) -> String {
        messages.map { " {\($0.utf8.count)+}\r\n\($0)" }.joined()
    }

    @Test("One request hands all over", .timeLimit(.minutes(1)))
    func oneRequest() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let messages = (1...100).map { "Subject: \($0)\r\n\r\ntext of \($0)\r\n" }
            let lines = try await client.command("APPEND INBOX" + several(messages))
            #expect(lines.last?.hasPrefix("t OK [APPENDUID 1000 1:100]") == true)
            #expect(server.store.calls("append") == 1)
            #expect(server.store.messages().map { String(decoding: $0.octets, as: UTF8.self) } == messages)
            await client.close()
        }
    }

    @Test("Together they may be larger than one request, and then travel as an upload", .timeLimit(.minutes(1)))
    func upload() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let messages = (1...4).map { "Subject: \($0)\r\n\r\n" + String(repeating: "line\r\n", count: 40_000) }
            let lines = try await client.command("APPEND INBOX" + several(messages))
            #expect(lines.last?.hasPrefix("t OK [APPENDUID 1000 1:4]") == true)
            #expect(server.store.messages().map { String(decoding: $0.octets, as: UTF8.self) } == messages)
            await client.close()
        }
    }

    @Test("Beyond a limit none is stored, and the session goes on", .timeLimit(.minutes(1)))
    func limits() async throws {
        var limits = Limits()
        limits.appendedMessages = 3
        limits.inlineOctets = 1000
        limits.commandOctets = 2000
        try await TestServer.run(limits: limits) { server in
            let client = try await server.login()
            func message(_ octets: Int) -> String { "A: b\r\n\r\n" + String(repeating: "x", count: octets - 8) }
            for together in [
                [10, 10, 10, 10],  // too many
                [10, 1001],  // one too large
                [1001, 10],  // the first too large: a stream that is given up
                [900, 900, 900],  // together too large
                [200_000, 10], [10, 200_000],
            ] {
                let lines = try await client.command("APPEND INBOX" + several(together.map(message)))
                #expect(lines.last?.hasPrefix("t NO [LIMIT]") == true, "\(together): \(lines)")
                try await client.ok("NOOP")
            }
            #expect(server.store.messages().isEmpty)
            // What waits is told before it is sent.
            try await client.send("t APPEND INBOX {8}\r\n")
            #expect(try await client.line() == "+ Ready for the message")
            try await client.send("A: b\r\n\r\n {1001}\r\n")
            #expect(try await client.answer().last?.hasPrefix("t NO [LIMIT]") == true)
            #expect(
                try await client.command("APPEND INBOX" + several([10, 1000, 900].map(message))).last?.hasPrefix("t OK")
                    == true)
            #expect(try await client.append(message(5000)).last?.hasPrefix("t OK") == true)
            #expect(server.store.messages().count == 4)
            await client.close()
        }
    }

    @Test("One that cannot be stored keeps the others out", .timeLimit(.minutes(1)))
    func allOrNone() async throws {
        try await TestServer.run { server in
            server.store.state.withLock { $0.quota = 100 }
            let client = try await server.select()
            let large = "Subject: x\r\n\r\n" + String(repeating: "x", count: 100)
            let lines = try await client.command("APPEND INBOX" + several(["A: b\r\n\r\n", large, "A: c\r\n\r\n"]))
            #expect(lines.count == 1 && lines.last?.hasPrefix("t NO [OVERQUOTA]") == true)
            #expect(server.store.messages().isEmpty)
            server.store.setFault(MessagingError(.unavailable, "test"))
            let away = try await client.command("APPEND INBOX" + several(["A: b\r\n\r\n", "A: c\r\n\r\n"]))
            #expect(away.last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            server.store.setFault(nil)
            #expect(server.store.messages().isEmpty)
            await client.close()
        }
    }

    @Test("A client that vanishes between two messages stores none", .timeLimit(.minutes(2)))
    func vanishing() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 1000
        try await TestServer.run(limits: limits) { server in
            let octets = Array(("t APPEND INBOX" + several(["A: b\r\n\r\n", "A: c\r\n\r\n"]) + "\r\n").utf8)
            for length in 0..<octets.count {
                let client = try await server.login()
                try await client.send(Array(octets[..<length]))
                if length % 2 == 0 { await client.reset() } else { await client.close() }
            }
            try await server.untilIdle()
            #expect(server.store.messages().isEmpty)
            #expect(server.store.calls("append") == 0)
        }
    }

    @Test("The receipts of all are settled together", .timeLimit(.minutes(1)))
    func settling() async throws {
        let holder = StoreHolder()
        try await TestServer.run { server in
            await holder.keep(server.store)
            let client = try await server.login()
            let lines = try await client.command("APPEND INBOX" + several(["A: b\r\n\r\n", "A: c\r\n\r\n"]))
            #expect(lines.last?.hasPrefix("t OK") == true)
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            await client.close()
            try await server.untilIdle()
        }
        #expect(await holder.store?.state.withLock { $0.settledReceipts.count } == 2)
    }
}
