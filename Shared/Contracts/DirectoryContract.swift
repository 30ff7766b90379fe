import Messaging

/// Who exists: domains, accounts, aliases, quotas. Served by storage.
public protocol Directory: Sendable {
    /// What each address leads to.
    func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply
    /// Makes an account, or returns the one that is there.
    func addAccount(_ request: AddAccountRequest, _ context: CallContext) async throws -> AddAccountReply
    /// Looks an account up by its address.
    func findAccount(_ request: FindAccountRequest, _ context: CallContext) async throws -> FindAccountReply
    /// Removes an account and its mail.
    func removeAccount(_ request: RemoveAccountRequest, _ context: CallContext) async throws -> RemoveAccountReply
    /// A page of accounts, by address.
    func listAccounts(_ request: ListAccountsRequest, _ context: CallContext) async throws -> ListAccountsReply
    /// Changes an account's limits.
    func setQuota(_ request: SetQuotaRequest, _ context: CallContext) async throws -> SetQuotaReply
    /// Makes a domain ours.
    func addDomain(_ request: AddDomainRequest, _ context: CallContext) async throws -> AddDomainReply
    /// Removes a domain.
    func removeDomain(_ request: RemoveDomainRequest, _ context: CallContext) async throws -> RemoveDomainReply
    /// All domains of ours.
    func listDomains(_ request: ListDomainsRequest, _ context: CallContext) async throws -> ListDomainsReply
    /// Adds targets to an alias.
    func addAlias(_ request: AddAliasRequest, _ context: CallContext) async throws -> AddAliasReply
    /// Removes targets, or the whole alias.
    func removeAlias(_ request: RemoveAliasRequest, _ context: CallContext) async throws -> RemoveAliasReply
    /// Aliases of a domain.
    func listAliases(_ request: ListAliasesRequest, _ context: CallContext) async throws -> ListAliasesReply
}

enum DirectoryMethods {
    static let contract = ContractDescription(number: 1, name: "Directory")
    static let resolve = UnaryMethod<ResolveRequest, ResolveReply>(contract, 1, "resolve", .idempotent)
    static let addAccount = UnaryMethod<AddAccountRequest, AddAccountReply>(contract, 2, "addAccount", .idempotent)
    static let findAccount = UnaryMethod<FindAccountRequest, FindAccountReply>(contract, 3, "findAccount", .idempotent)
    static let removeAccount = UnaryMethod<RemoveAccountRequest, RemoveAccountReply>(
        contract, 4, "removeAccount", .needsKey)
    static let listAccounts = UnaryMethod<ListAccountsRequest, ListAccountsReply>(
        contract, 5, "listAccounts", .idempotent)
    static let setQuota = UnaryMethod<SetQuotaRequest, SetQuotaReply>(contract, 6, "setQuota", .idempotent)
    static let addDomain = UnaryMethod<AddDomainRequest, AddDomainReply>(contract, 7, "addDomain", .idempotent)
    static let removeDomain = UnaryMethod<RemoveDomainRequest, RemoveDomainReply>(
        contract, 8, "removeDomain", .needsKey)
    static let listDomains = UnaryMethod<ListDomainsRequest, ListDomainsReply>(contract, 9, "listDomains", .idempotent)
    static let addAlias = UnaryMethod<AddAliasRequest, AddAliasReply>(contract, 10, "addAlias", .idempotent)
    static let removeAlias = UnaryMethod<RemoveAliasRequest, RemoveAliasReply>(contract, 11, "removeAlias", .needsKey)
    static let listAliases = UnaryMethod<ListAliasesRequest, ListAliasesReply>(
        contract, 12, "listAliases", .idempotent)
}

/// Asks a directory over messaging.
public struct DirectoryClient: Directory {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// What each address leads to.
    public func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply {
        try await peer.call(DirectoryMethods.resolve, request, context)
    }

    /// Makes an account, or returns the one that is there.
    public func addAccount(_ request: AddAccountRequest, _ context: CallContext) async throws -> AddAccountReply {
        try await peer.call(DirectoryMethods.addAccount, request, context)
    }

    /// Looks an account up by its address.
    public func findAccount(_ request: FindAccountRequest, _ context: CallContext) async throws -> FindAccountReply {
        try await peer.call(DirectoryMethods.findAccount, request, context)
    }

    /// Removes an account and its mail.
    public func removeAccount(
        _ request: RemoveAccountRequest, _ context: CallContext
    ) async throws -> RemoveAccountReply {
        try await peer.call(DirectoryMethods.removeAccount, request, context)
    }

    /// A page of accounts, by address.
    public func listAccounts(_ request: ListAccountsRequest, _ context: CallContext) async throws -> ListAccountsReply {
        try await peer.call(DirectoryMethods.listAccounts, request, context)
    }

    /// Changes an account's limits.
    public func setQuota(_ request: SetQuotaRequest, _ context: CallContext) async throws -> SetQuotaReply {
        try await peer.call(DirectoryMethods.setQuota, request, context)
    }

    /// Makes a domain ours.
    public func addDomain(_ request: AddDomainRequest, _ context: CallContext) async throws -> AddDomainReply {
        try await peer.call(DirectoryMethods.addDomain, request, context)
    }

    /// Removes a domain.
    public func removeDomain(_ request: RemoveDomainRequest, _ context: CallContext) async throws -> RemoveDomainReply {
        try await peer.call(DirectoryMethods.removeDomain, request, context)
    }

    /// All domains of ours.
    public func listDomains(_ request: ListDomainsRequest, _ context: CallContext) async throws -> ListDomainsReply {
        try await peer.call(DirectoryMethods.listDomains, request, context)
    }

    /// Adds targets to an alias.
    public func addAlias(_ request: AddAliasRequest, _ context: CallContext) async throws -> AddAliasReply {
        try await peer.call(DirectoryMethods.addAlias, request, context)
    }

    /// Removes targets, or the whole alias.
    public func removeAlias(_ request: RemoveAliasRequest, _ context: CallContext) async throws -> RemoveAliasReply {
        try await peer.call(DirectoryMethods.removeAlias, request, context)
    }

    /// Aliases of a domain.
    public func listAliases(_ request: ListAliasesRequest, _ context: CallContext) async throws -> ListAliasesReply {
        try await peer.call(DirectoryMethods.listAliases, request, context)
    }
}

/// Serves a directory over messaging.
public struct DirectoryServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { DirectoryMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some Directory) {
        methods = MethodTable([
            .unary(DirectoryMethods.resolve) { try await implementation.resolve($0, $1) },
            .unary(DirectoryMethods.addAccount) { try await implementation.addAccount($0, $1) },
            .unary(DirectoryMethods.findAccount) { try await implementation.findAccount($0, $1) },
            .unary(DirectoryMethods.removeAccount) { try await implementation.removeAccount($0, $1) },
            .unary(DirectoryMethods.listAccounts) { try await implementation.listAccounts($0, $1) },
            .unary(DirectoryMethods.setQuota) { try await implementation.setQuota($0, $1) },
            .unary(DirectoryMethods.addDomain) { try await implementation.addDomain($0, $1) },
            .unary(DirectoryMethods.removeDomain) { try await implementation.removeDomain($0, $1) },
            .unary(DirectoryMethods.listDomains) { try await implementation.listDomains($0, $1) },
            .unary(DirectoryMethods.addAlias) { try await implementation.addAlias($0, $1) },
            .unary(DirectoryMethods.removeAlias) { try await implementation.removeAlias($0, $1) },
            .unary(DirectoryMethods.listAliases) { try await implementation.listAliases($0, $1) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
