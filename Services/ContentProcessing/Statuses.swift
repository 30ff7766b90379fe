import Contracts
import MailMessage
import Messaging

/// How a message fared for one recipient: the one table of replies of this service (RFC 5321, 4.2; RFC 3463).
enum Fate: Sendable, Hashable {
    case accepted(TransactionID)
    case headerTooLarge
    case tooManyHeaderFields
    case messageTooLarge
    case loop
    case overQuota
    case noSuchAccount
    case noSuchMailbox
    case storageAway
    case overloaded

    var status: TransactionStatus {
        switch self {
        case .accepted(let transaction): Self.status(250, "2.0.0", transaction.description)
        case .headerTooLarge: Self.status(552, "5.3.4", "The message's header is too large")
        case .tooManyHeaderFields: Self.status(554, "5.6.0", "The message's header has too many fields")
        case .messageTooLarge: Self.status(552, "5.3.4", "The message is too large")
        case .loop: Self.status(554, "5.4.6", "Too many Received fields: the message is in a loop")
        // The user may make room: the sender's server tries again for days before it gives up.
        case .overQuota: Self.status(452, "4.2.2", "The mailbox is full")
        case .noSuchAccount: Self.status(550, "5.1.1", "There is no such user any more")
        case .noSuchMailbox: Self.status(550, "5.2.0", "There is no such mailbox")
        case .storageAway: Self.status(451, "4.3.0", "The mail store cannot be reached; try again later")
        case .overloaded: Self.status(451, "4.3.2", "Too much mail at once; try again later")
        }
    }

    init(_ refusal: MessageRefusal) {
        switch refusal {
        case .headerTooLarge: self = .headerTooLarge
        case .tooManyHeaderFields: self = .tooManyHeaderFields
        }
    }

    /// What failed calls of storage mean to who sent the message: nothing is known to be durable, so try again.
    init(_ error: MessagingError) {
        self = error.code == .overloaded ? .overloaded : .storageAway
    }

    /// nil for a disposition that is done.
    static func failure(_ outcome: CommitOutcome) -> Fate? {
        switch outcome {
        case .done: nil
        case .noSuchMailbox: .noSuchMailbox
        case .overQuota: .overQuota
        case .noSuchAccount: .noSuchAccount
        // Mail that comes in sets no keywords; whatever else storage may say one day is no promise.
        case .tooManyKeywords, .notAttempted, .noSuchMessage, .unspecified, .UNRECOGNIZED: .storageAway
        }
    }

    private static func status(_ code: UInt32, _ enhanced: String, _ text: String) -> TransactionStatus {
        .with {
            $0.code = code
            $0.enhancedStatus = enhanced
            $0.text = text
        }
    }
}

extension AppendReply {
    init(_ outcome: AppendOutcome, _ explanation: String = "") {
        self.init()
        self.outcome = outcome
        self.explanation = explanation
    }

    /// A message that cannot be kept (NO [LIMIT]).
    init(_ refusal: MessageRefusal) {
        switch refusal {
        case .headerTooLarge: self.init(.beyondLimit, "The message's header is too large")
        case .tooManyHeaderFields: self.init(.beyondLimit, "The message's header has too many fields")
        }
    }

    /// What storage made of several messages, which it stored all or none.
    init(together results: [CommitReply.Result]) throws(MessagingError) {
        // The one that could not be stored says why none is.
        let obstacle = results.first { $0.outcome != .done && $0.outcome != .notAttempted }
        guard let telling = obstacle ?? results.first else {
            throw MessagingError(.failed, "storage answered without a result")
        }
        self = try AppendReply(telling)
        guard outcome == .stored else { return }
        uids = results.map(\.uid)
        receipts = results.map(\.receipt)
    }

    /// What storage made of an append.
    init(_ result: CommitReply.Result) throws(MessagingError) {
        switch result.outcome {
        case .done:
            self.init(.stored)
            mailboxID = result.mailboxID
            uidValidity = result.uidValidity
            uid = result.uid
            receipt = result.receipt
        case .noSuchMailbox: self.init(.noSuchMailbox)
        case .overQuota: self.init(.overQuota, "The mailbox is full")
        case .tooManyKeywords: self.init(.beyondLimit, "The mailbox has too many keywords")
        case .noSuchMessage: self.init(.noSuchMessage)
        case .noSuchAccount: throw MessagingError(.failed, "the account is gone")
        case .notAttempted, .unspecified, .UNRECOGNIZED:
            throw MessagingError(.failed, "storage answered with an outcome that is not known here")
        }
    }
}
