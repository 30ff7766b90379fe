import NIOCore
import NIOPosix
import Testing

@testable import TransportSecurity

/// STARTTLS and the hole of injected plaintext (RFC 3207, 4.2 and 6).
@Suite(.timeLimit(.minutes(2)))
struct StartTLSTests {
    private func beginClient(_ client: Connection, _ tls: TLSContext) async throws {
        let channel = client.channel
        try await channel.eventLoop.submit {
            var input = ByteBuffer()
            let context = try channel.pipeline.syncOperations.context(handlerType: Observer.self)
            try TLSHandler.startTLS(client: tls, serverName: "mail.example.test", below: context, discarding: &input)
        }.get()
    }

    @Test(arguments: ["", "RCPT TO:<mallory@example.test>\r\n", "RSET\r\nMAIL FROM:<>\r\n"])
    func whatWasSentBeforeTheHandshakeIsDropped(injected: String) async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: nil, startTLS: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: nil)
        // One segment, as an attacker in the middle would make it.
        try await client.send("STARTTLS\r\n" + injected)
        #expect(await server.next() == .octets("dropped \(injected.utf8.count), left 0"))
        #expect(try await client.text(14) == "220 go ahead\r\n")

        try await beginClient(client, certificates.clientContext())
        _ = try await client.handshake()
        _ = try await server.handshake()
        try await client.send("EHLO client.example.test\r\n")
        #expect(try await server.text(26) == "EHLO client.example.test\r\n")
        await client.close()
        await listener.close()
    }

    @Test func plaintextThatArrivesAfterTheReplyEndsTheHandshake() async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: nil, startTLS: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: nil)
        try await client.send("STARTTLS\r\n")
        #expect(try await client.text(14) == "220 go ahead\r\n")
        try await client.send("RCPT TO:<mallory@example.test>\r\n")
        #expect(await server.remaining() == [.octets("dropped 0, left 0"), .failed("handshake failed"), .inactive])
        await listener.close()
    }

    @Test func aHandlerAddedByHandToAConnectionInUseRefuses() async throws {
        let certificates = try await TestCertificates()
        let tls = try certificates.serverContext()
        let listener = try await Listener(tls: nil)
        let (client, server) = try await listener.pair(tls: nil)
        try await client.send("STARTTLS\r\n")
        #expect(try await server.text(10) == "STARTTLS\r\n")
        let channel = server.channel
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(TLSHandler(server: tls), position: .first)
        }.get()
        #expect(await server.remaining() == [.failed("added in mid-stream"), .inactive])
        await client.close()
        await listener.close()
    }
}
