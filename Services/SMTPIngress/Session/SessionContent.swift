import Messaging
import NIOCore
import SMTPSyntax

/// The content of the transaction in hand: into the spool, on to content processing, or kept for a client that was lost.
extension SessionHandler {
    // MARK: Spool

    func keep(_ content: ByteBuffer) {
        if let spool { return spool.append(content) }
        let spool = MessageSpool(
            area: environment.spool, memoryOctets: environment.settings.limits.memoryOctets,
            marksLines: machine.transaction?.marksLines == true, eventLoop: channel.eventLoop)
        adopt(spool)
        spool.append(content)
    }

    private func adopt(_ spool: MessageSpool) {
        // A write that is under way keeps the session, even when nobody wants the message any more.
        spool.onWriting = { self.openWrites += 1 }
        spool.onWritten = { [weak spool] in
            self.openWrites -= 1
            if let spool { self.spoolWritten(spool) }
            self.leaveWhenDone()
        }
        self.spool = spool
    }

    private func spoolWritten(_ spool: MessageSpool) {
        if let suspending, suspending.spool === spool {
            self.suspending = nil
            suspend(suspending.transaction, spool)
        }
        guard self.spool === spool else { return }
        if let failure = spool.failure {
            environment.logger.error("a message could not be spooled", metadata: ["error": "\(failure)"])
            if finishing == nil { machine.contentLost() }
        } else if finishing != nil {
            spool.flush()
        }
        handOverWhenWritten()
        pump()
    }

    func handOverWhenWritten() {
        guard let transaction = finishing, spool?.isWriting != true else { return }
        finishing = nil
        let spool =
            self.spool ?? MessageSpool(area: environment.spool, memoryOctets: 0, eventLoop: channel.eventLoop)
        self.spool = nil
        guard spool.failure == nil else { return machine.notAccepted(Replies.spoolFull) }
        handOver(transaction, spool)
    }

    // MARK: Checkpoints (RFC 1845)

    /// What MAIL said, and how it came.
    private func envelope(of transaction: Transaction) -> CheckpointEnvelope {
        CheckpointEnvelope(
            reversePath: transaction.reversePath, parameters: transaction.parameters, isEncrypted: machine.tls != nil)
    }

    func findCheckpoint(_ transaction: Transaction) {
        // What this session had in hand is over, or there could be no other.
        letGo()
        guard let key = machine.checkpointKey(of: transaction, client: client) else {
            return machine.checkpointAnswered(nil)
        }
        guard let elsewhere = environment.checkpoints.open(envelope(of: transaction), for: key) else {
            return goOn(with: transaction, key)
        }
        call {
            await elsewhere.demand()
        } then: { handler, _ in
            // Unless the client was lost once more: then what is there is left for the next time.
            if handler.machine.isFindingCheckpoint { handler.goOn(with: transaction, key) }
        }
    }

    private func goOn(with transaction: Transaction, _ key: CheckpointKey) {
        let envelope = envelope(of: transaction)
        let new = OpenTransaction(on: channel)
        environment.checkpoints.began(new, of: envelope, for: key)
        open = (key, new)
        guard
            let checkpoint = environment.checkpoints.resume(envelope, for: key, on: knowledge.connection)
        else { return machine.checkpointAnswered(nil) }
        if case .content(let interrupted) = checkpoint, interrupted.content.octets > 0 {
            adopt(
                MessageSpool(
                    resuming: interrupted.content, area: environment.spool,
                    memoryOctets: environment.settings.limits.memoryOctets, marksLines: transaction.marksLines,
                    eventLoop: channel.eventLoop))
        }
        environment.metrics.resumedTransactions.increment()
        environment.logger.info(
            "transaction resumed",
            metadata: [
                "transaction": "\(transaction.id)", "earlier": "\(checkpoint.id)", "transid": "\(key.transid)",
                "client": "\(client.address)",
            ])
        machine.checkpointAnswered(checkpoint)
    }

    /// The client is here again, over another connection. What has not come as far as its content has nothing to go on with.
    func demanded(_ transaction: OpenTransaction) {
        guard open?.transaction === transaction else { return transaction.release() }
        // On its way out already: it lets go when the last write is done.
        guard !isClosing else { return }
        machine.demanded()
        if case .closing = machine.phase { pump() } else { letGo() }
    }

    /// Whoever waits for the transaction finds now what there is of it.
    private func letGo() {
        guard let (key, transaction) = open else { return }
        open = nil
        environment.checkpoints.ended(transaction, for: key)
        transaction.release()
    }

    /// The client is lost, or we end the session: what came of a transaction that it named is kept, of any other nothing.
    func keepInterrupted() {
        let interrupted = machine.takeInterrupted() ?? finishing.flatMap { $0.parameters.transid == nil ? nil : $0 }
        finishing = nil
        let spool = spool
        self.spool = nil
        guard let interrupted else {
            if suspending == nil { letGo() }
            return
        }
        if let spool, spool.isWriting {
            suspending = (interrupted, spool)
        } else {
            suspend(interrupted, spool)
        }
    }

    private func suspend(_ transaction: Transaction, _ spool: MessageSpool?) {
        defer { letGo() }
        guard let key = machine.checkpointKey(of: transaction, client: client) else { return }
        let content: SpooledContent
        if let spool {
            guard let suspended = spool.suspend() else { return }
            content = suspended
        } else {
            content = .empty
        }
        environment.checkpoints.keep(
            .content(
                InterruptedTransaction(id: transaction.id, recipients: transaction.recipients, content: content)),
            of: envelope(of: transaction), for: key)
        environment.metrics.interruptedTransactions.increment()
    }

    /// A transaction that its client named is handed over: from now on its outcome is what the client may come again for.
    func keepOutcome(of transaction: Transaction, octets: Int) -> HandedOverTransaction? {
        guard let key = machine.checkpointKey(of: transaction, client: client) else { return nil }
        let handedOver = HandedOverTransaction(
            transaction, octets: octets, key: key, connection: knowledge.connection)
        environment.checkpoints.keep(.handedOver(handedOver), of: envelope(of: transaction), for: key)
        letGo()
        return handedOver
    }

    /// Its reply is on its way. Whether it is read, a later prompt or the end of the connection tells.
    func replied(_ transaction: HandedOverTransaction) {
        unheard.append((knowledge.replies, transaction))
        // Of those that are more than are kept there is nothing left to forget.
        if unheard.count > environment.settings.limits.checkpoints.countPerAddress { unheard.removeFirst() }
    }

    /// The client knows what became of these, and will not come again for them.
    func forgetHeard() {
        while let first = unheard.first, first.number <= knowledge.knownReplies {
            unheard.removeFirst()
            environment.checkpoints.forget(first.transaction)
        }
    }
}

extension Transaction {
    /// What came may be cut back to whole lines. Binary content has none that mean anything; it comes by BDAT, which goes on
    /// anywhere.
    fileprivate var marksLines: Bool { parameters.transid != nil && parameters.body != .binaryMIME }
}
