import Database

/// Removes the receipts that stand for nothing any more, in the order in which they were made: each pass begins where the
/// one before ended. Those whose client may not know of its reply stay behind for days, and there may be many: they are
/// gone through again only now and then.
struct ReceiptRemoval: Sendable {
    let pool: ConnectionPool
    /// How long one counts that was never settled.
    let age: Duration
    /// How long one counts that was settled.
    let memory: Duration
    /// There is none before this that the next pass has to look at.
    private var start = ReceiptRemoval.begin
    private var wholePassDue = ContinuousClock.now

    /// Receipts that go in one transaction.
    static let portion = 5_000
    private static let begin = Timestamp(microseconds: 0)
    private static let wholePassPause = Duration.seconds(30 * 60)

    init(pool: ConnectionPool, age: Duration, memory: Duration) {
        self.pool = pool
        self.age = age
        self.memory = memory
    }

    /// The receipts of a copy go together: once it was settled and no request can be on its way any more that began before;
    /// or, when it never was, once no client repeats any more. The ledger says so then. A receipt is settled soon after it
    /// was made or not for long, so that a minute is left for the next pass.
    private static let receipts = Statement(
        """
        WITH chosen AS MATERIALIZED (
            SELECT r.account_id, r.fingerprint, r.copy_id, r.created_at FROM mail.receipts r
            WHERE r.created_at >= $3 AND r.created_at < now() - make_interval(secs => $2)
                AND (r.settled_at < now() - make_interval(secs => $2)
                    OR r.created_at < now() - make_interval(secs => $1))
            ORDER BY r.created_at LIMIT \(portion)
        ), due AS (
            SELECT DISTINCT account_id, fingerprint, copy_id FROM chosen
        ), gone AS (
            DELETE FROM mail.receipts r USING due d
            WHERE r.account_id = d.account_id AND r.fingerprint = d.fingerprint AND r.copy_id = d.copy_id
            RETURNING r.transaction_id, r.copy_id, r.account_id, r.settled_at
        ), noted AS (
            INSERT INTO mail.ledger (transaction_id, event, account_id)
            SELECT copy_id, 6, nullif(account_id, 0) FROM gone
            GROUP BY copy_id, account_id HAVING bool_and(settled_at IS NULL)
        )
        SELECT count(*), max(created_at), now() - make_interval(secs => $2) - interval '1 minute' FROM chosen
        """)

    /// Removes what is due.
    mutating func removeDue() async throws {
        if wholePassDue <= .now {
            wholePassDue = .now + Self.wholePassPause
            start = Self.begin
        }
        while true {
            let rows = try await pool.run(
                Self.receipts(age.inSeconds, memory.inSeconds, start), deadline: .now + .seconds(30))
            guard let (count, last, end) = try rows.first?.decode(Int.self, Timestamp?.self, Timestamp.self) else {
                return
            }
            guard count == Self.portion, let last else {
                start = max(start, end)
                return
            }
            start = last
        }
    }
}
