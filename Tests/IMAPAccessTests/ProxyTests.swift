import Contracts
import Synchronization
import TestSupport
import Testing

@testable import IMAPAccess

/// Behind a proxy that speaks the PROXY protocol: who the client is, and what its end says.
@Suite(.timeLimit(.minutes(2))) struct ProxyTests {
    private static let header = ProxyHeaders.line(from: "192.0.2.7")

    @Test(
        "The client is the one that the header names, in clear and over TLS from the first octet",
        arguments: [
            (ProxyHeaders.line(from: "192.0.2.7"), "192.0.2.7"),
            (ProxyHeaders.line(from: "2001:db8::7"), "2001:db8::7"),
            (ProxyHeaders.line(from: "::ffff:192.0.2.7"), "192.0.2.7"),
            (ProxyHeaders.binary(from: [192, 0, 2, 7]), "192.0.2.7"), (ProxyHeaders.local, "127.0.0.1"),
            (ProxyHeaders.unknown, "127.0.0.1"),
        ])
    func address(header: [UInt8], address: String) async throws {
        try await TestServer.run(trustsProxies: true) { server in
            let plain = try await server.connect(preface: header)
            try await plain.ok("NOOP")
            let secure = try await server.login(preface: header)
            #expect(server.sasl.clientAddresses.withLock { $0 } == [address])
            #expect(try await secure.append("Subject: x\r\n\r\n").last?.hasPrefix("t OK") == true)
            #expect(server.store.state.withLock { $0.appendClients.map(\.address) } == [address])
            for client in [plain, secure] { await client.close() }
        }
    }

    @Test("From an address that is not trusted a header is a bad command")
    func stranger() async throws {
        try await TestServer.run { server in
            let client = try await server.connect(preface: Self.header)
            #expect(try await client.line().hasPrefix("PROXY BAD"))
            try await client.ok("NOOP")
            await client.close()
        }
    }

    @Test("From a trusted address a connection without a header is closed without a word, over TLS too")
    func missing() async throws {
        try await TestServer.run(trustsProxies: true) { server in
            let plain = try await IMAPClient(
                server.plain, on: TestServer.eventLoops, preface: Array("a NOOP\r\n".utf8))
            await #expect(throws: (any Error).self) { try await plain.line() }
            let secure = try await IMAPClient(server.secure, on: TestServer.eventLoops, tls: true)
            await #expect(throws: (any Error).self) { try await secure.line() }
            #expect(server.listener.sessions.count == 0)
        }
    }

    @Test("A header that does not come in time closes the connection, and nobody is greeted before it")
    func timeout() async throws {
        var limits = Limits()
        limits.proxyHeaderTimeout = .milliseconds(300)
        try await TestServer.run(limits: limits, trustsProxies: true) { server in
            let client = try await IMAPClient(
                server.plain, on: TestServer.eventLoops, preface: Array(Self.header.dropLast()))
            await #expect(throws: (any Error).self) { try await client.line() }
            #expect(server.listener.proxies.waitingCount == 0)
        }
    }

    @Test("A header that comes octet by octet, and one with a command behind it in the same segment")
    func pieces() async throws {
        var limits = Limits()
        limits.proxyHeaderTimeout = .seconds(60)
        try await TestServer.run(limits: limits, trustsProxies: true) { server in
            let slow = try await IMAPClient(server.plain, on: TestServer.eventLoops)
            for octet in ProxyHeaders.binary(from: [192, 0, 2, 7]) { try await slow.send([octet]) }
            #expect(try await slow.line().hasPrefix("* OK"))
            let hasty = try await server.connect(preface: Self.header + Array("a NOOP\r\n".utf8))
            #expect(try await hasty.line().hasPrefix("a OK"))
            for client in [slow, hasty] { await client.close() }
        }
    }

    @Test("The limit of sessions from one address counts clients, not the proxy")
    func limit() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 1
        try await TestServer.run(limits: limits, trustsProxies: true) { server in
            let first = try await server.connect(preface: ProxyHeaders.line(from: "192.0.2.1"))
            let second = try await server.connect(preface: ProxyHeaders.line(from: "192.0.2.2"))
            try await second.ok("NOOP")
            let third = try await IMAPClient(
                server.plain, on: TestServer.eventLoops, preface: ProxyHeaders.line(from: "::ffff:192.0.2.1"))
            #expect(try await third.line().hasPrefix("* BYE [LIMIT]"))
            try await third.untilEnd()
            let secure = try await IMAPClient(
                server.secure, on: TestServer.eventLoops, tls: true, preface: ProxyHeaders.line(from: "192.0.2.1"))
            try await secure.untilEnd()
            for client in [first, second, third] { await client.close() }
        }
    }

    /// Runs `body` with a proxied client that has read the answer to one APPEND; how many are settled when all is over.
    private func settled(
        _ header: [UInt8], _ body: @escaping @Sendable (IMAPClient) async throws -> Void
    ) async throws -> Int {
        let store = Mutex<MemoryStore?>(nil)
        try await TestServer.run(trustsProxies: true) { server in
            store.withLock { $0 = server.store }
            let client = try await server.login(preface: header)
            #expect(try await client.append("Subject: x\r\n\r\ntext\r\n").last?.hasPrefix("t OK") == true)
            try await body(client)
            try await eventually("the session to be over") { server.listener.sessions.count == 0 }
        }
        return store.withLock { $0?.state.withLock { $0.settledReceipts.count } } ?? 0
    }

    @Test(
        "An end in order is the proxy's: nobody knows what the client has read, not even of a check of its own",
        arguments: [header, ProxyHeaders.local])
    func end(header: [UInt8]) async throws {
        let loggedOut = try await settled(header) { client in
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            await client.close()
        }
        let closed = try await settled(header) { await $0.close() }
        #expect(loggedOut == 0 && closed == 0)
    }

    @Test("A literal after a continuation shows that what came before was read")
    func continuation() async throws {
        let count = try await settled(Self.header) { client in
            try await client.send("t APPEND INBOX {4}\r\n")
            let line = try await client.line()
            #expect(line.hasPrefix("+ "))
            try await client.send("A: b\r\n")
            _ = try await client.answer()
            await client.close()
        }
        #expect(count == 1)
    }
}
