import Foundation
import NIOCore
import Testing

@testable import TransportSecurity

/// How a stream ends: said by the peer, cut off, or broken (RFC 8446, 6.1).
@Suite(.timeLimit(.minutes(2)))
struct StreamEndTests {
    private func established(halfClosure: Bool = false) async throws -> (
        client: Connection, server: Connection, listener: Listener
    ) {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext(), halfClosure: halfClosure)
        let (client, server) = try await listener.pair(tls: certificates.clientContext(), halfClosure: halfClosure)
        _ = try await client.handshake()
        _ = try await server.handshake()
        return (client, server, listener)
    }

    /// Does something to the socket below the TLS handler.
    private func belowTLS(
        _ connection: Connection, _ body: @escaping @Sendable (ChannelPipeline.SynchronousOperations) throws -> Void
    ) async throws {
        let channel = connection.channel
        try await channel.eventLoop.submit { try body(channel.pipeline.syncOperations) }.get()
    }

    @Test func closeNotifyIsAnOrderlyEnd() async throws {
        let (client, server, listener) = try await established()
        try await client.send("bye")
        await client.close()
        #expect(await server.remaining() == [.octets("bye"), .ended(.closeNotify), .inactive])
        await listener.close()
    }

    @Test func endOfTheTransportAloneIsATruncation() async throws {
        let (client, server, listener) = try await established()
        try await client.send("bye")
        try await belowTLS(client) { pipeline in
            try pipeline.context(handlerType: TLSHandler.self).close(promise: nil)
        }
        #expect(await server.remaining() == [.octets("bye"), .ended(.truncated), .inactive])
        await listener.close()
    }

    @Test func aResetIsToldApart() async throws {
        let (client, server, listener) = try await established()
        // Zero linger turns close into RST.
        guard let options = client.channel as? any SocketOptionProvider else {
            Issue.record("no socket options")
            return
        }
        try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        try await belowTLS(client) { pipeline in
            try pipeline.context(handlerType: TLSHandler.self).close(promise: nil)
        }
        let seen = await server.remaining()
        #expect(seen.contains(.ended(.reset)))
        #expect(seen.last == .inactive)
        await listener.close()
    }

    @Test func whatComesInPlaintextInsideTheStreamEndsIt() async throws {
        let (client, server, listener) = try await established()
        try await belowTLS(client) { pipeline in
            try pipeline.context(handlerType: TLSHandler.self)
                .writeAndFlush(NIOAny(ByteBuffer(string: "NOOP\r\n")), promise: nil)
        }
        #expect(await server.remaining() == [.ended(.truncated), .failed("protocol violation"), .inactive])
        await listener.close()
    }

    @Test func afterTheClientsHalfCloseTheServerStillAnswers() async throws {
        let (client, server, listener) = try await established(halfClosure: true)
        try await client.send("question")
        try await client.channel.close(mode: .output).get()
        #expect(try await server.text(8) == "question")
        #expect(await server.next() == .ended(.closeNotify))
        #expect(await server.next() == .inputClosed)
        try await server.send("answer")
        #expect(try await client.text(6) == "answer")
        await server.close()
        #expect(await client.next() == .ended(.closeNotify))
        await client.close()
        await listener.close()
    }

    @Test func closeNotifyFollowsAllThatWasWrittenBefore() async throws {
        let (client, server, listener) = try await established(halfClosure: true)
        let text = String(repeating: "0123456789abcdef", count: 1 << 16)
        client.channel.write(ByteBuffer(string: text), promise: nil)
        client.channel.write(ByteBuffer(string: "end"), promise: nil)
        try await client.channel.close(mode: .output).get()
        #expect(try await server.text(text.utf8.count) == text)
        #expect(try await server.text(3) == "end")
        #expect(await server.next() == .ended(.closeNotify))
        await listener.close()
    }

    @Test func writesAfterTheEndFail() async throws {
        let (client, server, listener) = try await established()
        try await client.channel.close(mode: .output).get()
        await #expect(throws: ChannelError.self) { try await client.send("late") }
        #expect(await server.next() == .ended(.closeNotify))
        await client.close()
        await #expect(throws: ChannelError.self) { try await client.send("later") }
        await listener.close()
    }
}
