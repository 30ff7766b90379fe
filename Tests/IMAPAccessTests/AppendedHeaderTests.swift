import NIOCore
import TestSupport
import Testing

@testable import IMAPAccess

/// Which messages have UTF-8 in their header (RFC 6855, 4).
@Suite struct AppendedHeaderTests {
    @Test(
        "However it comes, the header alone counts",
        arguments: [
            ("Subject: x\r\n\r\nGrüße", false), ("Subject: Grüße\r\n\r\nx", true), ("Subject: x\n\nGrüße", false),
            ("Subject: x\r\nTo: ü\r\n\r\n", true), ("\r\nGrüße", false), ("Grüße", true), ("", false),
            ("A: b\r\n \r\n ü\r\n\r\n", true), ("A: b\r\n\r\r\nü", false),
        ])
    func header(_ text: String, _ has8Bit: Bool) {
        let octets = Array(text.utf8)
        for size in [1, 2, 3, max(1, octets.count)] {
            var header = AppendedHeader()
            for start in stride(from: 0, to: octets.count, by: size) {
                header.take(ByteBuffer(bytes: octets[start..<min(start + size, octets.count)]))
            }
            #expect(header.has8Bit == has8Bit, "\(text), \(size) at a time")
        }
    }

    @Test("A large message is refused too, and the session goes on", .timeLimit(.minutes(1)))
    func large() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let body = String(repeating: "some line of text\r\n", count: 100_000)
            let late = "Subject: x\r\n" + String(repeating: "X: y\r\n", count: 60_000) + "Y: ü\r\n\r\n"
            for header in ["Subject: Grüße\r\n\r\n", late] {
                #expect(try await client.append(header + body).last?.hasPrefix("t NO [CANNOT]") == true)
            }
            #expect(server.store.messages().isEmpty)
            try await client.ok("ENABLE IMAP4rev2")
            #expect(try await client.append("Subject: Grüße\r\n\r\n" + body).last?.hasPrefix("t OK") == true)
            await client.close()
        }
    }
}
