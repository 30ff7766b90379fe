import Messaging

/// What every service answers about itself.
public protocol Health: Sendable {
    /// Who answers, whether it is ready, and what it waits for.
    func check(_ request: HealthRequest, _ context: CallContext) async throws -> HealthReply
}

enum HealthMethods {
    static let contract = ContractDescription(number: 7, name: "Health")
    static let check = UnaryMethod<HealthRequest, HealthReply>(contract, 1, "check", .idempotent)
}

/// Asks after a service's health over messaging.
public struct HealthClient: Health {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// Who answers, whether it is ready, and what it waits for.
    public func check(_ request: HealthRequest, _ context: CallContext) async throws -> HealthReply {
        try await peer.call(HealthMethods.check, request, context)
    }
}

/// Serves health over messaging.
public struct HealthServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { HealthMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Health) {
        methods = MethodTable([.unary(HealthMethods.check) { try await implementation.check($0, $1) }])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
