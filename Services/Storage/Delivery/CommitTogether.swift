import Contracts
import Database
import Logging
import Messaging

/// Commits several messages all or none (RFC 3502), messages and the removal of the one whose place they take (RFC 8508),
/// or what somebody puts into a mailbox that is not his own (RFC 4314).
///
/// They have a transaction of their own, outside the batches of `GroupCommit`: what one of them meets undoes the others,
/// and must undo nobody else's. `mail.commit_dispositions` does what it does for a batch, receipts included, and says what
/// came of each; when one could not be done the transaction is rolled back, and it is as if it had never been.
///
/// It happens once, as any commit does: each message's receipt is written in the same transaction, and its fingerprint
/// stands for the whole of them, so that a repetition finds receipts of all of them or of none. Of a transaction whose end
/// is unknown, because the connection died, the receipts tell. Should only some receipts be settled (a front service that
/// has too many forgets some), the client has read the one reply that they all stand for: then nothing is a repetition.
///
/// What goes goes first, so that the quota judges what is left and what comes. When it is not there, it is a repetition
/// that comes: the first one took it; or there is nothing to take the place of, and nothing is stored.
struct CommitTogether: Sendable {
    let pool: ConnectionPool
    let settlers: Settlers
    let settlementGrace: Duration
    let logger: Logger
    let announce: @Sendable (MailboxChanged) -> Void

    /// Waits until all messages are durable, or it is known that none is. As `GroupCommit.commit`, it waits before what may
    /// be a repetition counts as one.
    func commit(
        _ commits: [PreparedCommit], removing removal: PreparedRemoval? = nil, deadline: ContinuousClock.Instant
    ) async throws -> CommitReply {
        let first = try await carryOut(commits, removal, deadline)
        guard first.isInDoubt else { return first.reply }
        guard let received = commits.first?.origin.received else { return first.reply }
        try await Task.sleep(for: settlementGrace)
        try await settlers.allTold(of: received.advanced(by: settlementGrace), deadline: deadline)
        var again = commits
        for index in again.indices { again[index].absorbsRepetitions = true }
        let second = try await carryOut(again, removal, deadline)
        guard second.isInDoubt else { return second.reply }
        // In part a repetition: as if no connection had brought them, they repeat nothing.
        for index in again.indices { again[index].origin.connection = nil }
        return try await carryOut(again, removal, deadline).reply
    }

    /// Tries until the outcome is known, or nobody waits for it any more.
    private func carryOut(
        _ commits: [PreparedCommit], _ removal: PreparedRemoval?, _ deadline: ContinuousClock.Instant
    ) async throws -> CommitBatch.Outcome {
        var conflicts = 0
        var wasLost = false
        var hasMadePartitions = false
        while true {
            do {
                return try await transact(commits, removal, deadline)
            } catch let error as DatabaseError where error.isUnavailable {
                guard wasLost || error.code != .cannotConnect, ContinuousClock.now < deadline else { throw error }
                if wasLost {
                    try await Task.sleep(for: .milliseconds(100))
                } else {
                    logger.notice("connection lost in a commit, running it again", metadata: ["reason": "\(error)"])
                }
                wasLost = true
            } catch let error as DatabaseError where error.fault == .concurrency && conflicts < 3 {
                conflicts += 1
            } catch let error as DatabaseError where error.code == .checkViolation && !hasMadePartitions {
                // As in `GroupCommit`: the ledger has no partition for today.
                hasMadePartitions = true
                try await pool.run(LedgerPartitions.make(), deadline: deadline)
            }
        }
    }

    private func transact(
        _ commits: [PreparedCommit], _ removal: PreparedRemoval?, _ deadline: ContinuousClock.Instant
    ) async throws -> CommitBatch.Outcome {
        do {
            let (outcome, changes) = try await pool.withConnection(deadline: deadline) { connection in
                try await connection.transaction { connection -> (CommitBatch.Outcome, [MailboxChanged]) in
                    guard try Self.isPermitted(commits, removal, on: connection) else {
                        throw Undone(outcome: CommitBatch.Outcome(noSuchMailboxFor: commits))
                    }
                    var removed: PreparedRemoval.Outcome?
                    if let removal, let commit = commits.first {
                        removed = try removal.run(for: commit, on: connection)
                    }
                    var identifiers = ContentIdentifiers()
                    let taken = try identifiers.take(commits.count { $0.content != nil }, on: connection)
                    let batch = CommitBatch(commits, contentIDs: taken)
                    var results: [Rows] = []
                    for command in batch.commands { results.append(try connection.run(command)) }
                    let (outcomes, stored) = try batch.outcomes(results)
                    var changes = stored
                    let outcome = CommitBatch.Outcome(together: outcomes)
                    guard outcome.isComplete, !outcome.isPartlyRepetition(of: commits) else {
                        throw Undone(outcome: outcome.undone())
                    }
                    switch (removed, removal) {
                    case (.removed(let modseq)?, let removal?):
                        let key = MailboxKey(accountID: removal.accountID, mailboxID: removal.mailboxID)
                        changes.insert(MailboxChanged(key, modseq: modseq), at: 0)
                    case (.noSuchMessage?, _) where !outcome.isRepetition(of: commits):
                        throw Undone(outcome: outcome.withoutMessageToReplace())
                    case (.noSuchMessage?, _), (.nothingToDo?, _), (.removed?, nil), (nil, _): break
                    }
                    return (outcome, changes)
                }
            }
            for change in changes { announce(change) }
            return outcome
        } catch let undone as Undone {
            // The transaction took its words in the ledger with it. Without them nothing but the trace is poorer.
            if !undone.outcome.isInDoubt {
                _ = try? await pool.run(Self.refusals(commits, undone.outcome.reply), deadline: deadline)
            }
            return undone.outcome
        }
    }

    private static let mailbox = Statement(
        "SELECT mailbox_id FROM mail.mailboxes WHERE account_id = $1 AND name = $2 AND selectable")

    /// Whether users may do this in mailboxes that are not their own: judged under the locks of all accounts, which are
    /// taken in the order of their ids.
    private static func isPermitted(
        _ commits: [PreparedCommit], _ removal: PreparedRemoval?, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Bool {
        let dispositions = commits.flatMap(\.dispositions)
        let guests = dispositions.filter { $0.userID != 0 }
        guard !guests.isEmpty || removal?.userID ?? 0 != 0 else { return true }
        var accounts = Set(dispositions.map(\.accountID).filter { $0 != 0 })
        if let removal { accounts.insert(removal.accountID) }
        for account in accounts.sorted() { _ = try AccountUse(locking: account, on: connection) }
        for guest in guests {
            guard let name = guest.mailbox, let row = try connection.run(mailbox(guest.accountID, name)).first,
                try RightsRows.refusal(
                    of: .insert, to: guest.userID, accountID: guest.accountID,
                    mailboxID: row.decode(0, as: Int64.self), on: connection) == nil
            else { return false }
        }
        guard let removal else { return true }
        return try RightsRows.refusal(
            of: [.deleteMessages, .expunge], to: removal.userID, accountID: removal.accountID,
            mailboxID: removal.mailboxID, on: connection) == nil
    }

    private static let refuse = Statement(
        """
        INSERT INTO mail.ledger (
            transaction_id, event, disposition, account_id, outcome, octets, door, client, identity, reverse_path,
            forward_path, message_id)
        SELECT $1, 4, d.disposition, d.account_id, d.outcome, d.octets, $2, $3, $4, '', d.forward_path, d.message_id
        FROM unnest($5::smallint[], $6::bigint[], $7::smallint[], $8::bigint[], $9::text[], $10::text[])
            AS d (disposition, account_id, outcome, octets, forward_path, message_id)
        """)

    private static func refusals(_ commits: [PreparedCommit], _ reply: CommitReply) -> Command {
        let all = commits.flatMap { commit in commit.dispositions.map { (commit, $0) } }
        let origin = commits.first?.origin
        var parameters = Parameters()
        parameters.append(commits.first?.transaction)
        parameters.append(origin?.entrance ?? 0)
        parameters.append(origin?.clientAddress ?? "")
        parameters.append(origin?.identity)
        parameters.append(all.indices.map { Int16(clamping: $0) })
        parameters.append(all.map { $0.1.accountID })
        parameters.append(reply.results.map { Int16(clamping: $0.outcome.rawValue) })
        parameters.append(all.map { $0.0.size })
        parameters.append(all.map { $0.1.forwardPath })
        parameters.append(all.map { $0.0.messageID })
        return refuse.with(parameters)
    }

    /// What rolls the transaction back.
    private struct Undone: Error {
        let outcome: CommitBatch.Outcome
    }
}

extension CommitBatch.Outcome {
    /// Of several messages, one behind the other.
    fileprivate init(together outcomes: [Self]) {
        self.init(
            reply: .with { $0.results = outcomes.flatMap(\.reply.results) },
            isInDoubt: outcomes.contains(where: \.isInDoubt))
    }

    fileprivate init(noSuchMailboxFor commits: [PreparedCommit]) {
        let results = commits.flatMap(\.dispositions).map { _ in
            CommitReply.Result.with { $0.outcome = .noSuchMailbox }
        }
        self.init(reply: .with { $0.results = results })
    }

    fileprivate var isComplete: Bool { !isInDoubt && reply.results.allSatisfy { $0.outcome == .done } }

    /// Whether another transaction has stored these messages.
    fileprivate func isRepetition(of commits: [PreparedCommit]) -> Bool { repetitions(of: commits) > 0 }

    fileprivate func isPartlyRepetition(of commits: [PreparedCommit]) -> Bool {
        let repetitions = repetitions(of: commits)
        return repetitions > 0 && repetitions < reply.results.count
    }

    private func repetitions(of commits: [PreparedCommit]) -> Int {
        guard let own = commits.first?.transaction.octets else { return 0 }
        return reply.results.count { !$0.copyID.elementsEqual(own) }
    }

    fileprivate func withoutMessageToReplace() -> Self {
        var undone = self
        undone.reply.results = reply.results.map { _ in .with { $0.outcome = .noSuchMessage } }
        return undone
    }

    /// What is said of it when nothing was done: why, at those that could not be.
    fileprivate func undone() -> Self {
        var undone = self
        // All could be done, but not as what they are: see `commit`.
        undone.isInDoubt = isInDoubt || isComplete
        undone.reply.results = reply.results.map { result in
            result.outcome == .done ? .with { $0.outcome = .notAttempted } : result
        }
        return undone
    }
}
