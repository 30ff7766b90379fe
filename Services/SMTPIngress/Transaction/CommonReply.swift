import Contracts
import Messaging
import SMTPSyntax

/// Makes replies of the statuses that content processing gives, one for each recipient.
enum TransactionReplies {
    /// The one reply that SMTP has for all recipients.
    ///
    /// A client takes 2yz for a promise for every recipient, so it is given only when it holds for every one. When some
    /// must be tried again the client tries all again, and those that were served are recognised by their receipts; when
    /// some failed for good the client is told, rather than nobody.
    static func common(_ statuses: [TransactionStatus], recipients: Int, id: TransactionID) -> Reply {
        guard statuses.count == recipients, var worst = statuses.first else { return Replies.peerUnavailable }
        for status in statuses where severity(status) > severity(worst) { worst = status }
        return reply(worst, id: id)
    }

    /// LMTP's reply for each (RFC 2033, 4.2).
    static func each(_ statuses: [TransactionStatus], recipients: Int, id: TransactionID) -> [Reply] {
        guard statuses.count == recipients else {
            return Array(repeating: Replies.peerUnavailable, count: recipients)
        }
        return statuses.map { reply($0, id: id) }
    }

    /// Whether a transaction that is answered so may have been committed all the same: 451 says that something of ours did
    /// not answer (RFC 5321, 4.2.3); all other failures are decisions.
    static func areUncertain(_ statuses: [TransactionStatus]) -> Bool {
        statuses.contains { $0.code == 451 } && !statuses.contains { $0.code / 100 == 2 }
    }

    private static func severity(_ status: TransactionStatus) -> Int {
        switch status.code / 100 {
        case 2: 0
        case 5: 1
        default: 2
        }
    }

    /// 250 names the transaction, so that a client's log leads to ours.
    private static func reply(_ status: TransactionStatus, id: TransactionID) -> Reply {
        guard let code = UInt16(exactly: status.code), [2, 4, 5].contains(code / 100) else {
            return Replies.peerUnavailable
        }
        let enhanced = EnhancedStatus(status.enhancedStatus) ?? EnhancedStatus(UInt8(code / 100), 0, 0)
        let text = status.text.isEmpty ? id.description : status.text
        return Reply(code: code, enhanced: enhanced, lines: [text])
    }
}
