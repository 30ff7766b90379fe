import Contracts
import TestSupport
import Testing

@testable import IMAPAccess

/// UNAUTHENTICATE on real sockets (RFC 8437). What is said in it, `Dialogues/unauthenticate.txt` shows.
@Suite struct UnauthenticateTests {
    static let login = "b LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\"\r\n"

    @Test("A client may send its next login behind it (RFC 8437, 3)", .timeLimit(.minutes(1)))
    func pipelined() async throws {
        try await TestServer.run { server in
            let client = try await server.select()
            try await client.send("a UNAUTHENTICATE\r\n" + Self.login + "c SELECT INBOX\r\n")
            #expect(try await client.answer("a").last?.hasPrefix("a OK [CAPABILITY ") == true)
            #expect(try await client.answer("b").last?.hasPrefix("b OK") == true)
            #expect(try await client.answer("c").last?.hasPrefix("c OK") == true)
            await client.close()
        }
    }

    @Test(
        "Behind the client's end of compression octets are plain, whether a flush ends it, or an end (RFC 8437, 4.1)",
        .timeLimit(.minutes(1)), arguments: [Deflater.Ending.flush, .end], [1, 7, 10_000])
    func pipelinedBehindCompression(ending: Deflater.Ending, size: Int) async throws {
        try await TestServer.run { server in
            let client = try await server.select()
            try await client.ok("COMPRESS DEFLATE")
            try await client.compress()
            try await client.endCompression(byFlush: true)
            let octets =
                try deflated(["a UNAUTHENTICATE\r\n"], ending: ending) + Array((Self.login + "c NOOP\r\n").utf8)
            for start in stride(from: 0, to: octets.count, by: size) {
                try await client.send(Array(octets[start..<min(start + size, octets.count)]))
            }
            #expect(try await client.answer("a").last?.hasPrefix("a OK [CAPABILITY ") == true)
            #expect(try await client.answer("b").last?.hasPrefix("b OK") == true)
            #expect(try await client.answer("c").last?.hasPrefix("c OK") == true)
            await client.close()
        }
    }

    @Test("Compressed octets behind it end the session", .timeLimit(.minutes(1)))
    func compressedBehindIt() async throws {
        try await TestServer.run { server in
            let client = try await server.select()
            try await client.ok("COMPRESS DEFLATE")
            try await client.compress()
            // In one flush, so that they are of one stream.
            try await client.send("a UNAUTHENTICATE\r\nb NOOP\r\n")
            #expect(try await client.answer("*").last?.hasPrefix("* BYE [CLIENTBUG]") == true)
            try await client.untilEnd()
            await client.close()
        }
    }

    @Test("Compression can begin again, and again", .timeLimit(.minutes(1)))
    func compressionAgain() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            for _ in 1...3 {
                try await client.ok("COMPRESS DEFLATE")
                try await client.compress()
                try await client.ok("SELECT INBOX")
                try await client.send("a UNAUTHENTICATE\r\n")
                try await client.endCompression()
                #expect(try await client.answer("a").last?.hasPrefix("a OK") == true)
                try await client.removeCompression()
                try await client.send(Self.login)
                #expect(try await client.answer("b").last?.hasPrefix("b OK") == true)
            }
            await client.close()
        }
    }

    @Test("A stranger's limits hold again, and its patience", .timeLimit(.minutes(1)))
    func limits() async throws {
        var limits = Limits()
        limits.unauthenticatedTimeout = .seconds(1)
        try await TestServer.run(limits: limits) { server in
            // All at once, so that it is not the test's own pace that is measured.
            let client = try await server.connect(
                preface: Array(
                    ("a AUTHENTICATE TEST-STEPS\r\nZnJpZW5k\r\n\r\nb UNAUTHENTICATE\r\nt LOGIN x {5000+}\r\n"
                        + String(repeating: "x", count: 5000) + "\r\n").utf8))
            #expect(try await client.answer("a").last?.hasPrefix("a OK") == true)
            #expect(try await client.answer("b").last?.hasPrefix("b OK") == true)
            let line = try await client.answer("t")
            #expect(line.last?.contains("[TOOBIG]") == true)
            #expect(try await client.line().hasPrefix("* BYE"))
            try await client.untilEnd()
            await client.close()
        }
    }

    @Test("Failed logins of a connection count together, whoever logs in meanwhile", .timeLimit(.minutes(1)))
    func loginFailures() async throws {
        try await TestServer.run { server in
            let client = try await server.connect()
            #expect(try await client.command("STARTTLS").last?.hasPrefix("t OK") == true)
            try await client.startTLS()
            for attempt in 1...3 {
                #expect(try await client.command("LOGIN x y").last?.hasPrefix("t NO [AUTHENTICATIONFAILED]") == true)
                if attempt == 3 { break }
                try await client.ok("LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\"")
                try await client.ok("UNAUTHENTICATE")
            }
            #expect(try await client.line().hasPrefix("* BYE"))
            try await client.untilEnd()
            await client.close()
        }
    }

    @Test("What is said of an APPEND before it is settled as if nothing had happened", .timeLimit(.minutes(1)))
    func settling() async throws {
        let store = StoreHolder()
        try await TestServer.run { server in
            await store.keep(server.store)
            let client = try await server.login()
            #expect(try await client.append("Subject: x\r\n\r\n").last?.hasPrefix("t OK") == true)
            try await client.ok("UNAUTHENTICATE")
            #expect(server.store.state.withLock { $0.settledReceipts.count } == 0)
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            await client.close()
            try await eventually("the session to be over") { server.listener.sessions.count == 0 }
        }
        #expect(await store.store?.state.withLock { $0.settledReceipts.count } == 1)
    }

    @Test("Where it is not offered, it is no command", .timeLimit(.minutes(1)))
    func notOffered() async throws {
        try await TestServer.run(offersUnauthenticate: false) { server in
            let client = try await server.login()
            #expect(try await client.ok("CAPABILITY").first?.contains("UNAUTHENTICATE") == false)
            #expect(try await client.command("UNAUTHENTICATE").last?.hasPrefix("t BAD") == true)
            try await client.ok("SELECT INBOX")
            await client.close()
        }
    }
}
