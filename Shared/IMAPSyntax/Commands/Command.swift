import NIOCore

/// A command with its tag, as the client sent it. APPEND is not among them, since its message streams: see
/// `CommandEvent.append`.
public struct TaggedCommand: Hashable, Sendable {
    /// What the client calls the command; the tagged response repeats it.
    public var tag: String
    /// The command.
    public var command: Command

    /// A command with its tag.
    public init(tag: String, command: Command) {
        self.tag = tag
        self.command = command
    }
}

/// Every command but APPEND. A new one is a case here, a file with its arguments' grammar, and a line in
/// `CommandGrammar.table`.
public enum Command: Hashable, Sendable {
    // Any state (RFC 9051, 6.1; RFC 2971).
    case capability
    case noop
    case logout
    case id(IDParameters?)

    // Not authenticated (RFC 9051, 6.2).
    case startTLS
    case authenticate(AuthenticateCommand)
    case login(LoginCommand)

    // Authenticated (RFC 9051, 6.3).
    case enable([Capability])
    /// COMPRESS with the mechanism's name in upper case (RFC 4978, 3).
    case compress(String)
    /// Back to the state before login (RFC 8437).
    case unauthenticate
    case select(SelectCommand)
    case examine(SelectCommand)
    case create(CreateCommand)
    case delete(MailboxName)
    case rename(from: MailboxName, to: MailboxName)
    case subscribe(MailboxName)
    case unsubscribe(MailboxName)
    case list(ListCommand)
    /// IMAP4rev1 only (RFC 3501, 6.3.9).
    case lsub(reference: MailboxName, pattern: MailboxPattern)
    case namespace
    case status(StatusCommand)
    case idle
    case notify(NotifyCommand)
    /// RFC 9208, 4.1.1
    case getQuota(String)
    /// RFC 9208, 4.1.2
    case getQuotaRoot(MailboxName)
    /// RFC 9208, 4.1.3
    case setQuota(SetQuotaCommand)
    /// RFC 5464, 4.2
    case getMetadata(GetMetadataCommand)
    /// RFC 5464, 4.3
    case setMetadata(SetMetadataCommand)
    /// RFC 4314, 3.1
    case setACL(SetACLCommand)
    /// RFC 4314, 3.2
    case deleteACL(ACLSubject)
    /// RFC 4314, 3.3
    case getACL(MailboxName)
    /// RFC 4314, 3.4
    case listRights(ACLSubject)
    /// RFC 4314, 3.5
    case myRights(MailboxName)
    case resetKey(ResetKeyCommand)
    /// GENURLAUTH (RFC 4467, 7); never empty.
    case generateURLAuthorization([URLAuthorizationRequest])
    /// URLs as the client wrote them (RFC 4467, 7); never empty.
    case urlFetch([String])

    /// RFC 7377, 2
    case eSearch(ESearchCommand)

    // Selected (RFC 9051, 6.4).
    /// IMAP4rev1 only (RFC 3501, 6.4.1).
    case check
    case close
    case unselect
    case expunge
    /// UID EXPUNGE (RFC 4315, 2.1).
    case uidExpunge(MessageSet)
    /// CANCELUPDATE with the tags of searches (RFC 5267, 4.3.5).
    case cancelUpdate([String])
    case search(SearchCommand)
    case sort(SortCommand)
    case thread(ThreadCommand)
    /// RFC 10022, 3.1
    case uidBatches(UIDBatchesCommand)
    case fetch(FetchCommand)
    case store(StoreCommand)
    case copy(CopyCommand)
    case move(CopyCommand)

    /// The command's name in upper case, with UID where it has it: for logs, metrics and texts.
    public var name: String {
        switch self {
        case .capability: "CAPABILITY"
        case .noop: "NOOP"
        case .logout: "LOGOUT"
        case .id: "ID"
        case .startTLS: "STARTTLS"
        case .authenticate: "AUTHENTICATE"
        case .login: "LOGIN"
        case .enable: "ENABLE"
        case .compress: "COMPRESS"
        case .unauthenticate: "UNAUTHENTICATE"
        case .select: "SELECT"
        case .examine: "EXAMINE"
        case .create: "CREATE"
        case .delete: "DELETE"
        case .rename: "RENAME"
        case .subscribe: "SUBSCRIBE"
        case .unsubscribe: "UNSUBSCRIBE"
        case .list: "LIST"
        case .lsub: "LSUB"
        case .namespace: "NAMESPACE"
        case .status: "STATUS"
        case .idle: "IDLE"
        case .notify: "NOTIFY"
        case .getQuota: "GETQUOTA"
        case .getQuotaRoot: "GETQUOTAROOT"
        case .setQuota: "SETQUOTA"
        case .getMetadata: "GETMETADATA"
        case .setMetadata: "SETMETADATA"
        case .setACL: "SETACL"
        case .deleteACL: "DELETEACL"
        case .getACL: "GETACL"
        case .listRights: "LISTRIGHTS"
        case .myRights: "MYRIGHTS"
        case .eSearch: "ESEARCH"
        case .resetKey: "RESETKEY"
        case .generateURLAuthorization: "GENURLAUTH"
        case .urlFetch: "URLFETCH"
        case .check: "CHECK"
        case .close: "CLOSE"
        case .unselect: "UNSELECT"
        case .expunge: "EXPUNGE"
        case .uidExpunge: "UID EXPUNGE"
        case .cancelUpdate: "CANCELUPDATE"
        case .search(let arguments): arguments.numbering == .uids ? "UID SEARCH" : "SEARCH"
        case .sort(let arguments): arguments.numbering == .uids ? "UID SORT" : "SORT"
        case .thread(let arguments): arguments.numbering == .uids ? "UID THREAD" : "THREAD"
        case .uidBatches: "UIDBATCHES"
        case .fetch(let arguments): arguments.numbering == .uids ? "UID FETCH" : "FETCH"
        case .store(let arguments): arguments.numbering == .uids ? "UID STORE" : "STORE"
        case .copy(let arguments): arguments.numbering == .uids ? "UID COPY" : "COPY"
        case .move(let arguments): arguments.numbering == .uids ? "UID MOVE" : "MOVE"
        }
    }
}
