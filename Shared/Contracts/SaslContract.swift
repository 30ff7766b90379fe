import Messaging

/// Authentication of a client, one step at a time (RFC 4422). Served by authentication.
public protocol Sasl: Sendable {
    /// The mechanisms to announce, strongest first.
    func mechanisms(_ request: SaslMechanismsRequest, _ context: CallContext) async throws -> SaslMechanismsReply
    /// Begins an exchange.
    func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply
    /// Goes on with an exchange.
    func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply
}

enum SaslMethods {
    static let contract = ContractDescription(number: 4, name: "Sasl")
    static let mechanisms = UnaryMethod<SaslMechanismsRequest, SaslMechanismsReply>(
        contract, 1, "mechanisms", .idempotent)
    // Repeating a step counts a failure twice at worst.
    static let start = UnaryMethod<SaslStartRequest, SaslStepReply>(contract, 2, "start", .idempotent)
    static let respond = UnaryMethod<SaslRespondRequest, SaslStepReply>(contract, 3, "respond", .idempotent)
}

/// Authenticates over messaging.
public struct SaslClient: Sasl {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// The mechanisms to announce, strongest first.
    public func mechanisms(
        _ request: SaslMechanismsRequest, _ context: CallContext
    ) async throws -> SaslMechanismsReply {
        try await peer.call(SaslMethods.mechanisms, request, context)
    }

    /// Begins an exchange.
    public func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply {
        try await peer.call(SaslMethods.start, request, context)
    }

    /// Goes on with an exchange.
    public func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply {
        try await peer.call(SaslMethods.respond, request, context)
    }
}

/// Serves authentication over messaging.
public struct SaslServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { SaslMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Sasl) {
        methods = MethodTable([
            .unary(SaslMethods.mechanisms) { try await implementation.mechanisms($0, $1) },
            .unary(SaslMethods.start) { try await implementation.start($0, $1) },
            .unary(SaslMethods.respond) { try await implementation.respond($0, $1) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
