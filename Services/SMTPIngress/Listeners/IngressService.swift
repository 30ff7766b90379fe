import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import ServiceRuntime
import Synchronization

/// All listeners of this process: opens them, and on shutdown stops accepting, lets transactions end, and leaves.
final class IngressService: Service {
    private let listeners: [Listener]
    private let inherited: [String: [CInt]]
    private let group: MultiThreadedEventLoopGroup
    private let registry: SessionRegistry
    private let threads: NIOThreadPool
    private let logger: Logger
    private let whenListening: @Sendable () -> Void
    private let open = Mutex<[OpenListener]>([])

    init(
        listeners: [Listener], inherited: [String: [CInt]] = [:], group: MultiThreadedEventLoopGroup,
        registry: SessionRegistry, threads: NIOThreadPool, logger: Logger,
        whenListening: @escaping @Sendable () -> Void = {}
    ) {
        self.listeners = listeners
        self.inherited = inherited
        self.group = group
        self.registry = registry
        self.threads = threads
        self.logger = logger
        self.whenListening = whenListening
    }

    /// Opens every listener, or none.
    func listen() async throws {
        for listener in listeners {
            var descriptors: [CInt] = []
            if case .activated(let name) = listener.address { descriptors = inherited[name] ?? [] }
            do {
                let opened = try await listener.bind(on: group, inherited: descriptors)
                open.withLock { $0 += opened }
            } catch {
                await stopListening()
                throw error
            }
            logger.info(
                "listening",
                metadata: [
                    "listener": "\(listener.environment.settings.kind.rawValue)", "address": "\(listener.address)",
                ])
        }
        whenListening()
    }

    /// Where a listener is, for port 0.
    func address(of kind: ListenerKind) -> SocketAddress? {
        open.withLock { open in open.first { $0.kind == kind }?.channel.localAddress }
    }

    /// How many sessions there are.
    var sessionCount: Int { registry.count }

    func run() async throws {
        do {
            try await listen()
        } catch let error as ListenError {
            throw StartRefusal(error.description)
        }
        try? await gracefulShutdown()
        await drain()
    }

    /// Stops accepting, finishes what is in hand, and returns when it is done or the task is cancelled.
    func drain() async {
        await stopListening()
        registry.drain()
        await withTaskCancellationHandler {
            await registry.waitUntilEmpty()
        } onCancel: {
            registry.closeAll()
        }
        try? await group.shutdownGracefully()
        try? await threads.shutdownGracefully()
    }

    private func stopListening() async {
        let listeners = open.withLock { open in
            defer { open = [] }
            return open
        }
        for listener in listeners { try? await listener.channel.setOption(.autoRead, value: false).get() }
        // Closed now, the channels would cut whoever is between being accepted and having a session.
        let patience = ContinuousClock.now + .seconds(1)
        while registry.arrivingCount > 0, ContinuousClock.now < patience {
            try? await Task.sleep(for: .milliseconds(1))
        }
        for listener in listeners {
            try? await listener.channel.close()
            listener.socket?.turnAwayRest(speaks: !listener.kind.hasImplicitTLS)
        }
    }
}
