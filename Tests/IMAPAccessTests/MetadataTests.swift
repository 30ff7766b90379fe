import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

@Suite("Metadata") struct MetadataTests {
    @Test("A value may be any octets, and is limited in size and number", .timeLimit(.minutes(1)))
    func limits() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            try await client.ok("SETMETADATA INBOX (/private/binary ~{4+}\r\na\0\r\n)")
            #expect(
                try await client.ok("GETMETADATA INBOX /private/binary")
                    == ["* METADATA INBOX (/private/binary ~{4}\r\na\0\r\n)"])
            let large = String(repeating: "x", count: 32 * 1024 + 1)
            #expect(
                try await client.command("SETMETADATA INBOX (/private/large {\(large.utf8.count)+}\r\n\(large))").last?
                    .hasPrefix("t NO [METADATA MAXSIZE 32768]") == true)
            for index in 1...99 { try await client.ok("SETMETADATA INBOX (/private/\(index) \"\(index)\")") }
            #expect(
                try await client.command("SETMETADATA INBOX (/private/1 \"other\" /private/more \"x\")").last?
                    .hasPrefix("t NO [METADATA TOOMANY]") == true)
            // All or nothing (RFC 5464, 4.3).
            #expect(
                try await client.ok("GETMETADATA INBOX (/private/1 /private/more)")
                    == ["* METADATA INBOX (/private/1 \"1\" /private/more NIL)"])
            try await client.ok("SETMETADATA INBOX (/private/1 NIL /private/more \"x\")")
            await client.close()
        }
    }

    @Test("Much comes in several responses", .timeLimit(.minutes(1)))
    func much() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let value = String(repeating: "y", count: 20_000)
            for index in 1...5 {
                try await client.ok("SETMETADATA INBOX (/private/\(index) {\(value.utf8.count)+}\r\n\(value))")
            }
            let lines = try await client.ok("GETMETADATA (DEPTH infinity) INBOX /private")
            #expect(lines.count == 5)
            #expect(lines.allSatisfy { $0.hasSuffix("\(value))") })
            await client.close()
        }
    }

    @Test("Before login there is none, and without storage it is unavailable", .timeLimit(.minutes(1)))
    func refused() async throws {
        try await TestServer.run { server in
            let stranger = try await server.connect()
            for command in ["GETMETADATA \"\" /private/x", "SETMETADATA \"\" (/private/x NIL)", "GETQUOTA \"\""] {
                #expect(try await stranger.command(command).last?.hasPrefix("t BAD") == true)
            }
            let client = try await server.login()
            server.store.setFault(MessagingError(.unavailable, "test"))
            for command in [
                "GETMETADATA \"\" /private/x", "SETMETADATA INBOX (/private/x NIL)", "GETQUOTA \"\"",
                "GETQUOTAROOT INBOX",
            ] {
                #expect(try await client.command(command).last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            }
            await stranger.close()
            await client.close()
        }
    }
}
