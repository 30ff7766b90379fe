import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite("Connections to other services", .timeLimit(.minutes(1)))
struct ServiceConnectionsTests {
    @Test(
        "Events of a replica that the configuration lists are found, on a network and in a folder",
        arguments: [true, false])
    func listed(isOnNetwork: Bool) async throws {
        let folder = try TemporaryDirectory()
        let keys = KeyDirectory(path: folder.path)
        _ = try keys.generate(["storage", "imap-access"])
        let context = try MessagingContext(keys: keys.pair(of: "storage"), logger: .quiet)
        let publisher = try EventPublisher(
            context,
            endpoint: isOnNetwork
                ? "tcp://127.0.0.1:0" : ServiceEndpoint.events(directory: folder.path, service: "storage", replica: 3),
            peers: keys.peers(of: ["imap-access"]))
        var requests = ServiceEndpoint.requests(directory: folder.path, service: "storage", replica: 3)
        if isOnNetwork {
            let port = try #require(publisher.endpoint.split(separator: ":").last.flatMap { Int($0) })
            requests = "tcp://127.0.0.1:\(port - 100)"
        }
        let loaded = try load(
            """
            messaging: { directory: /nowhere, key_directory: \(folder.path) }
            peers: { storage: ["\(requests)"] }
            """)
        let connections = try ServiceConnections(
            name: "imap-access", common: CommonConfiguration(from: loaded.common), logger: .quiet)
        let subscriber = try connections.subscriber(to: "storage")
        var notices = subscriber.subscribe("topic").makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        publisher.publish(topic: "topic", body: ByteBuffer(string: "body"))
        #expect(await notices.next() == .event(topic: "topic", body: ByteBuffer(string: "body")))
        await subscriber.close()
        await publisher.close()
        await connections.close()
        await context.shutdown()
    }
}
