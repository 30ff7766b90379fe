#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif
import Logging
import NIOCore
import NIOPosix
import ProxyProtocol
import ServiceLifecycle
import ServiceRuntime
import TransportSecurity

/// Accepts connections at some addresses and runs a session for each until the service is told to stop.
///
/// Sockets carry SO_REUSEPORT, so that replicas share a port and the kernel spreads connections among them.
struct Listener: Service {
    /// Where connections come from.
    enum Place: Sendable, CustomStringConvertible {
        case network(host: String, port: Int)
        case unix(path: String)
        /// A socket that the supervisor opened.
        case activated(CInt)

        /// As the configuration names it.
        var description: String {
            switch self {
            case .network(let host, let port): ListenAddress.network(host: host, port: port).description
            case .unix(let path): ListenAddress.unix(path: path).description
            case .activated(let descriptor): "the supervisor's socket \(descriptor)"
            }
        }
    }

    /// Connections that the kernel keeps until we accept them.
    static let backlog: Int32 = 1_024

    let places: [(place: Place, implicitTLS: Bool)]
    let services: SessionServices
    let proxies: ProxyGate
    let gauge: SessionGauge
    let sessions: SessionRegistry
    let eventLoops: any EventLoopGroup
    /// Told of the addresses in the order of `places`, once all accept.
    let bound: @Sendable ([SocketAddress?]) -> Void

    init(
        places: [(place: Place, implicitTLS: Bool)], services: SessionServices, proxies: ProxyGate,
        eventLoops: any EventLoopGroup,
        bound: @escaping @Sendable ([SocketAddress?]) -> Void = { _ in }
    ) {
        self.places = places
        self.services = services
        self.proxies = proxies
        self.gauge = SessionGauge(limits: services.limits)
        self.sessions = SessionRegistry()
        self.eventLoops = eventLoops
        self.bound = bound
    }

    func run() async throws {
        // Bounded by the gauge, which admits no more sessions than its limit.
        let (accepted, acceptance) = AsyncStream.makeStream(of: Session.self)
        var channels: [any Channel] = []
        do {
            for (place, implicitTLS) in places {
                channels.append(try await bind(place, implicitTLS: implicitTLS, acceptance))
            }
        } catch {
            for channel in channels { try? await channel.close() }
            throw StartRefusal("cannot listen at \(places[channels.count].place): \(error)")
        }
        bound(channels.map(\.localAddress))
        let listening = channels
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await session in accepted {
                    group.addTask { await serve(session) }
                }
                // Told to stop: what does not end by itself in time is cut off, and at once when nobody waits for it any more.
                let cutOff = ContinuousClock.now + services.limits.drainTimeout
                while sessions.count > 0, ContinuousClock.now < cutOff, !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(20))
                }
                sessions.closeAll()
            }
        } onCancelOrGracefulShutdown: {
            for channel in listening { channel.close(promise: nil) }
            sessions.drain()
            acceptance.finish()
        }
        for channel in channels { try? await channel.closeFuture.get() }
    }

    private func serve(_ session: Session) async {
        await session.run()
        gauge.release(session.clientAddress)
        sessions.remove(session)
        SessionMetrics.sessions.set(gauge.count)
    }

    private func bind(
        _ place: Place, implicitTLS: Bool, _ acceptance: AsyncStream<Session>.Continuation
    ) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: eventLoops)
            .serverChannelOption(.backlog, value: Self.backlog)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: services.limits.outputOctets / 4, high: services.limits.outputOctets)
            )
            .childChannelOption(.recvAllocator, value: ReceiveRoom())
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = implicitTLS ? services.tls : nil
                    try proxies.open(channel, below: tls.map { [TLSHandler(server: $0)] } ?? []) { origin in
                        try initialise(channel, origin, implicitTLS: implicitTLS, acceptance)
                    }
                }
            }
        switch place {
        case .network(let host, let port):
            // A port that the system chooses is shared with nobody.
            return
                try await bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(
                    .socketOption(NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: port == 0 ? 0 : 1
                )
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .bind(host: host, port: port).get()
        case .unix(let path):
            return try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        case .activated(let socket):
            let channel = try await bootstrap.withBoundSocket(socket).get()
            // A socket that was bound before listens with a queue of 128, whatever the channel's options say.
            _ = listen(socket, Self.backlog)
            return channel
        }
    }

    private func initialise(
        _ channel: any Channel, _ origin: ConnectionOrigin, implicitTLS: Bool,
        _ acceptance: AsyncStream<Session>.Continuation
    ) throws {
        let address = origin.address.isEmpty ? "unix" : origin.address
        let admission = gauge.admit(address)
        guard admission == .admitted else {
            SessionMetrics.sessionsRefused.increment()
            services.logger.notice(
                "session refused", metadata: ["client": "\(address)", "reason": "\(admission)"])
            return try channel.pipeline.syncOperations.addHandler(RefusingHandler(speaks: !implicitTLS))
        }
        SessionMetrics.sessions.set(gauge.count)
        let session = Session(
            channel: channel, clientAddress: address, isProxied: origin.isProxied, implicitTLS: implicitTLS,
            services: services)
        do {
            try channel.pipeline.syncOperations.addHandler(SessionHandler(session))
        } catch {
            gauge.release(address)
            throw error
        }
        sessions.add(session)
        if case .terminated = acceptance.yield(session) {
            sessions.remove(session)
            gauge.release(address)
            channel.close(promise: nil)
        }
    }
}

/// Says why there is no session, and closes.
private final class RefusingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let speaks: Bool

    init(speaks: Bool) {
        self.speaks = speaks
    }

    func channelActive(context: ChannelHandlerContext) {
        guard speaks else { return context.close(promise: nil) }
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "* BYE [LIMIT] Too many sessions\r\n")))
            .whenComplete { _ in loopBound.value.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
