import Messaging

/// "Accept this transaction": what ingress and access ask of content processing.
public protocol Acceptance: Sendable {
    /// Takes a message that SMTP, submission or LMTP received; answers when its fate is durable.
    func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply
    /// Takes a message of IMAP APPEND (RFC 9051, 6.3.12).
    func append(_ request: AppendRequest, message: Payload, _ context: CallContext) async throws -> AppendReply
    /// Takes the messages of several APPENDs, each for itself, in their order. When it fails, some may have been stored:
    /// each can be sent again, by `append` too, with its own transaction id.
    func appendEach(
        _ request: AppendEachRequest, messages: Payload, _ context: CallContext
    ) async throws -> AppendEachReply
}

enum AcceptanceMethods {
    static let contract = ContractDescription(number: 2, name: "Acceptance")
    static let accept = UploadMethod<AcceptRequest, AcceptReply>(contract, 1, "accept", .needsKey)
    static let append = UploadMethod<AppendRequest, AppendReply>(contract, 2, "append", .needsKey)
    static let appendEach = UploadMethod<AppendEachRequest, AppendEachReply>(contract, 3, "appendEach", .needsKey)
}

/// Hands messages over by messaging.
public struct AcceptanceClient: Acceptance {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// Takes a message that SMTP, submission or LMTP received; answers when its fate is durable.
    public func accept(
        _ request: AcceptRequest, message: Payload, _ context: CallContext
    ) async throws -> AcceptReply {
        try await peer.upload(AcceptanceMethods.accept, request, message, context)
    }

    /// Takes a message of IMAP APPEND (RFC 9051, 6.3.12).
    public func append(
        _ request: AppendRequest, message: Payload, _ context: CallContext
    ) async throws -> AppendReply {
        try await peer.upload(AcceptanceMethods.append, request, message, context)
    }

    /// Takes the messages of several APPENDs, each for itself, in their order.
    public func appendEach(
        _ request: AppendEachRequest, messages: Payload, _ context: CallContext
    ) async throws -> AppendEachReply {
        try await peer.upload(AcceptanceMethods.appendEach, request, messages, context)
    }
}

/// Serves acceptance over messaging.
public struct AcceptanceServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { AcceptanceMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Acceptance) {
        methods = MethodTable([
            .upload(AcceptanceMethods.accept) { try await implementation.accept($0, message: $1, $2) },
            .upload(AcceptanceMethods.append) { try await implementation.append($0, message: $1, $2) },
            .upload(AcceptanceMethods.appendEach) { try await implementation.appendEach($0, messages: $1, $2) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
