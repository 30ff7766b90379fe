import Database
import Logging

/// Removes in the background what nobody needs any more: contents without a reference after a grace time, receipts after
/// the longest time for which anyone repeats, old entries of the log of flag changes, old partitions of the ledger; and
/// makes the ledger's next ones. In small portions, so that no lock is held long; several replicas share the work without
/// meeting.
struct Upkeep: Sendable {
    let pool: ConnectionPool
    let grace: Duration
    let receiptAge: Duration
    let receiptMemory: Duration
    let ledgerDays: Int
    let logger: Logger

    /// Contents looked at in one transaction, and about so many when they were released together.
    static let portion = 500
    private static let batches = 3
    /// Entries of the log of flag changes that go in one transaction.
    private static let entries = 5_000

    /// Whoever copies a message finds it in a mailbox, so that a content without any reference gets none again; the
    /// grace time covers commits that are under way.
    private static let contents = Statement(
        removal(
            """
            DELETE FROM mail.released_contents r
            WHERE r.content_id IN (
                SELECT content_id FROM mail.released_contents
                WHERE released_at <= now() - make_interval(secs => $1) ORDER BY released_at
                LIMIT \(portion) FOR UPDATE SKIP LOCKED)
            RETURNING ARRAY[r.content_id] AS content_ids
            """))
    private static let contentsTogether = Statement(
        removal(
            """
            DELETE FROM mail.released_batches r
            WHERE (r.released_at, r.batch_id) IN (
                SELECT released_at, batch_id FROM mail.released_batches
                WHERE released_at <= now() - make_interval(secs => $1) ORDER BY released_at, batch_id
                LIMIT \(batches) FOR UPDATE SKIP LOCKED)
            RETURNING r.content_ids
            """))

    private static func removal(_ due: String) -> String {
        """
        WITH rows AS (
            \(due)
        ), due AS MATERIALIZED (
            SELECT DISTINCT unnest(content_ids) AS content_id FROM rows
        ), unused AS MATERIALIZED (
            SELECT d.content_id FROM due d
            WHERE NOT EXISTS (SELECT FROM mail.messages m WHERE m.content_id = d.content_id)
                AND NOT EXISTS (SELECT FROM queue.entries e WHERE e.content_id = d.content_id)
        ), pieces AS (
            DELETE FROM mail.content_chunks k USING unused u WHERE k.content_id = u.content_id
        ), removed AS (
            DELETE FROM mail.contents c USING unused u WHERE c.content_id = u.content_id RETURNING c.content_id
        )
        SELECT (SELECT count(*) FROM rows), (SELECT count(*) FROM removed)
        """
    }
    /// What another replica removes just now, or whoever changes flags, is left to them.
    private static let flagChanges = Statement(
        """
        WITH gone AS (
            DELETE FROM mail.flag_changes f
            WHERE (f.account_id, f.mailbox_id, f.modseq) IN (
                SELECT account_id, mailbox_id, modseq FROM mail.flag_changes
                WHERE changed_at < now() - make_interval(secs => $1) ORDER BY changed_at
                LIMIT \(entries) FOR UPDATE SKIP LOCKED)
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """)
    /// Places that nobody takes any more.
    private static let settlers = Statement(
        "DELETE FROM mail.settlers WHERE reported_at < now() - interval '1 day'")
    private static let callReceipts = Statement(
        "DELETE FROM mail.call_receipts WHERE created_at < now() - make_interval(secs => $1)")

    /// Removes all that is due; returns how many contents went.
    @discardableResult
    func removeDue() async throws -> Int {
        var receipts = ReceiptRemoval(pool: pool, age: receiptAge, memory: receiptMemory)
        return try await removeDue(&receipts)
    }

    private func removeDue(_ receipts: inout ReceiptRemoval) async throws -> Int {
        var total = 0
        for (statement, portion) in [(Self.contents, Self.portion), (Self.contentsTogether, Self.batches)] {
            while true {
                let rows = try await pool.run(statement(grace.inSeconds), deadline: .now + .seconds(30))
                guard let (due, removed) = try rows.first?.decode(Int.self, Int.self) else { break }
                total += removed
                if due < portion { break }
            }
        }
        while let gone = try await pool.run(
            Self.flagChanges(FlagChangeLog.age.inSeconds), deadline: .now + .seconds(30)
        ).first?.decode(0, as: Int.self), gone == Self.entries {}
        try await pool.run(LedgerPartitions.make(), deadline: .now + .seconds(30))
        try await pool.run(LedgerPartitions.drop(keeping: ledgerDays), deadline: .now + .seconds(30))
        try await receipts.removeDue()
        try await pool.run(Self.settlers(), deadline: .now + .seconds(30))
        try await pool.run(Self.callReceipts(receiptAge.inSeconds), deadline: .now + .seconds(30))
        return total
    }

    /// Goes on until the task is cancelled.
    func run(every pause: Duration) async {
        var receipts = ReceiptRemoval(pool: pool, age: receiptAge, memory: receiptMemory)
        while (try? await Task.sleep(for: pause)) != nil {
            do {
                let removed = try await removeDue(&receipts)
                if removed > 0 { logger.debug("removed contents", metadata: ["count": "\(removed)"]) }
            } catch let error as DatabaseError where error.isUnavailable || error.code == .poolExhausted {
                // The pool says so by itself; there is no hurry here.
            } catch {
                logger.warning("contents not removed", metadata: ["reason": "\(error)"])
            }
        }
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
