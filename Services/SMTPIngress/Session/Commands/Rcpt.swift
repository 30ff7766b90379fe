import Contracts
import SMTPSyntax

/// RCPT (RFC 5321, 4.1.1.3). Those that arrive together are asked about together.
extension SessionMachine {
    /// Nothing speaks against this recipient but what the directory may say.
    func canAsk(_ path: ForwardPath, _ parameters: RcptParameters) -> Bool {
        objection(to: path, parameters) == nil
    }

    mutating func refuseRcpt(_ path: ForwardPath, _ parameters: RcptParameters) {
        guard let objection = objection(to: path, parameters) else { return }
        if objection == Replies.recipientsStand, isRecipient(path) {
            say(Replies.recipientOK)
        } else if objection.isTransient {
            // RFC 5321, 4.5.3.1.10: this is no fault; the client sends to the rest in another transaction.
            say(objection)
        } else {
            refuse(objection)
        }
    }

    private func isRecipient(_ path: ForwardPath) -> Bool {
        transaction?.recipients.contains { $0.forwardPath == address(path) } ?? false
    }

    private func objection(to path: ForwardPath, _ parameters: RcptParameters) -> Reply? {
        guard let transaction else { return greeting == nil ? Replies.greetFirst : Replies.mailFirst }
        if transaction.usesChunks { return Replies.dataAfterBDAT }
        // RFC 1845, 3: behind 355 comes content. A client that pipelined RCPT hears that those which stand do stand; no
        // other is added to a message that may be delivered already.
        if transaction.isResumed { return Replies.recipientsStand }
        if parameters.asksForNotification { return Replies.parameterNotOffered }
        if !path.isASCII, !transaction.parameters.smtputf8 { return Replies.recipientNeedsSMTPUTF8 }
        if transaction.recipients.count + asked.count >= settings.limits.recipients {
            return Replies.tooManyRecipients
        }
        return nil
    }

    mutating func askDirectory() -> SessionAction {
        phase = .resolving
        return .resolve(asked.map(address))
    }

    /// The directory's answer, one resolution for each address that was asked.
    mutating func resolved(_ outcome: Result<[ResolveReply.Resolution], PeerRefusal>) {
        guard case .resolving = phase else { return }
        phase = .commands
        let paths = asked
        asked = []
        switch outcome {
        case .success(let resolutions) where resolutions.count == paths.count:
            for (path, resolution) in zip(paths, resolutions) {
                resolved(path, resolution)
                // The limit of errors was reached on the way.
                if case .closing = phase { return }
            }
        case .success:
            for _ in paths { say(Replies.peerUnavailable) }
        case .failure(let refusal):
            for _ in paths { say(Replies.peerFailure(refusal.failure)) }
        }
    }

    private mutating func resolved(_ path: ForwardPath, _ resolution: ResolveReply.Resolution) {
        switch resolution.outcome {
        case .accepted where !resolution.targets.isEmpty:
            accept(path, resolution.targets)
        case .notLocal where settings.kind.isSubmission:
            var target = Target()
            target.remoteAddress = path.text
            target.address = path.text
            accept(path, [target])
        case .notLocal: refuse(Replies.relayingDenied)
        case .unknownAddress, .accepted: refuse(Replies.unknownRecipient)
        case .disabled: refuse(Replies.recipientDisabled)
        case .overQuota: say(Replies.recipientOverQuota)
        case .unspecified, .UNRECOGNIZED: say(Replies.peerUnavailable)
        }
    }

    private mutating func accept(_ path: ForwardPath, _ targets: [Target]) {
        let recipient = Transaction.Recipient(forwardPath: address(path), targets: targets)
        transaction?.recipients.append(recipient)
        say(Replies.recipientOK)
    }

    private func address(_ path: ForwardPath) -> String {
        switch path {
        case .postmaster: settings.postmaster
        case .mailbox(let address): address.text
        }
    }
}
