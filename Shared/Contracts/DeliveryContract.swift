import Messaging
import NIOCore

/// Making dispositions durable. Served by storage; content processing commits, who speaks with clients settles.
public protocol Delivery: Sendable {
    /// Commits one message's dispositions. The payload is [prefix, header, body], or [prefix] for a staged message.
    func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply
    /// Commits several messages of one connection, each for itself, in their order. The payload is one frame with the
    /// octets of all. When it fails, some may have been committed: each can be sent again with its own transaction id.
    func commitEach(
        _ request: CommitEachRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitEachReply
    /// Keeps the octets of a large message, header and body as received, until a commit refers to them.
    func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply
    /// Takes note of deliveries whose clients have surely read the reply. Harmless when it comes late or twice.
    func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply
}

enum DeliveryMethods {
    static let contract = ContractDescription(number: 3, name: "Delivery")
    static let commit = FramedMethod<CommitRequest, CommitReply>(contract, 1, "commit", .needsKey)
    static let stage = UploadMethod<StageRequest, StageReply>(contract, 2, "stage", .idempotent)
    static let settle = UnaryMethod<SettleRequest, SettleReply>(contract, 3, "settle", .idempotent)
    static let commitEach = FramedMethod<CommitEachRequest, CommitEachReply>(contract, 4, "commitEach", .needsKey)
}

/// Delivers over messaging.
public struct DeliveryClient: Delivery {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// Commits one message's dispositions. The payload is [prefix, header, body], or [prefix] for a staged message.
    public func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply {
        try await peer.call(DeliveryMethods.commit, request, payload, context)
    }

    /// Commits several messages of one connection, each for itself, in their order.
    public func commitEach(
        _ request: CommitEachRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitEachReply {
        try await peer.call(DeliveryMethods.commitEach, request, payload, context)
    }

    /// Keeps the octets of a large message, header and body as received, until a commit refers to them.
    public func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        try await peer.upload(DeliveryMethods.stage, request, octets, context)
    }

    /// Takes note of deliveries whose clients have surely read the reply. Harmless when it comes late or twice.
    public func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        try await peer.call(DeliveryMethods.settle, request, context)
    }
}

/// Serves delivery over messaging.
public struct DeliveryServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { DeliveryMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Delivery) {
        methods = MethodTable([
            .framed(DeliveryMethods.commit) { try await implementation.commit($0, payload: $1, $2) },
            .framed(DeliveryMethods.commitEach) { try await implementation.commitEach($0, payload: $1, $2) },
            .upload(DeliveryMethods.stage) { try await implementation.stage($0, octets: $1, $2) },
            .unary(DeliveryMethods.settle) { try await implementation.settle($0, $1) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
