import Contracts
import IMAPSyntax
import Messaging
import NIOCore

extension Session {
    /// Runs one command to its tagged response.
    func execute(_ tagged: TaggedCommand) async throws {
        switch machine.commandArrived(tagged.command) {
        case .refuse(let status):
            printer.tagged(tagged.tag, status)
            SessionMetrics.count(tagged.command.name, status.condition)
            if status.condition == .bad { try accept(machine.badCommandArrived()) }
        case .run:
            let progress = tellProgress(of: tagged)
            defer { progress?.cancel() }
            try await complete(tagged.tag, tagged.command.name) { session in
                if tagged.command.needsReview { try await session.reviewSelected() }
                return try await session.perform(tagged.command, tag: tagged.tag)
            }
        }
    }

    /// Runs `work` as the command in hand and answers with what comes of it: an error that is not the session's end is
    /// a NO, and the session goes on.
    func complete(
        _ tag: String, _ name: String, as transaction: TransactionID = .next(),
        _ work: (isolated Session) async throws -> CommandOutcome
    ) async throws {
        self.transaction = transaction
        if let selected, selected.isForeign { self.selected?.isReviewed = false }
        let begun = NIODeadline.now()
        var outcome: CommandOutcome
        do {
            outcome = try await work(self)
        } catch let end as SessionEnd {
            throw end
        } catch {
            if !channel.isActive { throw SessionEnd.clientGone }
            let refusal = Refusal(error)
            if !(error is Refusal) {
                logger.warning(
                    "command failed",
                    metadata: ["transaction": "\(transaction)", "command": "\(name)", "error": "\(error)"])
            }
            outcome = .answer(refusal.status, .withoutExpunge)
        }
        if case .answer(let status, let synchronisation) = outcome {
            try await synchronise(synchronisation)
            try await tellContexts()
            reportExpungesHeldBack()
            printer.tagged(tag, status)
            SessionMetrics.count(name, status.condition)
            logger.debug(
                "command",
                metadata: [
                    "transaction": "\(transaction)", "command": "\(name)", "status": "\(status.condition.rawValue)",
                    "microseconds": "\((NIODeadline.now() - begun).nanoseconds / 1000)",
                ])
        }
        machine.commandFinished()
        if let farewell { throw SessionEnd.bye(farewell) }
        try await breathe()
    }

    private func perform(_ command: Command, tag: String) async throws -> CommandOutcome {
        switch command {
        case .capability: await capability()
        case .noop: try await noop()
        case .logout: logout(tag)
        case .id(let parameters): identify(parameters)
        case .startTLS: try await startTLS(tag)
        case .authenticate(let arguments): try await authenticate(arguments)
        case .login(let arguments): try await login(arguments)
        case .enable(let capabilities): enable(capabilities)
        case .compress(let mechanism): try compress(mechanism, tag)
        case .unauthenticate: try await unauthenticate(tag)
        case .select(let arguments): try await select(arguments, readOnly: false)
        case .examine(let arguments): try await select(arguments, readOnly: true)
        case .create(let arguments): try await create(arguments)
        case .delete(let name): try await delete(name)
        case .rename(let from, let to): try await rename(from, to)
        case .subscribe(let name): try await subscribe(name, true)
        case .unsubscribe(let name): try await subscribe(name, false)
        case .list(let arguments): try await list(arguments)
        case .lsub(let reference, let pattern): try await listSubscribed(reference, pattern)
        case .namespace: namespace()
        case .status(let arguments): try await status(arguments)
        case .idle: try await idle()
        case .notify(let command): try await notify(command)
        case .getQuota(let root): try await quota(root)
        case .getQuotaRoot(let name): try await quotaRoot(name)
        case .setQuota(let arguments): try setQuota(arguments)
        case .getMetadata(let arguments): try await getMetadata(arguments)
        case .setMetadata(let arguments): try await setMetadata(arguments)
        case .setACL(let arguments): try await setAccessControl(arguments)
        case .deleteACL(let subject): try await deleteAccessControl(subject)
        case .getACL(let name): try await accessControl(of: name)
        case .listRights(let subject): try await listRights(subject)
        case .myRights(let name): try await myRights(name)
        case .eSearch(let arguments): try await searchMailboxes(arguments, tag: tag)
        case .cancelUpdate(let tags): try cancelUpdate(tags)
        case .resetKey(let arguments): try await resetKeys(arguments)
        case .generateURLAuthorization(let requests): try await authorize(requests)
        case .urlFetch(let urls): try await fetchURLs(urls)
        case .check: try await noop("CHECK completed")
        case .close: try await closeMailbox()
        case .unselect: unselectMailbox()
        case .expunge: try await expunge(nil)
        case .uidExpunge(let messages): try await expunge(messages)
        case .search(let arguments): try await search(arguments, tag: tag)
        case .sort(let arguments): try await sort(arguments, tag: tag)
        case .thread(let arguments): try await thread(arguments)
        case .uidBatches(let arguments): try await uidBatches(arguments, tag: tag)
        case .fetch(let arguments): try await fetch(arguments)
        case .store(let arguments): try await store(arguments)
        case .copy(let arguments): try await copy(arguments, move: false)
        case .move(let arguments): try await copy(arguments, move: true)
        }
    }

    /// What accompanies a call to a peer on behalf of the command in hand.
    func callContext(changing: Bool = false) -> CallContext {
        CallContext(
            transaction: transaction, timeout: limits.peerTimeout,
            idempotencyKey: changing ? TransactionID.next() : nil)
    }

    /// The account that is logged in.
    func accountID() throws -> Int64 {
        guard let identity = machine.identity else { throw Refusal(.bad, nil, "Log in first") }
        return identity.accountID
    }
}

extension Command {
    /// Whether the selected mailbox matters to it, were it only that its changes are told with the answer: those that leave
    /// the mailbox need no right for that.
    fileprivate var needsReview: Bool {
        switch self {
        case .logout, .select, .examine, .unselect, .unauthenticate: false
        default: true
        }
    }
}
