import Contracts
import SMTPSyntax

/// MAIL (RFC 5321, 4.1.1.2; RFC 1845; RFC 1870; RFC 6531, 3.4; RFC 6409, 6.1).
extension SessionMachine {
    mutating func performMail(_ path: ReversePath, _ parameters: MailParameters) -> SessionAction? {
        if let refusal = objection(to: path, parameters) {
            refuse(refusal)
            return nil
        }
        guard transactionCount < settings.limits.transactions else {
            sayLast(Replies.tooManyTransactions)
            return nil
        }
        // RFC 6409, 6.1: a user sends from an address that is theirs. Their own needs no question; any other may be an
        // alias, which the directory knows. The null path is everybody's: receipts are sent with it (RFC 8098, 3).
        if let identity, case .mailbox(let address) = path, !isOwn(address, of: identity) {
            phase = .checkingSender(path, parameters)
            return .checkSender(address.text, accountID: identity.accountID)
        }
        begin(path, parameters)
        return nil
    }

    /// The directory's answer about the reverse-path.
    mutating func senderChecked(_ outcome: Result<Bool, PeerRefusal>) {
        guard case .checkingSender(let path, let parameters) = phase else { return }
        phase = .commands
        switch outcome {
        case .success(true): begin(path, parameters)
        case .success(false): refuse(Replies.senderNotYours)
        case .failure(let refusal): say(Replies.peerFailure(refusal.failure))
        }
    }

    private mutating func begin(_ path: ReversePath, _ parameters: MailParameters) {
        transactionCount += 1
        idleCommandCount = 0
        let new = Transaction(reversePath: path, parameters: parameters)
        if parameters.transid != nil {
            phase = .findingCheckpoint(new, isAsked: false)
        } else {
            transaction = new
            say(Replies.senderOK)
        }
    }

    /// What there is of a transaction that the client named (RFC 1845, 3); nil makes it a new one.
    mutating func checkpointAnswered(_ checkpoint: Checkpoint?) {
        guard case .findingCheckpoint(var current, _) = phase else { return }
        phase = .commands
        if let checkpoint {
            current.resume(checkpoint)
            say(.restart(at: current.contentOctets))
        } else {
            say(Replies.senderOK)
        }
        transaction = current
    }

    /// Somebody still wants to hear that.
    var isFindingCheckpoint: Bool {
        if case .findingCheckpoint = phase { true } else { false }
    }

    private func objection(to path: ReversePath, _ parameters: MailParameters) -> Reply? {
        guard let greeting else { return Replies.greetFirst }
        if settings.kind.isSubmission {
            if tls == nil { return Replies.startTLSFirst }
            if identity == nil { return Replies.authenticateFirst }
        }
        if transaction != nil { return Replies.nestedMail }
        if !greeting.isExtended, parameters != MailParameters() { return Replies.parameterNotOffered }
        if parameters.asksForNotification { return Replies.parameterNotOffered }
        if parameters.transid != nil, !settings.offersCheckpoints { return Replies.parameterNotOffered }
        // RFC 4954, 5: who offers AUTH takes AUTH=; it is not trusted, and goes nowhere.
        if parameters.auth != nil, !settings.kind.isSubmission { return Replies.parameterNotOffered }
        if !path.isASCII, !parameters.smtputf8 { return Replies.senderNeedsSMTPUTF8 }
        if let size = parameters.size, size > settings.limits.messageOctets { return Replies.messageTooLarge }
        return nil
    }

    private func isOwn(_ address: MailAddress, of identity: Identity) -> Bool {
        address.text == identity.address || address.text.lowercased() == identity.address.lowercased()
    }
}

/// A peer's failure as an error.
struct PeerRefusal: Error, Sendable, Hashable {
    var failure: PeerFailure
}
