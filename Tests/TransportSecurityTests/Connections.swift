import NIOCore
import NIOPosix

@testable import TransportSecurity

/// What the owner of a channel sees.
enum Seen: Sendable, Equatable {
    case handshake(TLSHandshakeCompleted)
    case octets(String)
    case ended(TLSInputEnded)
    case inputClosed
    case failed(String)
    case inactive
}

/// Stands where a protocol would stand and writes down what it sees. Answers `STARTTLS` if it has a context for it.
final class Observer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let seen: AsyncStream<Seen>
    private let continuation: AsyncStream<Seen>.Continuation
    private let startTLS: TLSContext?

    init(startTLS: TLSContext? = nil) {
        (seen, continuation) = AsyncStream.makeStream()
        self.startTLS = startTLS
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        let text = String(buffer: input)
        guard let startTLS, text.hasPrefix("STARTTLS\r\n") else {
            continuation.yield(.octets(text))
            return
        }
        input.moveReaderIndex(forwardBy: 10)
        do {
            let dropped = try TLSHandler.startTLS(
                server: startTLS, below: context, announcing: ByteBuffer(string: "220 go ahead\r\n"), discarding: &input
            )
            continuation.yield(.octets("dropped \(dropped), left \(input.readableBytes)"))
        } catch {
            continuation.yield(.failed("\(error)"))
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as TLSHandshakeCompleted: continuation.yield(.handshake(event))
        case let event as TLSInputEnded: continuation.yield(.ended(event))
        case ChannelEvent.inputClosed as ChannelEvent: continuation.yield(.inputClosed)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        continuation.yield(.failed((error as? TLSError)?.code.description ?? "\(type(of: error))"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        continuation.yield(.inactive)
        continuation.finish()
    }
}

/// One end of a connection over loopback.
final class Connection {
    let channel: any Channel
    private var iterator: AsyncStream<Seen>.Iterator
    private var rest = ""

    init(_ channel: any Channel, _ observer: Observer) {
        self.channel = channel
        iterator = observer.seen.makeAsyncIterator()
    }

    func next() async -> Seen? { await iterator.next() }

    /// The event of the completed handshake; what comes before is not looked at.
    func handshake() async throws -> TLSHandshakeCompleted {
        while let seen = await next() {
            if case .handshake(let event) = seen { return event }
            if case .failed(let text) = seen { throw CommandFailed(text: text) }
        }
        throw CommandFailed(text: "no handshake")
    }

    /// As much text, however it was cut.
    func text(_ count: Int) async throws -> String {
        while rest.utf8.count < count {
            guard case .octets(let more)? = await next() else { throw CommandFailed(text: "input ended") }
            rest += more
        }
        defer { rest = String(rest.dropFirst(count)) }
        return String(rest.prefix(count))
    }

    /// Everything until the channel is inactive.
    func remaining() async -> [Seen] {
        var all: [Seen] = []
        while let seen = await next() { all.append(seen) }
        return all
    }

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    func close() async {
        try? await channel.close()
    }
}

/// A listener on a free port of the loopback interface.
final class Listener {
    let port: Int
    private let channel: any Channel
    private var accepted: AsyncStream<(any Channel, Observer)>.Iterator

    init(
        tls: TLSContext?, startTLS: TLSContext? = nil, halfClosure: Bool = false,
        below: (any ChannelHandler & Sendable)? = nil
    ) async throws {
        let (stream, continuation) = AsyncStream<(any Channel, Observer)>.makeStream()
        accepted = stream.makeAsyncIterator()
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: halfClosure)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let observer = Observer(startTLS: startTLS)
                    if let below { try channel.pipeline.syncOperations.addHandler(below) }
                    if let tls { try channel.pipeline.syncOperations.addHandler(TLSHandler(server: tls)) }
                    try channel.pipeline.syncOperations.addHandler(observer)
                    continuation.yield((channel, observer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func accept() async throws -> Connection {
        guard let (channel, observer) = await accepted.next() else { throw CommandFailed(text: "no connection") }
        return Connection(channel, observer)
    }

    /// - Parameter tls: nil speaks plaintext.
    func connect(
        tls: TLSContext?, name: String? = "mail.example.test", halfClosure: Bool = false
    ) async throws -> Connection {
        let observer = Observer()
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: halfClosure)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(client: tls, serverName: name))
                    }
                    try channel.pipeline.syncOperations.addHandler(observer)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return Connection(channel, observer)
    }

    /// A client and the server's end of the same connection.
    func pair(tls: TLSContext?, name: String? = "mail.example.test", halfClosure: Bool = false) async throws -> (
        client: Connection, server: Connection
    ) {
        let client = try await connect(tls: tls, name: name, halfClosure: halfClosure)
        return (client, try await accept())
    }

    func close() async {
        try? await channel.close()
    }
}

extension TestCertificates {
    func serverContext(_ names: String..., protocols: [String] = []) throws -> TLSContext {
        var configuration = TLSServerConfiguration(
            identities: (names.isEmpty ? ["mail"] : names).map {
                TLSIdentityFiles(certificateChainFile: path("\($0).pem"), privateKeyFile: path("\($0).key"))
            })
        configuration.applicationProtocols = protocols
        return try TLSContext(server: configuration)
    }

    func clientContext(version: TLSVersion = .v1_3, protocols: [String] = []) throws -> TLSContext {
        var configuration = TLSClientConfiguration(trust: .authorities(file: authority))
        configuration.maximumVersion = version
        configuration.applicationProtocols = protocols
        return try TLSContext(client: configuration)
    }
}
