import Contracts
import Messaging
import NIOCore

// Defaults for stubs: a stub implements the methods that its test calls, and the others answer that they are unknown.

private func unstubbed<Reply>(_ method: String) throws -> Reply {
    throw MessagingError(.unknownMethod, "the stub has no \(method)")
}

extension Directory {
    /// Unknown unless the stub has it.
    public func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply {
        try unstubbed("resolve")
    }

    /// Unknown unless the stub has it.
    public func addAccount(_ request: AddAccountRequest, _ context: CallContext) async throws -> AddAccountReply {
        try unstubbed("addAccount")
    }

    /// Unknown unless the stub has it.
    public func findAccount(_ request: FindAccountRequest, _ context: CallContext) async throws -> FindAccountReply {
        try unstubbed("findAccount")
    }

    /// Unknown unless the stub has it.
    public func removeAccount(_ request: RemoveAccountRequest, _ context: CallContext) async throws
        -> RemoveAccountReply
    {
        try unstubbed("removeAccount")
    }

    /// Unknown unless the stub has it.
    public func listAccounts(_ request: ListAccountsRequest, _ context: CallContext) async throws -> ListAccountsReply {
        try unstubbed("listAccounts")
    }

    /// Unknown unless the stub has it.
    public func setQuota(_ request: SetQuotaRequest, _ context: CallContext) async throws -> SetQuotaReply {
        try unstubbed("setQuota")
    }

    /// Unknown unless the stub has it.
    public func addDomain(_ request: AddDomainRequest, _ context: CallContext) async throws -> AddDomainReply {
        try unstubbed("addDomain")
    }

    /// Unknown unless the stub has it.
    public func removeDomain(_ request: RemoveDomainRequest, _ context: CallContext) async throws -> RemoveDomainReply {
        try unstubbed("removeDomain")
    }

    /// Unknown unless the stub has it.
    public func listDomains(_ request: ListDomainsRequest, _ context: CallContext) async throws -> ListDomainsReply {
        try unstubbed("listDomains")
    }

    /// Unknown unless the stub has it.
    public func addAlias(_ request: AddAliasRequest, _ context: CallContext) async throws -> AddAliasReply {
        try unstubbed("addAlias")
    }

    /// Unknown unless the stub has it.
    public func removeAlias(_ request: RemoveAliasRequest, _ context: CallContext) async throws -> RemoveAliasReply {
        try unstubbed("removeAlias")
    }

    /// Unknown unless the stub has it.
    public func listAliases(_ request: ListAliasesRequest, _ context: CallContext) async throws -> ListAliasesReply {
        try unstubbed("listAliases")
    }
}

extension Acceptance {
    /// Unknown unless the stub has it.
    public func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply {
        try unstubbed("accept")
    }

    /// Unknown unless the stub has it.
    public func append(_ request: AppendRequest, message: Payload, _ context: CallContext) async throws -> AppendReply {
        try unstubbed("append")
    }

    /// Unknown unless the stub has it.
    public func appendEach(
        _ request: AppendEachRequest, messages: Payload, _ context: CallContext
    ) async throws -> AppendEachReply {
        try unstubbed("appendEach")
    }
}

extension Delivery {
    /// Unknown unless the stub has it.
    public func commit(_ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext) async throws
        -> CommitReply
    {
        try unstubbed("commit")
    }

    /// Unknown unless the stub has it.
    public func commitEach(
        _ request: CommitEachRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitEachReply {
        try unstubbed("commitEach")
    }

    /// Unknown unless the stub has it.
    public func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        try unstubbed("stage")
    }

    /// Unknown unless the stub has it.
    public func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        try unstubbed("settle")
    }
}

extension MailStore {
    /// Unknown unless the stub has it.
    public func listMailboxes(_ request: ListMailboxesRequest, _ context: CallContext) async throws
        -> ListMailboxesReply
    {
        try unstubbed("listMailboxes")
    }

    /// Unknown unless the stub has it.
    public func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try unstubbed("createMailbox")
    }

    /// Unknown unless the stub has it.
    public func deleteMailbox(_ request: DeleteMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try unstubbed("deleteMailbox")
    }

    /// Unknown unless the stub has it.
    public func renameMailbox(_ request: RenameMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try unstubbed("renameMailbox")
    }

    /// Unknown unless the stub has it.
    public func subscribe(_ request: SubscribeRequest, _ context: CallContext) async throws -> MailboxReply {
        try unstubbed("subscribe")
    }

    /// Unknown unless the stub has it.
    public func view(_ request: ViewRequest, _ context: CallContext) async throws -> ReplyStream<ViewItem> {
        try unstubbed("view")
    }

    /// Unknown unless the stub has it.
    public func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchPage> {
        try unstubbed("fetch")
    }

    /// Unknown unless the stub has it.
    public func fetchOctets(_ request: FetchOctetsRequest, _ context: CallContext) async throws -> ReplyStream<
        FetchOctetsItem
    > {
        try unstubbed("fetchOctets")
    }

    /// Unknown unless the stub has it.
    public func storeFlags(_ request: StoreFlagsRequest, _ context: CallContext) async throws -> StoreFlagsReply {
        try unstubbed("storeFlags")
    }

    /// Unknown unless the stub has it.
    public func copy(_ request: CopyRequest, _ context: CallContext) async throws -> CopyReply {
        try unstubbed("copy")
    }

    /// Unknown unless the stub has it.
    public func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply {
        try unstubbed("expunge")
    }

    /// Unknown unless the stub has it.
    public func usage(_ request: UsageRequest, _ context: CallContext) async throws -> UsageReply {
        try unstubbed("usage")
    }

    /// Unknown unless the stub has it.
    public func getMetadata(_ request: GetMetadataRequest, _ context: CallContext) async throws -> GetMetadataReply {
        try unstubbed("getMetadata")
    }

    /// Unknown unless the stub has it.
    public func setMetadata(_ request: SetMetadataRequest, _ context: CallContext) async throws -> SetMetadataReply {
        try unstubbed("setMetadata")
    }

    /// Unknown unless the stub has it.
    public func textIndex(
        _ request: TextIndexRequest, _ context: CallContext
    ) async throws -> ReplyStream<TextIndexPage> {
        try unstubbed("textIndex")
    }

    /// Unknown unless the stub has it.
    public func addTextSegment(
        _ request: AddTextSegmentRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> AddTextSegmentReply {
        try unstubbed("addTextSegment")
    }

    /// Unknown unless the stub has it.
    public func authorizeURL(_ request: AuthorizeURLRequest, _ context: CallContext) async throws -> AuthorizeURLReply {
        try unstubbed("authorizeURL")
    }

    /// Unknown unless the stub has it.
    public func checkURL(_ request: CheckURLRequest, _ context: CallContext) async throws -> CheckURLReply {
        try unstubbed("checkURL")
    }

    /// Unknown unless the stub has it.
    public func resetURLKeys(_ request: ResetURLKeysRequest, _ context: CallContext) async throws -> ResetURLKeysReply {
        try unstubbed("resetURLKeys")
    }

    /// Unknown unless the stub has it.
    public func findMailbox(_ request: FindMailboxRequest, _ context: CallContext) async throws -> FindMailboxReply {
        try unstubbed("findMailbox")
    }

    /// Unknown unless the stub has it.
    public func getRights(_ request: GetRightsRequest, _ context: CallContext) async throws -> GetRightsReply {
        try unstubbed("getRights")
    }

    /// Unknown unless the stub has it.
    public func setRights(_ request: SetRightsRequest, _ context: CallContext) async throws -> MailboxReply {
        try unstubbed("setRights")
    }
}

extension Sasl {
    /// Unknown unless the stub has it.
    public func mechanisms(_ request: SaslMechanismsRequest, _ context: CallContext) async throws -> SaslMechanismsReply
    {
        try unstubbed("mechanisms")
    }

    /// Unknown unless the stub has it.
    public func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply {
        try unstubbed("start")
    }

    /// Unknown unless the stub has it.
    public func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply {
        try unstubbed("respond")
    }
}

extension Accounts {
    /// Unknown unless the stub has it.
    public func setPassword(_ request: SetPasswordRequest, _ context: CallContext) async throws -> SetPasswordReply {
        try unstubbed("setPassword")
    }

    /// Unknown unless the stub has it.
    public func removeCredentials(_ request: RemoveCredentialsRequest, _ context: CallContext) async throws
        -> RemoveCredentialsReply
    {
        try unstubbed("removeCredentials")
    }

    /// Unknown unless the stub has it.
    public func listCredentials(_ request: ListCredentialsRequest, _ context: CallContext) async throws
        -> ListCredentialsReply
    {
        try unstubbed("listCredentials")
    }
}

extension Health {
    /// Unknown unless the stub has it.
    public func check(_ request: HealthRequest, _ context: CallContext) async throws -> HealthReply {
        try unstubbed("check")
    }
}
