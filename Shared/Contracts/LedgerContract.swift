import Messaging

/// What happened to each transaction. Served by storage, asked by the operator's command.
public protocol Ledger: Sendable {
    /// The story of one transaction, or of all that a Message-ID or an address had part in.
    func trace(_ request: TraceRequest, _ context: CallContext) async throws -> TraceReply
}

enum LedgerMethods {
    static let contract = ContractDescription(number: 8, name: "Ledger")
    static let trace = UnaryMethod<TraceRequest, TraceReply>(contract, 1, "trace", .idempotent)
}

/// Asks the ledger over messaging.
public struct LedgerClient: Ledger {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// The story of one transaction, or of all that a Message-ID or an address had part in.
    public func trace(_ request: TraceRequest, _ context: CallContext) async throws -> TraceReply {
        try await peer.call(LedgerMethods.trace, request, context)
    }
}

/// Serves the ledger over messaging.
public struct LedgerServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { LedgerMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Ledger) {
        methods = MethodTable([.unary(LedgerMethods.trace) { try await implementation.trace($0, $1) }])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
