import Contracts
import NIOCore
import SMTPSyntax

/// DATA (RFC 5321, 4.1.1.4) and what follows it.
extension SessionMachine {
    mutating func performData() {
        if let objection = objectionToContent {
            refuse(objection)
        } else if transaction?.usesChunks == true {
            refuse(Replies.dataAfterBDAT)
        } else if transaction?.parameters.body == .binaryMIME {
            // RFC 3030, 3: lines cannot carry it.
            refuse(Replies.binaryNeedsBDAT)
        } else {
            say(Replies.sendContent)
            hasPrompted = true
            phase = .data(DataDecoder())
        }
    }

    /// What speaks against content now, by either command.
    var objectionToContent: Reply? {
        guard let transaction else { return greeting == nil ? Replies.greetFirst : Replies.mailFirst }
        guard transaction.recipients.isEmpty else { return nil }
        return settings.kind.isLMTP ? Replies.noRecipientsLMTP : Replies.noRecipients
    }

    mutating func nextData(_ decoder: DataDecoder, _ input: inout ByteBuffer) -> SessionAction? {
        var decoder = decoder
        let piece = decoder.next(&input)
        phase = .data(decoder)
        switch piece {
        case .needMore:
            return .read
        case .content(let content):
            if let violation = decoder.violation { refuseContent(Replies.bareNewline(violation)) }
            return contentReceived(content)
        case .end:
            if let violation = decoder.violation { refuseContent(Replies.bareNewline(violation)) }
            return contentEnded()
        }
    }

    /// Counts and passes on, or throws away.
    mutating func contentReceived(_ content: ByteBuffer) -> SessionAction? {
        let count = content.readableBytes
        guard var current = transaction else { return nil }
        if current.handedOver != nil { current.refusal = Replies.wholeAlready }
        transaction = nil
        defer { if case .closing = phase {} else { transaction = current } }
        if current.refusal == nil, current.contentOctets + count <= settings.limits.messageOctets {
            current.contentOctets += count
            return .content(content)
        }
        if current.refusal == nil {
            current.refusal = Replies.messageTooLarge
            if current.contentOctets > 0 { hasStaleContent = true }
        }
        current.discardedOctets += count
        if current.discardedOctets > settings.limits.discardedOctets, let refusal = current.refusal {
            sayLast(refusal)
        }
        return nil
    }

    /// From now on the content is thrown away; the first reason counts.
    mutating func refuseContent(_ reply: Reply) {
        guard let current = transaction, current.refusal == nil else { return }
        // More content behind the end of it: whatever the client means, it is not that message, which may be delivered.
        transaction?.refusal = current.handedOver == nil ? reply : Replies.wholeAlready
        if current.contentOctets > 0 { hasStaleContent = true }
    }

    /// The spool could not take the content.
    mutating func contentLost() {
        refuseContent(Replies.spoolFull)
    }

    /// The message is whole: it is handed over, or its refusal is said.
    mutating func contentEnded() -> SessionAction? {
        guard let current = transaction else {
            phase = .commands
            return nil
        }
        guard let refusal = current.refusal else {
            phase = .accepting
            return current.handedOver.map { .awaitOutcome($0) } ?? .accept(current)
        }
        abandonTransaction()
        finish(replies(to: current, refusal))
        errorCount += refusal.isPermanent ? 1 : 0
        return nil
    }

    /// Content processing's answer.
    mutating func accepted(_ statuses: [TransactionStatus]) {
        guard case .accepting = phase, let current = transaction else { return }
        finish(replies(to: current, statuses))
    }

    /// What became of the transaction that an earlier connection handed over.
    mutating func answered(_ replies: [Reply]) {
        guard case .accepting = phase, transaction != nil else { return }
        finish(replies)
    }

    /// Content processing did not answer, or the message could not be kept for it.
    mutating func notAccepted(_ reply: Reply) {
        guard case .accepting = phase, let current = transaction else { return }
        finish(replies(to: current, reply))
    }

    /// One reply for all recipients, or by LMTP one for each (RFC 2033, 4.2).
    func replies(to transaction: Transaction, _ statuses: [TransactionStatus]) -> [Reply] {
        let recipients = transaction.recipients.count
        return settings.kind.isLMTP
            ? TransactionReplies.each(statuses, recipients: recipients, id: transaction.id)
            : [TransactionReplies.common(statuses, recipients: recipients, id: transaction.id)]
    }

    /// The same reply for all.
    func replies(to transaction: Transaction, _ reply: Reply) -> [Reply] {
        Array(repeating: reply, count: settings.kind.isLMTP ? transaction.recipients.count : 1)
    }

    private mutating func finish(_ replies: [Reply]) {
        for reply in replies { say(reply) }
        // The content was handed over or forgotten already.
        transaction = nil
        phase = .commands
        if endsAfterReply { sayLast(Replies.tooManyFailures) }
    }
}
