import Contracts
import NIOCore
import TestSupport
import Testing

@testable import SMTPIngress

/// Behind a proxy that speaks the PROXY protocol: who the client is, and what its end says.
@Suite(.timeLimit(.minutes(2))) struct ProxyTests {
    private static let message = "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"

    private func deliver(_ client: SMTPClient, from sender: String = "a@b.example") async throws {
        try await client.send("MAIL FROM:<\(sender)>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        #expect(try await client.codes(3) == ["250 2.1.0", "250 2.1.5", "354"])
        #expect(try await client.command("Subject: x\r\n\r\ntext\r\n.").code == 250)
    }

    @Test(
        "A message's client is the one that the header names, in both versions",
        arguments: [
            (ProxyHeaders.line(from: "192.0.2.7", port: 4_242), "192.0.2.7"),
            (ProxyHeaders.line(from: "2001:db8::7", port: 4_242), "2001:db8::7"),
            (ProxyHeaders.line(from: "::ffff:192.0.2.7", port: 4_242), "192.0.2.7"),
            (ProxyHeaders.binary(from: [192, 0, 2, 7], port: 4_242), "192.0.2.7"),
        ])
    func address(header: [UInt8], address: String) async throws {
        let ingress = try await Ingress.start(trustsProxies: true)
        let client = try await ingress.greeted(preface: header)
        try await deliver(client)
        let request = try #require(ingress.record.accepted.first?.request)
        #expect(request.client.address == address && request.client.port == 4_242)
        await client.close()
        await ingress.stop()
    }

    @Test("A check of the proxy's own is a normal session with the proxy's address", arguments: [0, 1])
    func own(version: Int) async throws {
        let ingress = try await Ingress.start(trustsProxies: true)
        let client = try await ingress.greeted(preface: version == 0 ? ProxyHeaders.local : ProxyHeaders.unknown)
        try await deliver(client)
        #expect(ingress.record.accepted.first?.request.client.address == "127.0.0.1")
        #expect(try await client.command("QUIT").code == 221)
        #expect(await client.endsHere())
        await ingress.stop()
    }

    @Test("From an address that is not trusted a header is no command")
    func stranger() async throws {
        let ingress = try await Ingress.start()
        let client = try await ingress.connect(preface: ProxyHeaders.line(from: "192.0.2.7"))
        #expect(try await client.code() == "220")
        #expect(try await client.reply().code == 500)
        _ = try await client.command("EHLO client.example")
        try await deliver(client)
        #expect(ingress.record.accepted.first?.request.client.address == "127.0.0.1")
        await client.close()
        let binary = try await ingress.connect(preface: ProxyHeaders.binary(from: [192, 0, 2, 7]))
        #expect(try await binary.code() == "220")
        #expect(try await binary.reply().code == 500)
        await binary.close()
        await ingress.stop()
    }

    @Test("From a trusted address a connection without a header is closed without a word, over TLS too")
    func missing() async throws {
        let ingress = try await Ingress.start([.relay, .submissions], trustsProxies: true)
        let client = try await ingress.connect(preface: Array("EHLO client.example\r\n".utf8))
        #expect(await client.endsHere())
        let secure = try await ingress.connect(.submissions)
        #expect(await secure.endsHere())
        #expect(ingress.registry.count == 0)
        await ingress.stop()
    }

    @Test("A header that does not come in time closes the connection, and nobody is greeted before it")
    func timeout() async throws {
        let ingress = try await Ingress.start(
            timeouts: Timeouts(proxyHeader: .milliseconds(300)), trustsProxies: true)
        let silent = try await ingress.connect()
        let slow = try await ingress.connect(preface: Array("PROXY TCP4 192.0.2.7".utf8))
        #expect(await silent.endsHere())
        #expect(await slow.endsHere())
        #expect(ingress.proxies.waitingCount == 0)
        await ingress.stop()
    }

    @Test("A header that comes octet by octet, and one that comes with commands behind it in the same segment")
    func pieces() async throws {
        let ingress = try await Ingress.start(trustsProxies: true)
        let client = try await ingress.connect()
        for octet in ProxyHeaders.binary(from: [192, 0, 2, 7]) { try await client.send(ByteBuffer(bytes: [octet])) }
        #expect(try await client.code() == "220")
        await client.close()
        let hasty = try await ingress.connect(
            preface: ProxyHeaders.line(from: "192.0.2.7") + Array("EHLO client.example\r\n\(Self.message)".utf8))
        #expect(try await hasty.codes(5) == ["220", "250", "250 2.1.0", "250 2.1.5", "354"])
        #expect(try await hasty.command("x\r\n.").code == 250)
        #expect(ingress.record.accepted.first?.request.client.address == "192.0.2.7")
        await hasty.close()
        await ingress.stop()
    }

    @Test("The header comes before TLS from the first octet; authentication counts failures for the client")
    func implicitTLS() async throws {
        let ingress = try await Ingress.start([.submissions], trustsProxies: true)
        let client = try await ingress.greeted(.submissions, preface: ProxyHeaders.binary(from: [192, 0, 2, 7]))
        #expect(try await client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=").code == 235)
        #expect(ingress.record.saslStarts.first?.clientAddress == "192.0.2.7")
        try await deliver(client, from: "alice@example.test")
        let request = try #require(ingress.record.accepted.first?.request)
        #expect(request.client.address == "192.0.2.7" && request.client.withProtocol == "ESMTPSA")
        await client.close()
        await ingress.stop()
    }

    @Test("The limit of sessions from one address counts clients, not the proxy")
    func limit() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 1
        let ingress = try await Ingress.start(limits: limits, trustsProxies: true)
        let first = try await ingress.greeted(preface: ProxyHeaders.line(from: "192.0.2.1"))
        let second = try await ingress.greeted(preface: ProxyHeaders.line(from: "192.0.2.2"))
        // The same client, whichever form of its address the proxy uses.
        let third = try await ingress.connect(preface: ProxyHeaders.line(from: "::ffff:192.0.2.1"))
        #expect(try await third.code() == "421 4.7.0")
        #expect(await third.endsHere())
        await first.close()
        try await eventually("a free place") { ingress.registry.count == 1 }
        let fourth = try await ingress.connect(preface: ProxyHeaders.line(from: "192.0.2.1"))
        #expect(try await fourth.code() == "220")
        for client in [second, fourth] { await client.close() }
        await ingress.stop()
    }

    @Test("LMTP on a Unix socket has no proxy in front of it")
    func unixSocket() async throws {
        let folder = try TemporaryDirectory()
        let ingress = try await Ingress.start(
            [.lmtp], addresses: [.lmtp: "unix:\(folder.path)/lmtp.sock"], trustsProxies: true)
        let client = try await ingress.greeted(.lmtp)
        try await deliver(client)
        #expect(ingress.record.accepted.first?.request.client.address.isEmpty == true)
        await client.close()
        await ingress.stop()
    }

    /// Runs `body` with a proxied client that has read the reply to one message; how many are settled when all is over.
    private func settled(
        _ kind: ListenerKind, _ header: [UInt8] = ProxyHeaders.line(from: "192.0.2.7"),
        _ body: (SMTPClient) async throws -> Void
    ) async throws -> Int {
        let ingress = try await Ingress.start(
            [kind], timeouts: Timeouts(linger: .milliseconds(300)), trustsProxies: true)
        let client = try await ingress.greeted(kind, preface: header)
        if kind.hasImplicitTLS {
            #expect(try await client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=").code == 235)
        }
        try await deliver(client, from: "alice@example.test")
        try await body(client)
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        await ingress.stop()
        return ingress.record.settled.count
    }

    @Test(
        "An end in order is the proxy's: nobody knows what the client has read, not even of a check of its own",
        arguments: [ListenerKind.relay, .submissions], [ProxyHeaders.line(from: "192.0.2.7"), ProxyHeaders.local])
    func end(kind: ListenerKind, header: [UInt8]) async throws {
        let quit = try await settled(kind, header) { client in
            let reply = try await client.command("QUIT")
            #expect(reply.code == 221)
            #expect(await client.endsHere())
            await client.close()
        }
        let finished = try await settled(kind, header) { try await $0.finish() }
        #expect(quit == 0 && finished == 0)
    }

    @Test("Content after a later 354 settles what came before it", arguments: [ListenerKind.relay, .submissions])
    func content(kind: ListenerKind) async throws {
        let count = try await settled(kind) { client in
            try await deliver(client, from: "alice@example.test")
            await client.close()
        }
        #expect(count == 1)
    }
}
