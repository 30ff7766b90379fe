import Contracts
import Foundation
import Logging
import Messaging
import NIOCore
import NIOPosix
import ProxyProtocol
import ServiceLifecycle
import Settlement
import TestSupport
import TransportSecurity

@testable import IMAPAccess

/// Keeps a store beyond its server's end.
actor StoreHolder {
    private(set) var store: MemoryStore?
    func keep(_ store: MemoryStore) { self.store = store }
}

/// The service over real messaging and real sockets, its peers in memory.
struct TestServer: Sendable {
    let pair: MessagingPair
    let store: MemoryStore
    let sasl: MemorySasl
    let services: SessionServices
    let listener: Listener
    let group: ServiceGroup
    let plain: SocketAddress
    let secure: SocketAddress
    static let logger: Logger = {
        guard ProcessInfo.processInfo.environment["TEST_LOG"] != nil else { return .quiet }
        var logger = Logger(label: "imap") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .debug
        return logger
    }()
    static let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    /// Runs `body` against a server of its own, then checks that nothing of any session is left.
    static func run(
        limits: Limits = Limits(), trustsProxies: Bool = false, offersUnauthenticate: Bool = true,
        submitters: Set<String> = [], eventLoops: MultiThreadedEventLoopGroup = eventLoops,
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        let (store, sasl) = (MemoryStore(), MemorySasl())
        let pair = try MessagingPair.inproc(
            [MailStoreServer(store), SaslServer(sasl), AcceptanceServer(store), DeliveryServer(store)],
            handlers: .concurrent)
        let publisher = try EventPublisher(pair.serverContext, endpoint: "inproc://events")
        let subscriber = EventSubscriber(
            pair.clientContext, service: "server", replicas: .endpoints([publisher.endpoint]), serverKey: nil)
        store.changed.withLock { $0 = { publisher.publish($0) } }
        let services = SessionServices(
            store: MailStoreClient(pair.client), sasl: SaslClient(pair.client),
            acceptance: AcceptanceClient(pair.client), events: subscriber, limits: limits,
            tls: try TestCertificate.context(), logger: TestServer.logger, version: "test",
            settlements: SettlementSender(
                to: DeliveryClient(pair.client), place: "access", takenIn: { .now },
                logger: .quiet), offersUnauthenticate: offersUnauthenticate, submitters: submitters)
        let (addresses, bound) = AsyncStream.makeStream(of: [SocketAddress?].self)
        let listener = Listener(
            places: [
                (.network(host: "127.0.0.1", port: 0), false), (.network(host: "127.0.0.1", port: 0), true),
            ], services: services,
            // Who connects in a test is its proxy, or nobody is.
            proxies: ProxyGate(
                trusting: { _ in trustsProxies }, patience: limits.proxyHeaderTimeout, limit: limits.sessions,
                logger: .quiet),
            eventLoops: eventLoops
        ) { bound.yield($0) }
        let group = ServiceGroup(services: [services.settlements, listener], logger: .quiet)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            var iterator = addresses.makeAsyncIterator()
            let places = await iterator.next() ?? []
            guard places.count == 2, let plain = places[0], let secure = places[1] else {
                throw TestFailure("the listener did not start")
            }
            let server = TestServer(
                pair: pair, store: store, sasl: sasl, services: services, listener: listener, group: group,
                plain: plain, secure: secure)
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(server))
            } catch {
                result = .failure(error)
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try result.get()
            // A connection that was taken in the last moment leaves on its own.
            try await eventually("nothing of a session to be left") {
                listener.sessions.count == 0 && listener.gauge.count == 0 && services.mailboxes.counts == (0, 0)
            }
        }
        store.changed.withLock { $0 = nil }
        await subscriber.close()
        await publisher.close()
        await pair.close()
    }

    /// A client that has read the greeting.
    func connect(preface: [UInt8] = []) async throws -> IMAPClient {
        let client = try await IMAPClient(plain, on: Self.eventLoops, preface: preface)
        _ = try await client.line()
        return client
    }

    /// A client that has logged in, over implicit TLS.
    func login(as user: String = MemorySasl.address, preface: [UInt8] = []) async throws -> IMAPClient {
        let client = try await IMAPClient(secure, on: Self.eventLoops, tls: true, preface: preface)
        _ = try await client.line()
        _ = try await client.ok("LOGIN \(user) \"\(MemorySasl.password)\"")
        return client
    }

    /// A client that has logged in and selected a mailbox.
    func select(_ name: String = "INBOX") async throws -> IMAPClient {
        let client = try await login()
        _ = try await client.ok("SELECT \(name)")
        return client
    }
}
