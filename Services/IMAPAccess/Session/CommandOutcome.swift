import Contracts
import IMAPSyntax
import Messaging

/// What became of a command.
enum CommandOutcome: Sendable {
    /// The tagged response that ends it, and what the client may be told of its mailbox before.
    case answer(StatusResponse, Synchronisation)
    /// The command has written its end itself.
    case answered

    static func ok(
        _ text: String, _ code: ResponseCode? = nil, synchronising: Synchronisation = .full
    ) -> CommandOutcome {
        .answer(StatusResponse(.ok, code, text), synchronising)
    }
}

/// What a client may be told of its selected mailbox at the end of a command (RFC 9051, 7.5.1).
enum Synchronisation: Sendable, Equatable {
    case none
    /// During FETCH, STORE and SEARCH by sequence number no message may lose its number.
    case withoutExpunge
    case full

    /// By uid nothing depends on sequence numbers.
    init(after numbering: Numbering) {
        self = numbering == .uids ? .full : .withoutExpunge
    }
}

/// A command that ends with NO or BAD.
struct Refusal: Error, Sendable {
    var status: StatusResponse

    init(_ condition: StatusCondition, _ code: ResponseCode? = nil, _ text: String) {
        status = StatusResponse(condition, code, text)
    }

    static let noSuchMailbox = Refusal(.no, .nonExistent, "No such mailbox")
    static let readOnly = Refusal(.no, .readOnly, "The mailbox is selected read-only")
    static let unavailable = Refusal(.no, .unavailable, "Temporarily unavailable, try again later")
    static let serverBug = Refusal(.no, .serverBug, "Internal error")

    /// Why storage did not do it; nil when it did. `target` says that the name was one to copy or append to, which
    /// the client might create (RFC 9051, 6.3.12).
    init?(_ outcome: MailboxOutcome, target: Bool = false) {
        switch outcome {
        case .done: return nil
        case .noSuchMailbox:
            self = target ? .noSuchTarget : .noSuchMailbox
        case .noPermission: self = .noPermission
        case .noSuchIdentifier: self.init(.no, .cannot, "Nobody has that name")
        case .alreadyExists: self.init(.no, .alreadyExists, "The mailbox exists already")
        case .notPermitted: self.init(.no, .cannot, "Not possible with this mailbox")
        case .hasChildren: self.init(.no, .hasChildren, "The mailbox has children")
        case .overQuota: self.init(.no, .overQuota, "Over quota")
        case .beyondLimit: self.init(.no, .limit, "Beyond a limit of the mailbox")
        case .unspecified, .UNRECOGNIZED: self = .serverBug
        }
    }

    /// The answer to a command whose error is not the client's: what is away comes back (RFC 5530, 3).
    init(_ error: any Error) {
        switch error {
        case let refusal as Refusal: self = refusal
        case let refusal as MailboxRefusal: self = Refusal(refusal.outcome) ?? .serverBug
        case let error as MessagingError: self = error.isTemporary ? .unavailable : .serverBug
        case is CancellationError: self = .unavailable
        default: self = .serverBug
        }
    }

    /// Throws unless storage did what was asked.
    static func check(_ outcome: MailboxOutcome, target: Bool = false) throws {
        if let refusal = Refusal(outcome, target: target) { throw refusal }
    }
}
