import Glibc
import NIOCore
import NIOPosix
import SMTPSyntax
import Synchronization
import TransportSecurity

/// The client's side of a session in a test: sends what it is told and reads replies. One task uses it.
package final class SMTPClient {
    package let channel: any Channel
    private var replies: AsyncThrowingStream<Reply, any Error>.Iterator
    private let handshakes: AsyncStream<TLSHandshakeCompleted>
    private let handler: NIOLoopBound<ReplyReader>
    private let tls: TLSContext

    package struct Ended: Error {}

    /// - Parameter preface: octets that are sent before anything else, in clear: what a proxy in front says.
    package static func connect(
        _ address: SocketAddress, implicitTLS: Bool = false, preface: [UInt8] = []
    ) async throws -> SMTPClient {
        let (replies, continuation) = AsyncThrowingStream.makeStream(of: Reply.self)
        let (handshakes, completed) = AsyncStream.makeStream(of: TLSHandshakeCompleted.self)
        let tls = try TLSContext(client: TLSClientConfiguration(trust: .insecure))
        // Taken hold of while the channel is made: the server may have closed it before anybody could look for it.
        let made = Mutex<NIOLoopBound<ReplyReader>?>(nil)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PrefaceHandler(preface))
                    if implicitTLS {
                        try channel.pipeline.syncOperations.addHandler(
                            TLSHandler(client: tls, serverName: "mx.example.test"))
                    }
                    let reader = ReplyReader(continuation, completed)
                    made.withLock { $0 = NIOLoopBound(reader, eventLoop: channel.eventLoop) }
                    try channel.pipeline.syncOperations.addHandler(reader)
                }
            }.connect(to: address).get()
        guard let handler = made.withLock({ $0 }) else { throw Ended() }
        return SMTPClient(channel, replies, handshakes, handler, tls)
    }

    private init(
        _ channel: any Channel, _ replies: AsyncThrowingStream<Reply, any Error>,
        _ handshakes: AsyncStream<TLSHandshakeCompleted>, _ handler: NIOLoopBound<ReplyReader>, _ tls: TLSContext
    ) {
        self.channel = channel
        self.replies = replies.makeAsyncIterator()
        self.handshakes = handshakes
        self.handler = handler
        self.tls = tls
    }

    /// Sends text as it is.
    package func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

    package func send(_ octets: ByteBuffer) async throws { try await channel.writeAndFlush(octets).get() }

    /// The next reply; throws when the connection ends first.
    package func reply() async throws -> Reply {
        guard let reply = try await replies.next() else { throw Ended() }
        return reply
    }

    /// The code and enhanced code of the next reply.
    package func code() async throws -> String {
        let reply = try await reply()
        return reply.enhanced.map { "\(reply.code) \($0)" } ?? "\(reply.code)"
    }

    package func codes(_ count: Int) async throws -> [String] {
        var codes: [String] = []
        for _ in 0..<count { codes.append(try await code()) }
        return codes
    }

    /// Sends a line and reads its reply.
    package func command(_ line: String) async throws -> Reply {
        try await send(line + "\r\n")
        return try await reply()
    }

    /// True when the server ends the connection and says nothing more.
    package func endsHere() async -> Bool {
        do {
            return try await replies.next() == nil
        } catch {
            return true
        }
    }

    /// STARTTLS, with octets that are sent in the same packet behind it, and the handshake.
    package func startTLS(injecting injected: String = "") async throws -> TLSHandshakeCompleted {
        try await send("STARTTLS\r\n" + injected)
        let reply = try await reply()
        guard reply.code == 220 else { throw Ended() }
        let handler = handler
        let tls = tls
        try await channel.eventLoop.submit { try handler.value.startTLS(tls) }.get()
        return try await handshake()
    }

    package func handshake() async throws -> TLSHandshakeCompleted {
        for await completed in handshakes { return completed }
        throw Ended()
    }

    /// FIN, while replies are still read.
    package func finish() async throws { try await channel.close(mode: .output).get() }

    /// FIN below TLS, without close_notify.
    package func finishTransport() async throws {
        let channel = channel
        try await channel.eventLoop.submit {
            _ = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                shutdown($0, Int32(SHUT_WR))
            }
        }.get()
    }

    package func close() async { try? await channel.close() }

    /// From now on only `close()` ends the client's side, not the server's end.
    package func stayOpen() async throws {
        try await channel.eventLoop.submit { [handler] in handler.value.staysOpen = true }.get()
    }

    /// RST.
    package func reset() async { await channel.resetTransport() }
}

/// Turns what the server says into replies.
private final class ReplyReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let replies: AsyncThrowingStream<Reply, any Error>.Continuation
    private let handshakes: AsyncStream<TLSHandshakeCompleted>.Continuation
    private var parser = ReplyParser()
    /// The client does not end the connection when the server has.
    var staysOpen = false
    private var buffer = ByteBuffer()
    private var context: ChannelHandlerContext?

    init(
        _ replies: AsyncThrowingStream<Reply, any Error>.Continuation,
        _ handshakes: AsyncStream<TLSHandshakeCompleted>.Continuation
    ) {
        self.replies = replies
        self.handshakes = handshakes
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var incoming = unwrapInboundIn(data)
        buffer.writeBuffer(&incoming)
        do {
            while let reply = try parser.next(&buffer) { replies.yield(reply) }
        } catch {
            replies.finish(throwing: error)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let completed = event as? TLSHandshakeCompleted { handshakes.yield(completed) }
        if case ChannelEvent.inputClosed = event {
            replies.finish()
            if !staysOpen { context.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        replies.finish(throwing: error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        replies.finish()
        handshakes.finish()
    }

    func startTLS(_ tls: TLSContext) throws {
        guard let context else { throw SMTPClient.Ended() }
        try TLSHandler.startTLS(client: tls, serverName: "mx.example.test", below: context, discarding: &buffer)
    }
}
