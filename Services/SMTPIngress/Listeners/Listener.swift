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

/// One listening socket.
struct Listener: Sendable {
    var environment: SessionEnvironment
    var address: ListenAddress

    /// Begins to listen. SO_REUSEPORT lets replicas share a port: the kernel deals the connections out.
    func bind(on group: any EventLoopGroup, inherited: [CInt]) async throws -> [any Channel] {
        do {
            switch address {
            case .network(let host, let port):
                return [try await bootstrap(group, isNetwork: true).bind(host: host, port: port).get()]
            case .unix(let path):
                return [
                    try await bootstrap(group, isNetwork: false)
                        .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
                ]
            case .activated:
                var channels: [any Channel] = []
                for descriptor in inherited {
                    channels.append(
                        try await bootstrap(group, isNetwork: false).withBoundSocket(descriptor).get())
                }
                return channels
            }
        } catch {
            throw ListenError(address: address.description, reason: "\(error)")
        }
    }

    private func bootstrap(_ group: any EventLoopGroup, isNetwork: Bool) -> ServerBootstrap {
        let environment = environment
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
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
                    let pipeline = channel.pipeline.syncOperations
                    if environment.settings.kind.hasImplicitTLS, let tls = environment.tls {
                        try pipeline.addHandler(TLSHandler(server: tls))
                    }
                    try pipeline.addHandler(SessionHandler(environment: environment, channel: channel))
                }
            }
        if isNetwork {
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.socketOption(NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        }
        return bootstrap
    }
}
