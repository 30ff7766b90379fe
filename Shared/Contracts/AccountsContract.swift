import Messaging

/// Credentials of accounts. Served by authentication, asked by the operator's command only.
public protocol Accounts: Sendable {
    /// Sets or replaces an account's password.
    func setPassword(_ request: SetPasswordRequest, _ context: CallContext) async throws -> SetPasswordReply
    /// Forgets an account's credentials.
    func removeCredentials(
        _ request: RemoveCredentialsRequest, _ context: CallContext
    ) async throws -> RemoveCredentialsReply
    /// Which of these accounts have a password.
    func listCredentials(_ request: ListCredentialsRequest, _ context: CallContext) async throws -> ListCredentialsReply
}

enum AccountsMethods {
    static let contract = ContractDescription(number: 5, name: "Accounts")
    static let setPassword = UnaryMethod<SetPasswordRequest, SetPasswordReply>(
        contract, 1, "setPassword", .idempotent)
    static let removeCredentials = UnaryMethod<RemoveCredentialsRequest, RemoveCredentialsReply>(
        contract, 2, "removeCredentials", .needsKey)
    static let listCredentials = UnaryMethod<ListCredentialsRequest, ListCredentialsReply>(
        contract, 3, "listCredentials", .idempotent)
}

/// Manages credentials over messaging.
public struct AccountsClient: Accounts {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// Sets or replaces an account's password.
    public func setPassword(_ request: SetPasswordRequest, _ context: CallContext) async throws -> SetPasswordReply {
        try await peer.call(AccountsMethods.setPassword, request, context)
    }

    /// Forgets an account's credentials.
    public func removeCredentials(
        _ request: RemoveCredentialsRequest, _ context: CallContext
    ) async throws -> RemoveCredentialsReply {
        try await peer.call(AccountsMethods.removeCredentials, request, context)
    }

    /// Which of these accounts have a password.
    public func listCredentials(
        _ request: ListCredentialsRequest, _ context: CallContext
    ) async throws -> ListCredentialsReply {
        try await peer.call(AccountsMethods.listCredentials, request, context)
    }
}

/// Serves credentials over messaging.
public struct AccountsServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { AccountsMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Accounts) {
        methods = MethodTable([
            .unary(AccountsMethods.setPassword) { try await implementation.setPassword($0, $1) },
            .unary(AccountsMethods.removeCredentials) { try await implementation.removeCredentials($0, $1) },
            .unary(AccountsMethods.listCredentials) { try await implementation.listCredentials($0, $1) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
