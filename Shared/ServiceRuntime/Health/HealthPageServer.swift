import Glibc
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// Answers `/live`, `/ready` and `/metrics` over HTTP/1.1, on a Unix socket or a loopback port.
///
/// - `/live`: 200 while the process runs and its event loops turn.
/// - `/ready`: 200 `ready`, or 503 with what the service waits for, one line each.
/// - `/metrics`: Prometheus' text format 0.0.4.
public struct HealthPageServer: Service {
    private let address: CommonConfiguration.HealthAddress
    private let path: String
    private let replica: Int
    private let pages: HealthPages
    private let logger: Logger

    /// - Parameter path: where the Unix socket is made, when the address is one.
    init(
        address: CommonConfiguration.HealthAddress, path: String, replica: Int, pages: HealthPages, logger: Logger
    ) {
        self.address = address
        self.path = path
        self.replica = replica
        self.pages = pages
        self.logger = logger
    }

    /// Serves until the group shuts down.
    public func run() async throws {
        let channel: any Channel
        switch address {
        case .off: return try await gracefulShutdown()
        case .unixSocket:
            channel = try await bind {
                try await $0.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            }
        case .network(let host, let port):
            channel = try await bind { try await $0.bind(host: host, port: port == 0 ? 0 : port + replica).get() }
        }
        logger.debug("health", metadata: ["address": "\(channel.localAddress.map { "\($0)" } ?? path)"])
        defer { if case .unixSocket = address { unlink(path) } }
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await channel.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            channel.close(promise: nil)
        }
    }

    /// Binds, and returns the listening channel; the tests ask it for its port.
    func bind(_ body: (ServerBootstrap) async throws -> any Channel) async throws -> any Channel {
        let pages = pages
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(HealthHandler(pages: pages))
                }
            }
        do {
            return try await body(bootstrap)
        } catch let error as IOError {
            throw StartRefusal("health.listen: cannot listen there: \(SystemError(error.errnoCode))")
        }
    }
}

/// What the three pages say.
struct HealthPages: Sendable {
    var health: HealthRegistry
    var metrics: PrometheusRegistry?
    var startedAt: Int64

    /// Status and text of a page; nil when there is no such page.
    func page(_ path: Substring) -> (status: HTTPResponseStatus, text: String)? {
        switch path {
        case "/live": return (.ok, "live\n")
        case "/ready":
            if health.isReady { return (.ok, "ready\n") }
            return (.serviceUnavailable, health.waitingFor.map { "waiting for \($0)\n" }.joined())
        case "/metrics":
            return (.ok, (metrics?.text() ?? "") + ProcessMetrics.text(startedAt: startedAt))
        default: return nil
        }
    }
}

/// One connection. Requests have no body that matters; a connection that says nothing for ten seconds is closed.
private final class HealthHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let pages: HealthPages
    private var head: HTTPRequestHead?
    private var idle: Scheduled<Void>?

    init(pages: HealthPages) { self.pages = pages }

    func handlerAdded(context: ChannelHandlerContext) { restartTimer(context) }
    func handlerRemoved(context: ChannelHandlerContext) { idle?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            answer(head, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let (status, text): (HTTPResponseStatus, String)
        if request.method != .GET, request.method != .HEAD {
            (status, text) = (.methodNotAllowed, "only GET and HEAD\n")
        } else {
            let path = request.uri.prefix { $0 != "?" }
            (status, text) = pages.page(path) ?? (.notFound, "there are /live, /ready and /metrics\n")
        }
        var headers = HTTPHeaders([
            ("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("Content-Length", "\(text.utf8.count)"),
        ])
        if !request.isKeepAlive { headers.add(name: "Connection", value: "close") }
        context.write(
            wrapOutboundOut(.head(.init(version: request.version, status: status, headers: headers))), promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        if !request.isKeepAlive {
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        restartTimer(context)
    }

    private func restartTimer(_ context: ChannelHandlerContext) {
        idle?.cancel()
        let channel = context.channel
        idle = context.eventLoop.scheduleTask(in: .seconds(10)) { channel.close(promise: nil) }
    }
}
