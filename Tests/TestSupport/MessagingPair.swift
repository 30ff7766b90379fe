import Contracts
import Logging
import Messaging

/// A server with stubbed contracts and a client to it, each with a messaging context of its own over ipc://, or with
/// a common one over inproc://.
///
///     let pair = try MessagingPair.inproc([DirectoryServer(StubDirectory())])
///     let reply = try await DirectoryClient(pair.client).resolve(request, CallContext())
///     await pair.close()
public struct MessagingPair: Sendable {
    /// Calls the server.
    public let client: PeerClient
    /// Serves the contracts.
    public let server: ServerSocket
    /// What the client's sockets live in.
    public let clientContext: MessagingContext
    /// What the server's sockets live in.
    public let serverContext: MessagingContext
    private let directory: TemporaryDirectory?

    /// Within the process: no keys, and everything may be called.
    public static func inproc(
        _ contracts: [any ContractServer], limits: ServerLimits = ServerLimits(),
        handlers: HandlerPlacement = .onSocketThread
    ) throws -> MessagingPair {
        let context = try MessagingContext(keys: nil, logger: .quiet)
        let server = try ServerSocket(
            context, endpoint: "inproc://server", contracts: contracts, access: OpenAccess(), limits: limits,
            handlers: handlers)
        let client = PeerClient(
            context, service: "server", replicas: .endpoints([server.endpoint]), serverKey: nil)
        return MessagingPair(
            client: client, server: server, clientContext: context, serverContext: context, directory: nil)
    }

    /// Over a Unix socket with CURVE: the client is known to the server as `caller`. A call waits for the server as long
    /// as a busy machine may need to connect the two; who closes it and expects to hear that soon has less `patience`.
    public static func ipc(
        _ contracts: [any ContractServer], caller: String, access: any AccessPolicy = ContractAccess(),
        limits: ServerLimits = ServerLimits(), handlers: HandlerPlacement = .onSocketThread,
        patience: Duration = .seconds(60)
    ) throws -> MessagingPair {
        let directory = try TemporaryDirectory()
        let serverKeys = try CurveKeyPair.generate()
        let clientKeys = try CurveKeyPair.generate()
        let serverContext = try MessagingContext(keys: serverKeys, logger: .quiet)
        let clientContext = try MessagingContext(keys: clientKeys, logger: .quiet)
        let server = try ServerSocket(
            serverContext,
            endpoint: ServiceEndpoint.requests(directory: directory.path, service: "server", replica: 0),
            contracts: contracts, peers: [clientKeys.publicKey: PeerIdentity(service: caller)], access: access,
            limits: limits, handlers: handlers)
        let client = PeerClient(
            clientContext, service: "server", replicas: .endpoints([server.endpoint]),
            serverKey: serverKeys.publicKey, patience: patience)
        return MessagingPair(
            client: client, server: server, clientContext: clientContext, serverContext: serverContext,
            directory: directory)
    }

    /// Closes both sides.
    public func close() async {
        await client.close()
        await server.close()
        await clientContext.shutdown()
        await serverContext.shutdown()
    }
}

extension Logger {
    /// Says nothing.
    public static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
