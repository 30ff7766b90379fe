import Messaging
import NIOCore
import TestSupport
import Testing

@testable import SMTPIngress

/// Which replies count as read, on real sockets: what is settled, and above all what is not.
@Suite(.timeLimit(.minutes(2))) struct SettlingTests {
    /// How a client comes.
    enum Way: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case plain
        case startTLS
        case implicitTLS

        var testDescription: String { rawValue }
        var kind: ListenerKind { self == .implicitTLS ? .submissions : .relay }
    }

    private func client(_ way: Way, of ingress: Ingress) async throws -> SMTPClient {
        let client = try await ingress.greeted(way.kind)
        if way == .startTLS {
            _ = try await client.startTLS()
            _ = try await client.command("EHLO client.example")
        }
        if way == .implicitTLS {
            _ = try await client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=")
        }
        return client
    }

    /// Runs `body` with a client that has read the reply to one message, and returns how many were settled when all is over.
    private func settled(
        _ way: Way, timeouts: Timeouts = Timeouts(),
        _ body: (SMTPClient) async throws -> Void
    ) async throws -> Int {
        try await settled(way, timeouts: timeouts) { client, _ in try await body(client) }
    }

    /// The same, with the service.
    private func settled(
        _ way: Way, timeouts: Timeouts = Timeouts(),
        _ body: (SMTPClient, Ingress) async throws -> Void
    ) async throws -> Int {
        let ingress = try await Ingress.start([way.kind], timeouts: timeouts)
        let client = try await client(way, of: ingress)
        let sender = way == .implicitTLS ? "<alice@example.test>" : "<a@b.example>"
        try await client.send("MAIL FROM:\(sender)\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        #expect(try await client.codes(3) == ["250 2.1.0", "250 2.1.5", "354"])
        #expect(try await client.command("Subject: x\r\n\r\ntext\r\n.").code == 250)
        #expect(ingress.record.settled.isEmpty)
        try await body(client, ingress)
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        await ingress.stop()
        let known = ingress.record.accepted.map { $0.context.transaction.octets }
        #expect(ingress.record.settled.allSatisfy { known.contains($0) })
        return ingress.record.settled.count
    }

    @Test("QUIT, the reply, and an end in order: the client knows", arguments: Way.allCases)
    func quit(way: Way) async throws {
        let count = try await settled(way) { client in
            let reply = try await client.command("QUIT")
            #expect(reply.code == 221)
            #expect(await client.endsHere())
            await client.close()
        }
        #expect(count == 1)
    }

    @Test("An end in order without QUIT: the client knows", arguments: Way.allCases)
    func close(way: Way) async throws {
        #expect(try await settled(way) { try await $0.finish() } == 1)
    }

    @Test(
        "An end in order while the process stands still for longer than it lingers: the client knows",
        arguments: Way.allCases)
    func standingStill(way: Way) async throws {
        let linger = Duration.seconds(1)
        let count = try await settled(way, timeouts: Timeouts(linger: linger)) { client, ingress in
            try await client.stayOpen()
            #expect(try await client.command("QUIT").code == 221)
            #expect(await client.endsHere())
            try await standStill(ingress.eventLoops, for: linger * 2) { await client.close() }
        }
        #expect(count == 1)
    }

    @Test("A reset: nobody knows", arguments: Way.allCases)
    func reset(way: Way) async throws {
        #expect(try await settled(way) { await $0.reset() } == 0)
    }

    @Test(
        "Content after a later 354 settles what came before it, though the connection is reset", arguments: Way.allCases
    )
    func content(way: Way) async throws {
        let sender = way == .implicitTLS ? "<alice@example.test>" : "<a@b.example>"
        let count = try await settled(way) { client in
            try await client.send("MAIL FROM:\(sender)\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
            #expect(try await client.codes(3) == ["250 2.1.0", "250 2.1.5", "354"])
            // The second message's own reply proves nothing.
            #expect(try await client.command("Subject: y\r\n\r\ntext\r\n.").code == 250)
            await client.reset()
        }
        #expect(count == 1)
    }

    @Test(
        "Commands prove nothing, however late they come",
        arguments: ["MAIL FROM:<a@b.example>", "NOOP", "RSET"])
    func commands(line: String) async throws {
        let count = try await settled(.plain) { client in
            _ = try await client.command(line)
            await client.reset()
        }
        #expect(count == 0)
    }

    @Test("Content that came before the 354 proves nothing")
    func impatience() async throws {
        let ingress = try await Ingress.start(timeouts: Timeouts(linger: .milliseconds(300)))
        let client = try await ingress.greeted()
        let message = "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: x\r\n\r\ntext\r\n.\r\n"
        try await client.send(message + message)
        #expect(try await client.codes(8).last == "250 2.0.0")
        await client.reset()
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        await ingress.stop()
        #expect(ingress.record.accepted.count == 2 && ingress.record.settled.isEmpty)
    }

    @Test("TLS that ends without close_notify: nobody knows")
    func truncation() async throws {
        let count = try await settled(.startTLS) { client in
            try await client.finishTransport()
        }
        #expect(count == 0)
    }

    @Test("Silence until we give up: nobody knows")
    func silence() async throws {
        let timeouts = Timeouts(idle: .seconds(2), linger: .milliseconds(100))
        let count = try await settled(.plain, timeouts: timeouts) { client in
            let reply = try await client.reply()
            #expect(reply.code == 421)
        }
        #expect(count == 0)
    }

    @Test("A client that was done before the reply came does not know it, though it may still read")
    func doneEarly() async throws {
        let gate = Gate()
        let ingress = try await Ingress.start(timeouts: Timeouts(linger: .milliseconds(300)), gate: gate)
        let client = try await ingress.greeted()
        try await client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        try await client.send("Subject: x\r\n\r\ntext\r\n.\r\n")
        try await client.finish()
        try await eventually("content processing to have the message") { gate.arrivals == 1 }
        // The two event loops take new connections in turn: who has greeted both has let each of them look at its sockets.
        let others = [try await ingress.greeted(), try await ingress.greeted()]
        gate.open()
        #expect(try await client.reply().code == 250)
        for other in others { try await other.finish() }
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        await ingress.stop()
        #expect(ingress.record.settled.isEmpty)
    }
}
