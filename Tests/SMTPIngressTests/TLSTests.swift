import Contracts
import NIOCore
import TestSupport
import Testing

@testable import SMTPIngress

@Suite(.timeLimit(.minutes(2))) struct TLSTests {
    @Test("Submission: STARTTLS, AUTH, a message; content processing learns who and how")
    func submission() async throws {
        let ingress = try await Ingress.start([.submission])
        let client = try await ingress.greeted(.submission)
        let handshake = try await client.startTLS()
        _ = try await client.command("EHLO client.example")
        #expect(try await client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=").code == 235)
        try await client.send("MAIL FROM:<alice@example.test>\r\nRCPT TO:<friend@elsewhere.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        #expect(try await client.command("hello\r\n.").code == 250)
        let request = try #require(ingress.record.accepted.first?.request)
        #expect(request.door == .submission && request.client.withProtocol == "ESMTPSA")
        #expect(request.client.identity.accountID == 1 && request.client.identity.address == "alice@example.test")
        #expect(request.client.tlsVersion == handshake.version.description)
        #expect(request.client.tlsCipher == handshake.cipher && !handshake.cipher.isEmpty)
        #expect(request.recipients.first?.targets.first?.remoteAddress == "friend@elsewhere.test")
        await client.close()
        await ingress.stop()
    }

    @Test("Submissions: TLS from the first octet, and an exchange bound to it (RFC 9266)")
    func submissions() async throws {
        let ingress = try await Ingress.start([.submissions])
        let client = try await ingress.connect(.submissions)
        let handshake = try await client.handshake()
        #expect(try await client.reply().code == 220)
        let greeting = try await client.command("EHLO client.example")
        #expect(greeting.lines.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"))
        #expect(!greeting.lines.contains("STARTTLS"))
        #expect(try await client.command("AUTH SCRAM-SHA-256-PLUS biws").code == 334)
        #expect(try await client.command("Y2xpZW50LWZpbmFs").code == 334)
        #expect(try await client.command("").code == 235)
        let start = try #require(ingress.record.saslStarts.first)
        #expect(start.overTls && start.service == "smtp" && start.clientAddress == "127.0.0.1")
        for binding in handshake.channelBindings {
            #expect(start.channelBindings.first { $0.type == binding.type }.map { Array($0.octets) } == binding.octets)
        }
        #expect(!start.channelBindings.isEmpty)
        #expect(try await client.command("QUIT").code == 221)
        #expect(await client.endsHere())
        await ingress.stop()
    }

    @Test("What is sent behind STARTTLS in the clear is never acted upon (RFC 3207, 4.2)")
    func injection() async throws {
        let ingress = try await Ingress.start([.relay])
        let client = try await ingress.greeted()
        _ = try await client.startTLS(
            injecting: "EHLO evil.example\r\nMAIL FROM:<evil@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nevil\r\n.\r\n")
        // The first reply under TLS answers the first command under TLS, and the greeting is forgotten.
        #expect(try await client.command("MAIL FROM:<a@b>").lines == ["Greet first"])
        #expect(try await client.command("EHLO client.example").code == 250)
        try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        #expect(try await client.command("good\r\n.").code == 250)
        #expect(ingress.record.accepted.map { String(buffer: $0.message) } == ["good\r\n"])
        #expect(ingress.record.accepted.first?.request.client.withProtocol == "ESMTPS")
        await client.close()
        await ingress.stop()
    }

    @Test("A large message over TLS goes through the spool unharmed")
    func large() async throws {
        let ingress = try await Ingress.start([.relay])
        let client = try await ingress.greeted()
        _ = try await client.startTLS()
        _ = try await client.command("EHLO x")
        try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        let text = ReceivingTests.text(octets: 3_000_000)
        try await client.send(text + ".\r\n")
        #expect(try await client.code() == "250 2.0.0")
        #expect(ingress.record.accepted.first?.message == ByteBuffer(string: text))
        await client.close()
        await ingress.stop()
    }

    @Test("Octets that are no handshake end the connection, and the service goes on")
    func noHandshake() async throws {
        let ingress = try await Ingress.start([.submissions])
        let client = try await SMTPClient.connect(try ingress.address(.submissions))
        try await client.send("EHLO x\r\n")
        while await !client.endsHere() {}
        let other = try await ingress.connect(.submissions)
        #expect(try await other.reply().code == 220)
        await other.close()
        await ingress.stop()
    }
}
