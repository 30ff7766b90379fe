import Contracts
import Messaging
import ServiceRuntime
import Synchronization

/// A peer of the executable under test, played by the test: contracts behind the peer's own endpoint and key, as the
/// peer's process would serve them.
final class StubService: Sendable {
    let name: String
    private let context: MessagingContext
    private let directory: String
    private let contracts: [any ContractServer]
    private let peers: [CurvePublicKey: PeerIdentity]
    private let handlers: HandlerPlacement
    private let sockets = Mutex<(server: ServerSocket?, publisher: EventPublisher?)>((nil, nil))

    init(
        name: String, context: MessagingContext, directory: String, contracts: [any ContractServer],
        peers: [CurvePublicKey: PeerIdentity], handlers: HandlerPlacement
    ) {
        self.name = name
        self.context = context
        self.directory = directory
        self.contracts = contracts
        self.peers = peers
        self.handlers = handlers
    }

    /// Comes, or comes back.
    func start() throws {
        let server = try ServerSocket(
            context, endpoint: ServiceEndpoint.requests(directory: directory, service: name, replica: 0),
            contracts: contracts, peers: peers, access: ContractAccess(), handlers: handlers)
        let publisher = try EventPublisher(
            context, endpoint: ServiceEndpoint.events(directory: directory, service: name, replica: 0), peers: peers)
        sockets.withLock { $0 = (server, publisher) }
    }

    /// Goes away without a word, as a process that is killed; the files of its sockets stay behind.
    func stop() async {
        let (server, publisher) = sockets.withLock { sockets in
            defer { sockets = (nil, nil) }
            return sockets
        }
        await server?.close()
        await publisher?.close()
    }

    func publish(_ change: MailboxChanged) { sockets.withLock { $0.publisher }?.publish(change) }
}
