import Messaging
import NIOCore

/// Making dispositions durable. Served by storage, asked by content processing only.
public protocol Delivery: Sendable {
    /// Commits one message's dispositions. The payload is [prefix, header, body], or [prefix] for a staged message.
    func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply
    /// Keeps the octets of a large message, header and body as received, until a commit refers to them.
    func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply
}

enum DeliveryMethods {
    static let contract = ContractDescription(number: 3, name: "Delivery")
    static let commit = FramedMethod<CommitRequest, CommitReply>(contract, 1, "commit", .needsKey)
    static let stage = UploadMethod<StageRequest, StageReply>(contract, 2, "stage", .idempotent)
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

    /// Keeps the octets of a large message, header and body as received, until a commit refers to them.
    public func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        try await peer.upload(DeliveryMethods.stage, request, octets, context)
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
            .upload(DeliveryMethods.stage) { try await implementation.stage($0, octets: $1, $2) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
