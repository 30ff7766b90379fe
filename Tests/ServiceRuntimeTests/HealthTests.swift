import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite("What a service waits for")
struct HealthRegistryTests {
    private let lines = Lines()

    private func registry(isComplete: Bool = true) -> HealthRegistry {
        let level = LogLevelSwitch(.info)
        let output = lines.output
        let logger = Logger(label: "test") { _ in
            LogfmtHandler(service: "storage", replica: 0, level: level, output: output)
        }
        return HealthRegistry(logger: logger, isComplete: isComplete)
    }

    @Test("It is ready when every condition is met, and says for what it waits until then")
    func conditions() {
        let health = registry()
        let database = health.condition("database", waitingFor: "PostgreSQL")
        let schema = health.condition("schema", waitingFor: "migrations")
        #expect(!health.isReady)
        #expect(health.waitingFor == ["PostgreSQL", "migrations"])
        database.ready()
        #expect(health.waitingFor == ["migrations"])
        schema.ready()
        #expect(health.isReady)
        database.waiting(for: "PostgreSQL: connection refused")
        #expect(!health.isReady)
        #expect(health.waitingFor == ["PostgreSQL: connection refused"])
    }

    @Test("Each change is logged once")
    func logsOnce() {
        let health = registry()
        let peer = health.condition("storage", waitingFor: "storage")
        for _ in 0..<5 { peer.waiting(for: "storage") }
        for _ in 0..<5 { peer.ready() }
        for _ in 0..<5 { peer.waiting(for: "storage") }
        let messages = lines.all.map { line in
            line.split(separator: " ").filter { $0.hasPrefix("message=") || $0.hasPrefix("condition=") }.joined(
                separator: " ")
        }
        #expect(lines.all.filter { $0.contains("for=storage") }.count == 2, "\(messages)")
        #expect(lines.all.filter { $0.contains("message=\"condition met\"") }.count == 1)
        #expect(lines.all.filter { $0.contains("message=ready") }.count == 1)
    }

    @Test("Nobody is told that it is ready before every condition was declared")
    func announcement() {
        let health = registry(isComplete: false)
        health.condition("database", waitingFor: "PostgreSQL").ready()
        #expect(!health.isReady)
        #expect(health.waitingFor == ["the service is starting"])
        health.announce()
        #expect(health.isReady)
    }

    @Test("Whoever waits is woken when it becomes ready, or gives up")
    func waiters() async {
        let health = registry()
        let condition = health.condition("database", waitingFor: "PostgreSQL")
        let cancelled = Task { await health.waitUntilReady() }
        cancelled.cancel()
        await cancelled.value
        async let first: Void = health.waitUntilReady()
        async let second: Void = health.waitUntilReady()
        condition.ready()
        _ = await (first, second)
        await health.waitUntilReady()
    }

    @Test("A service that drains is not ready, whatever its conditions say")
    func draining() {
        let health = registry()
        health.condition("database", waitingFor: "PostgreSQL").ready()
        health.drain()
        #expect(!health.isReady)
        #expect(health.waitingFor == ["the service is shutting down"])
    }
}

@Suite("Health over HTTP")
struct HealthPageServerTests {
    private let health = HealthRegistry(logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    private let metrics = PrometheusRegistry()

    /// What a server with these pages answers to a request.
    private func answer(to request: String) async throws -> String {
        let folder = try TemporaryDirectory()
        let path = "\(folder.path)/storage.0.http"
        let server = HealthPageServer(
            address: .unixSocket, path: path, replica: 0,
            pages: HealthPages(health: health, metrics: metrics, startedAt: 1_000_000),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let listener = try await server.bind { try await $0.bind(unixDomainSocketPath: path).get() }
        let collected = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: String.self)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(promise: collected))
                }
            }
            .connect(unixDomainSocketPath: path).get()
        try await client.writeAndFlush(ByteBuffer(string: request))
        let answer = try await collected.futureResult.get()
        try await listener.close()
        return answer
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var text = ""
        private let promise: EventLoopPromise<String>

        init(promise: EventLoopPromise<String>) { self.promise = promise }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { text += String(buffer: unwrapInboundIn(data)) }
        func channelInactive(context: ChannelHandlerContext) { promise.succeed(text) }
    }

    @Test("It lives")
    func live() async throws {
        let answer = try await answer(to: "GET /live HTTP/1.0\r\n\r\n")
        #expect(answer.contains(" 200 OK\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nlive\n"))
    }

    @Test("It is ready, or says for what it waits")
    func ready() async throws {
        let condition = health.condition("database", waitingFor: "PostgreSQL at /run/postgresql")
        let waiting = try await answer(to: "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(waiting.hasPrefix("HTTP/1.1 503 "))
        #expect(waiting.hasSuffix("\r\n\r\nwaiting for PostgreSQL at /run/postgresql\n"))
        condition.ready()
        #expect(try await answer(to: "GET /ready?verbose HTTP/1.0\r\n\r\n").contains(" 200 OK\r\n"))
    }

    @Test("It shows its metrics and those of the process")
    func metricsPage() async throws {
        metrics.makeCounter(label: "messages_total", dimensions: []).increment(by: 7)
        let answer = try await answer(to: "GET /metrics HTTP/1.0\r\n\r\n")
        #expect(answer.lowercased().contains("content-type: text/plain; version=0.0.4"))
        #expect(answer.contains("messages_total 7\n"))
        #expect(answer.contains("process_start_time_seconds 1.0\n"))
        #expect(answer.contains("process_resident_memory_bytes "))
        #expect(answer.contains("process_open_fds "))
    }

    @Test("It knows no other pages and no other methods")
    func otherwise() async throws {
        #expect(try await answer(to: "GET /secret HTTP/1.0\r\n\r\n").contains(" 404 "))
        #expect(try await answer(to: "POST /ready HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").contains(" 405 "))
        #expect(try await answer(to: "HEAD /live HTTP/1.0\r\n\r\n").hasSuffix("\r\n\r\n"))
        #expect(try await answer(to: "EHLO stranger\r\n\r\n").contains(" 400 "))
    }
}
