import CZeroMQ
import Dispatch
import NIOCore
import TestSupport
import Testing

@testable import Messaging

/// Handshakes that are under way when one of the two closes.
@Suite(.timeLimit(.minutes(5)))
struct HandshakeTests {
    let directory: TemporaryDirectory
    let keys: CurveKeyPair
    let context: MessagingContext
    let clientContext: MessagingContext

    init() throws {
        directory = try TemporaryDirectory()
        keys = try CurveKeyPair.generate()
        context = try MessagingContext(keys: keys, logger: .quiet)
        clientContext = try MessagingContext(keys: keys, logger: .quiet)
    }

    var endpoint: String { ServiceEndpoint.requests(directory: directory.path, service: "echo", replica: 0) }

    func server() throws -> ServerSocket {
        try ServerSocket(
            context, endpoint: endpoint, contracts: [EchoContract()],
            peers: [keys.publicKey: PeerIdentity(service: "client")], access: OpenAccess())
    }

    func client() -> PeerClient {
        PeerClient(
            clientContext, service: "echo", replicas: .endpoints([endpoint]), serverKey: keys.publicKey,
            patience: .seconds(60))
    }

    func shutdown() async {
        await clientContext.shutdown()
        await context.shutdown()
    }

    @Test func aServerThatClosesDuringAHandshakeRefusesNobody() async throws {
        // Whether libzmq ends the connection first or ZAP answers first is chance.
        for round in 0..<10 {
            var servers = [try server()]
            let hold = DispatchSemaphore(value: 0)
            context.thread.execute { hold.wait() }
            let client = client()
            let call = Task { try await client.echo("\(round)") }
            // Time to come as far as ZAP, which waits for the thread that is held.
            try? await Task.sleep(for: .milliseconds(50))
            // A server that nobody holds closes: the thread does so first, then answers, then has time for a new one.
            servers.removeAll()
            hold.signal()
            await context.thread.perform {}
            servers.append(try server())
            #expect(try await call.value == "\(round)")
            await client.close()
            await servers[0].close()
        }
        await shutdown()
    }

    @Test func aKeyThatIsNotNamedIsRefusedAndByAServerThatIsGoneNobodyIs() async throws {
        let stranger = try CurveKeyPair.generate().publicKey
        let statuses = context.thread.wait { [context, keys] () -> [String] in
            let domain = context.zap.addDomain { $0 == keys.publicKey ? PeerIdentity(service: "client") : nil }
            func status(_ key: CurvePublicKey) -> String {
                var octets = [UInt8](repeating: 0, count: 32)
                zmq_z85_decode(&octets, key.description)
                let request = ["1.0", "1", domain, "", "", "CURVE"].map { ByteBuffer(string: $0) }
                return String(buffer: context.zap.answer(request + [ByteBuffer(bytes: octets)])[2])
            }
            let served = [status(keys.publicKey), status(stranger)]
            context.zap.removeDomain(domain)
            return served + [status(keys.publicKey), status(stranger)]
        }
        #expect(statuses == ["200", "400", "300", "300"])
        await shutdown()
    }

    @Test func aClientThatClosesDuringAHandshakeLeavesTheOthersAlive() async throws {
        let server = try server()
        for step in 0..<200 {
            let passing = client()
            try await Task.sleep(for: .microseconds(step % 40 * 100))
            await passing.close()
        }
        #expect(try await client().echo("alive") == "alive")
        await server.close()
        await shutdown()
    }
}
