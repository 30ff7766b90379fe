import Glibc
import NIOCore
import NIOPosix
import ServiceRuntime
import TransportSecurity

/// Why a socket cannot be listened at: one line that names it.
struct ListenError: Error, Sendable, CustomStringConvertible {
    var address: String
    var reason: String

    var description: String { "cannot listen at \(address): \(reason)" }
}

/// A listener that accepts.
struct OpenListener: Sendable {
    var kind: ListenerKind
    var channel: any Channel
    /// Where we made the socket on the network ourselves.
    var socket: ListeningSocket?
}

/// One listening socket.
struct Listener: Sendable {
    var environment: SessionEnvironment
    var address: ListenAddress
    /// Connections that the kernel keeps until we accept them.
    static let backlog = 1_024

    /// Begins to listen.
    func bind(on group: any EventLoopGroup, inherited: [CInt]) async throws -> [OpenListener] {
        do {
            switch address {
            case .network(let host, let port):
                let socket = try ListeningSocket(boundTo: .makeAddressResolvingHost(host, port: port))
                do {
                    let channel = try await bootstrap(group, isNetwork: true).withBoundSocket(socket.descriptor).get()
                    Self.lengthenQueue(of: socket.descriptor)
                    return [OpenListener(kind: environment.settings.kind, channel: channel, socket: socket)]
                } catch {
                    socket.turnAwayRest(speaks: false)
                    throw error
                }
            case .unix(let path):
                let channel = try await bootstrap(group, isNetwork: false)
                    .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
                return [OpenListener(kind: environment.settings.kind, channel: channel)]
            case .activated:
                // The supervisor keeps the socket, and whoever is in its queue for the next process.
                var opened: [OpenListener] = []
                for descriptor in inherited {
                    let channel = try await bootstrap(group, isNetwork: false).withBoundSocket(descriptor).get()
                    Self.lengthenQueue(of: descriptor)
                    opened.append(OpenListener(kind: environment.settings.kind, channel: channel))
                }
                return opened
            }
        } catch {
            throw ListenError(address: address.description, reason: "\(error)")
        }
    }

    /// A channel of a socket that was bound before listens with a queue of 128, whatever its options say; a crowd that
    /// comes at once overflows that, and those whom the kernel dropped believe that they are connected.
    private static func lengthenQueue(of descriptor: CInt) {
        _ = Glibc.listen(descriptor, CInt(backlog))
    }

    private func bootstrap(_ group: any EventLoopGroup, isNetwork: Bool) -> ServerBootstrap {
        let environment = environment
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Int32(Self.backlog))
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptGate(environment.registry))
                }
            }
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: 8_192, maximum: 65_536)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = environment.settings.kind.hasImplicitTLS ? environment.tls : nil
                    try environment.proxies.open(channel, below: tls.map { [TLSHandler(server: $0)] } ?? []) { origin in
                        try channel.pipeline.syncOperations.addHandler(
                            SessionHandler(environment: environment, channel: channel, origin: origin))
                    }
                }
            }
        if isNetwork {
            bootstrap = bootstrap.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        }
        return bootstrap
    }
}
