import Messaging
import NIOCore

/// Mailboxes and their messages, as IMAP sees them. Served by storage.
public protocol MailStore: Sendable {
    /// All mailboxes of an account.
    func listMailboxes(_ request: ListMailboxesRequest, _ context: CallContext) async throws -> ListMailboxesReply
    /// Makes a mailbox (RFC 9051, 6.3.4).
    func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply
    /// Deletes a mailbox (RFC 9051, 6.3.5).
    func deleteMailbox(_ request: DeleteMailboxRequest, _ context: CallContext) async throws -> MailboxReply
    /// Renames a mailbox (RFC 9051, 6.3.6).
    func renameMailbox(_ request: RenameMailboxRequest, _ context: CallContext) async throws -> MailboxReply
    /// Subscribes or unsubscribes a name (RFC 9051, 6.3.7).
    func subscribe(_ request: SubscribeRequest, _ context: CallContext) async throws -> MailboxReply
    /// Every message of a mailbox as packed columns.
    func view(_ request: ViewRequest, _ context: CallContext) async throws -> ReplyStream<ViewItem>
    /// Data of single messages, in ascending uid order: a page at a time.
    func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchPage>
    /// A range of a stored message's octets.
    func fetchOctets(_ request: FetchOctetsRequest, _ context: CallContext) async throws -> ReplyStream<FetchOctetsItem>
    /// Changes flags (RFC 9051, 6.4.6).
    func storeFlags(_ request: StoreFlagsRequest, _ context: CallContext) async throws -> StoreFlagsReply
    /// Copies or moves messages (RFC 9051, 6.4.7 and 6.4.8).
    func copy(_ request: CopyRequest, _ context: CallContext) async throws -> CopyReply
    /// Removes messages that carry \Deleted (RFC 9051, 6.4.3).
    func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply
    /// What an account has and may have (RFC 9208).
    func usage(_ request: UsageRequest, _ context: CallContext) async throws -> UsageReply
    /// What is noted of a mailbox, of all of them or of the account (RFC 5464).
    func getMetadata(_ request: GetMetadataRequest, _ context: CallContext) async throws -> GetMetadataReply
    /// Notes something of a mailbox or of the account (RFC 5464).
    func setMetadata(_ request: SetMetadataRequest, _ context: CallContext) async throws -> SetMetadataReply
    /// Reads the index of a mailbox's texts.
    func textIndex(_ request: TextIndexRequest, _ context: CallContext) async throws -> ReplyStream<TextIndexPage>
    /// Adds messages to the index of a mailbox's texts. The payload is [uids, signatures] of a `TextSegment`.
    func addTextSegment(
        _ request: AddTextSegmentRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> AddTextSegmentReply
    /// Proves that an account gives what a URL names (RFC 4467, 5).
    func authorizeURL(_ request: AuthorizeURLRequest, _ context: CallContext) async throws -> AuthorizeURLReply
    /// Whether an account has given what a URL names (RFC 4467, 6).
    func checkURL(_ request: CheckURLRequest, _ context: CallContext) async throws -> CheckURLReply
    /// Ends what was given by URLs before (RFC 4467, 7).
    func resetURLKeys(_ request: ResetURLKeysRequest, _ context: CallContext) async throws -> ResetURLKeysReply
    /// One mailbox of another account, as far as a user may know of it (RFC 4314).
    func findMailbox(_ request: FindMailboxRequest, _ context: CallContext) async throws -> FindMailboxReply
    /// Who may do what with a mailbox (RFC 4314, 3.3).
    func getRights(_ request: GetRightsRequest, _ context: CallContext) async throws -> GetRightsReply
    /// Gives rights or takes them away (RFC 4314, 3.1 and 3.2).
    func setRights(_ request: SetRightsRequest, _ context: CallContext) async throws -> MailboxReply
}

enum MailStoreMethods {
    static let contract = ContractDescription(number: 6, name: "MailStore")
    static let listMailboxes = UnaryMethod<ListMailboxesRequest, ListMailboxesReply>(
        contract, 1, "listMailboxes", .idempotent)
    static let createMailbox = UnaryMethod<CreateMailboxRequest, MailboxReply>(contract, 2, "createMailbox", .needsKey)
    static let deleteMailbox = UnaryMethod<DeleteMailboxRequest, MailboxReply>(contract, 3, "deleteMailbox", .needsKey)
    static let renameMailbox = UnaryMethod<RenameMailboxRequest, MailboxReply>(contract, 4, "renameMailbox", .needsKey)
    static let subscribe = UnaryMethod<SubscribeRequest, MailboxReply>(contract, 5, "subscribe", .idempotent)
    static let view = StreamMethod<ViewRequest, ViewItem>(contract, 6, "view", .idempotent)
    static let fetch = StreamMethod<FetchRequest, FetchPage>(contract, 7, "fetch", .idempotent)
    static let fetchOctets = StreamMethod<FetchOctetsRequest, FetchOctetsItem>(
        contract, 8, "fetchOctets", .idempotent)
    static let storeFlags = UnaryMethod<StoreFlagsRequest, StoreFlagsReply>(contract, 9, "storeFlags", .needsKey)
    static let copy = UnaryMethod<CopyRequest, CopyReply>(contract, 10, "copy", .needsKey)
    static let expunge = UnaryMethod<ExpungeRequest, ExpungeReply>(contract, 11, "expunge", .needsKey)
    static let usage = UnaryMethod<UsageRequest, UsageReply>(contract, 12, "usage", .idempotent)
    static let getMetadata = UnaryMethod<GetMetadataRequest, GetMetadataReply>(contract, 13, "getMetadata", .idempotent)
    static let setMetadata = UnaryMethod<SetMetadataRequest, SetMetadataReply>(contract, 14, "setMetadata", .needsKey)
    static let textIndex = StreamMethod<TextIndexRequest, TextIndexPage>(contract, 15, "textIndex", .idempotent)
    static let addTextSegment = FramedMethod<AddTextSegmentRequest, AddTextSegmentReply>(
        contract, 16, "addTextSegment", .idempotent)
    static let authorizeURL = UnaryMethod<AuthorizeURLRequest, AuthorizeURLReply>(
        contract, 17, "authorizeURL", .idempotent)
    static let checkURL = UnaryMethod<CheckURLRequest, CheckURLReply>(contract, 18, "checkURL", .idempotent)
    static let resetURLKeys = UnaryMethod<ResetURLKeysRequest, ResetURLKeysReply>(
        contract, 19, "resetURLKeys", .needsKey)
    static let findMailbox = UnaryMethod<FindMailboxRequest, FindMailboxReply>(
        contract, 20, "findMailbox", .idempotent)
    static let getRights = UnaryMethod<GetRightsRequest, GetRightsReply>(contract, 21, "getRights", .idempotent)
    static let setRights = UnaryMethod<SetRightsRequest, MailboxReply>(contract, 22, "setRights", .needsKey)
}

/// Reads and changes mailboxes over messaging.
public struct MailStoreClient: MailStore {
    let peer: PeerClient

    /// A client to the service behind `peer`.
    public init(_ peer: PeerClient) { self.peer = peer }

    /// All mailboxes of an account.
    public func listMailboxes(
        _ request: ListMailboxesRequest, _ context: CallContext
    ) async throws -> ListMailboxesReply {
        try await peer.call(MailStoreMethods.listMailboxes, request, context)
    }

    /// Makes a mailbox (RFC 9051, 6.3.4).
    public func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try await peer.call(MailStoreMethods.createMailbox, request, context)
    }

    /// Deletes a mailbox (RFC 9051, 6.3.5).
    public func deleteMailbox(_ request: DeleteMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try await peer.call(MailStoreMethods.deleteMailbox, request, context)
    }

    /// Renames a mailbox (RFC 9051, 6.3.6).
    public func renameMailbox(_ request: RenameMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try await peer.call(MailStoreMethods.renameMailbox, request, context)
    }

    /// Subscribes or unsubscribes a name (RFC 9051, 6.3.7).
    public func subscribe(_ request: SubscribeRequest, _ context: CallContext) async throws -> MailboxReply {
        try await peer.call(MailStoreMethods.subscribe, request, context)
    }

    /// Every message of a mailbox as packed columns.
    public func view(_ request: ViewRequest, _ context: CallContext) async throws -> ReplyStream<ViewItem> {
        try await peer.stream(MailStoreMethods.view, request, context)
    }

    /// Data of single messages, in ascending uid order: a page at a time.
    public func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchPage> {
        try await peer.stream(MailStoreMethods.fetch, request, context)
    }

    /// A range of a stored message's octets.
    public func fetchOctets(
        _ request: FetchOctetsRequest, _ context: CallContext
    ) async throws -> ReplyStream<FetchOctetsItem> {
        try await peer.stream(MailStoreMethods.fetchOctets, request, context)
    }

    /// Changes flags (RFC 9051, 6.4.6).
    public func storeFlags(_ request: StoreFlagsRequest, _ context: CallContext) async throws -> StoreFlagsReply {
        try await peer.call(MailStoreMethods.storeFlags, request, context)
    }

    /// Copies or moves messages (RFC 9051, 6.4.7 and 6.4.8).
    public func copy(_ request: CopyRequest, _ context: CallContext) async throws -> CopyReply {
        try await peer.call(MailStoreMethods.copy, request, context)
    }

    /// Removes messages that carry \Deleted (RFC 9051, 6.4.3).
    public func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply {
        try await peer.call(MailStoreMethods.expunge, request, context)
    }

    /// What an account has and may have (RFC 9208).
    public func usage(_ request: UsageRequest, _ context: CallContext) async throws -> UsageReply {
        try await peer.call(MailStoreMethods.usage, request, context)
    }

    /// What is noted of a mailbox, of all of them or of the account (RFC 5464).
    public func getMetadata(_ request: GetMetadataRequest, _ context: CallContext) async throws -> GetMetadataReply {
        try await peer.call(MailStoreMethods.getMetadata, request, context)
    }

    /// Notes something of a mailbox or of the account (RFC 5464).
    public func setMetadata(_ request: SetMetadataRequest, _ context: CallContext) async throws -> SetMetadataReply {
        try await peer.call(MailStoreMethods.setMetadata, request, context)
    }

    /// Reads the index of a mailbox's texts.
    public func textIndex(
        _ request: TextIndexRequest, _ context: CallContext
    ) async throws -> ReplyStream<TextIndexPage> {
        try await peer.stream(MailStoreMethods.textIndex, request, context)
    }

    /// Adds messages to the index of a mailbox's texts. The payload is [uids, signatures] of a `TextSegment`.
    public func addTextSegment(
        _ request: AddTextSegmentRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> AddTextSegmentReply {
        try await peer.call(MailStoreMethods.addTextSegment, request, payload, context)
    }

    /// Proves that an account gives what a URL names (RFC 4467, 5).
    public func authorizeURL(_ request: AuthorizeURLRequest, _ context: CallContext) async throws -> AuthorizeURLReply {
        try await peer.call(MailStoreMethods.authorizeURL, request, context)
    }

    /// Whether an account has given what a URL names (RFC 4467, 6).
    public func checkURL(_ request: CheckURLRequest, _ context: CallContext) async throws -> CheckURLReply {
        try await peer.call(MailStoreMethods.checkURL, request, context)
    }

    /// Ends what was given by URLs before (RFC 4467, 7).
    public func resetURLKeys(_ request: ResetURLKeysRequest, _ context: CallContext) async throws -> ResetURLKeysReply {
        try await peer.call(MailStoreMethods.resetURLKeys, request, context)
    }

    /// One mailbox of another account, as far as a user may know of it (RFC 4314).
    public func findMailbox(_ request: FindMailboxRequest, _ context: CallContext) async throws -> FindMailboxReply {
        try await peer.call(MailStoreMethods.findMailbox, request, context)
    }

    /// Who may do what with a mailbox (RFC 4314, 3.3).
    public func getRights(_ request: GetRightsRequest, _ context: CallContext) async throws -> GetRightsReply {
        try await peer.call(MailStoreMethods.getRights, request, context)
    }

    /// Gives rights or takes them away (RFC 4314, 3.1 and 3.2).
    public func setRights(_ request: SetRightsRequest, _ context: CallContext) async throws -> MailboxReply {
        try await peer.call(MailStoreMethods.setRights, request, context)
    }
}

/// Serves mailboxes over messaging.
public struct MailStoreServer: ContractServer {
    let methods: MethodTable

    /// The contract that is served.
    public var contract: ContractDescription { MailStoreMethods.contract }

    /// A server that asks `implementation`.
    public init(_ implementation: some MailStore) {
        methods = MethodTable([
            .unary(MailStoreMethods.listMailboxes) { try await implementation.listMailboxes($0, $1) },
            .unary(MailStoreMethods.createMailbox) { try await implementation.createMailbox($0, $1) },
            .unary(MailStoreMethods.deleteMailbox) { try await implementation.deleteMailbox($0, $1) },
            .unary(MailStoreMethods.renameMailbox) { try await implementation.renameMailbox($0, $1) },
            .unary(MailStoreMethods.subscribe) { try await implementation.subscribe($0, $1) },
            .stream(MailStoreMethods.view) { try await implementation.view($0, $1) },
            .stream(MailStoreMethods.fetch) { try await implementation.fetch($0, $1) },
            .stream(MailStoreMethods.fetchOctets) { try await implementation.fetchOctets($0, $1) },
            .unary(MailStoreMethods.storeFlags) { try await implementation.storeFlags($0, $1) },
            .unary(MailStoreMethods.copy) { try await implementation.copy($0, $1) },
            .unary(MailStoreMethods.expunge) { try await implementation.expunge($0, $1) },
            .unary(MailStoreMethods.usage) { try await implementation.usage($0, $1) },
            .unary(MailStoreMethods.getMetadata) { try await implementation.getMetadata($0, $1) },
            .unary(MailStoreMethods.setMetadata) { try await implementation.setMetadata($0, $1) },
            .stream(MailStoreMethods.textIndex) { try await implementation.textIndex($0, $1) },
            .framed(MailStoreMethods.addTextSegment) { try await implementation.addTextSegment($0, payload: $1, $2) },
            .unary(MailStoreMethods.authorizeURL) { try await implementation.authorizeURL($0, $1) },
            .unary(MailStoreMethods.checkURL) { try await implementation.checkURL($0, $1) },
            .unary(MailStoreMethods.resetURLKeys) { try await implementation.resetURLKeys($0, $1) },
            .unary(MailStoreMethods.findMailbox) { try await implementation.findMailbox($0, $1) },
            .unary(MailStoreMethods.getRights) { try await implementation.getRights($0, $1) },
            .unary(MailStoreMethods.setRights) { try await implementation.setRights($0, $1) },
        ])
    }

    /// Answers a call by the table of methods.
    public func handle(_ call: IncomingCall) async throws -> CallResult { try await methods.handle(call) }
}
