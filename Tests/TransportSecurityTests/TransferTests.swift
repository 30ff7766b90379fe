import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import TransportSecurity

/// Counts the ciphertext that waits between the TLS handler and the socket.
private final class Backlog: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let octets = Mutex((waiting: 0, most: 0))

    var most: Int { octets.withLock { $0.most } }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let count = unwrapOutboundIn(data).readableBytes
        octets.withLock {
            $0.waiting += count
            $0.most = max($0.most, $0.waiting)
        }
        let written = promise ?? context.eventLoop.makePromise()
        written.futureResult.whenComplete { _ in self.octets.withLock { $0.waiting -= count } }
        context.write(data, promise: written)
    }
}

@Suite(.timeLimit(.minutes(2)))
struct TransferTests {
    @Test func aSlowReaderHoldsUpTheWriterInBoundedMemory() async throws {
        let certificates = try await TestCertificates()
        let backlog = Backlog()
        let listener = try await Listener(tls: certificates.serverContext(), below: backlog)
        let (client, server) = try await listener.pair(tls: certificates.clientContext())
        _ = try await client.handshake()
        _ = try await server.handshake()
        try await client.channel.setOption(.autoRead, value: false).get()

        var large = ByteBuffer()
        for number in 0..<(2 << 20) { large.writeInteger(0x3030_3030_3030_3030 | number & 0x0707_0707_0707_0707) }
        let writing = server.channel.eventLoop.makePromise(of: Void.self)
        let small = server.channel.eventLoop.makePromise(of: Void.self)
        server.channel.writeAndFlush(large, promise: writing)
        server.channel.writeAndFlush(ByteBuffer(string: "end"), promise: small)
        // A round trip to the loop: by now the socket is full and the writer waits.
        try await server.channel.eventLoop.submit {}.get()
        #expect(!server.channel.isWritable)

        try await client.channel.setOption(.autoRead, value: true).get()
        large.writeString("end")
        while large.readableBytes > 0 {
            guard case .octets(let text)? = await client.next() else { break }
            #expect(large.readString(length: text.utf8.count) == text)
        }
        #expect(large.readableBytes == 0)
        try await writing.futureResult.get()
        try await small.futureResult.get()
        // The channel's high-water mark and one step.
        #expect(backlog.most <= 3 * (64 << 10))
        await client.close()
        await listener.close()
    }

    @Test func bothDirectionsAtOnce() async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: certificates.clientContext())
        _ = try await client.handshake()
        _ = try await server.handshake()
        let text = String(repeating: "Martlet lands. ", count: 100_000)
        let (clientChannel, serverChannel) = (client.channel, server.channel)
        async let sentByClient: Void = clientChannel.writeAndFlush(ByteBuffer(string: text))
        async let sentByServer: Void = serverChannel.writeAndFlush(ByteBuffer(string: text))
        let atServer = try await server.text(text.utf8.count)
        let atClient = try await client.text(text.utf8.count)
        _ = try await (sentByClient, sentByServer)
        #expect(atServer == text)
        #expect(atClient == text)
        await listener.close()
    }
}
