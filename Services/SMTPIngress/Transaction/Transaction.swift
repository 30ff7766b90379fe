import Contracts
import Messaging
import SMTPSyntax

/// A mail transaction, from MAIL to the reply to its content (RFC 5321, 3.3).
struct Transaction: Sendable {
    /// Names the transaction in every process, and makes a repeated request harmless.
    let id: TransactionID
    let reversePath: ReversePath
    let parameters: MailParameters
    /// Those that were accepted, in order.
    var recipients: [Recipient] = []
    /// The content comes, or came, by BDAT.
    var usesChunks = false
    /// Octets of content so far.
    var contentOctets = 0
    /// Octets that came after the content was refused.
    var discardedOctets = 0
    /// Why the content is refused already; said when it has ended.
    var refusal: Reply?
    /// Looks for bare CR and LF in chunks.
    var checker = NewlineChecker()
    /// It goes on where an earlier connection was lost: the recipients stand, and some content may be here (RFC 1845).
    var isResumed = false
    /// Set when its content was whole on that connection: all that is left to say is what became of it.
    var handedOver: HandedOverTransaction?

    init(reversePath: ReversePath, parameters: MailParameters) {
        id = .next()
        self.reversePath = reversePath
        self.parameters = parameters
    }

    /// Goes on where the client was lost.
    mutating func resume(_ checkpoint: Checkpoint) {
        isResumed = true
        switch checkpoint {
        case .content(let interrupted):
            recipients = interrupted.recipients
            contentOctets = interrupted.content.octets
        case .handedOver(let transaction):
            recipients = transaction.recipients.map { Recipient(forwardPath: $0, targets: []) }
            contentOctets = transaction.octets
            handedOver = transaction
        }
    }

    /// One RCPT that was answered with 250.
    struct Recipient: Sendable {
        /// As RCPT gave it.
        var forwardPath: String
        /// Where the directory says that it leads.
        var targets: [Target]
    }
}
