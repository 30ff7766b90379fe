import Contracts
import Database
import Messaging
import Metrics
import NIOCore

/// Receipts whose clients are known to have read the reply: from then on an identical message is a new one.
///
/// A receipt is settled only by the connection that it stands for: once a repetition on another connection was
/// recognised, it is that connection's client that may not know.
struct Settlements: Sendable {
    let pool: ConnectionPool
    private let unknown = Counter(label: "martlet_storage_settlements_unknown_total")
    private let settled = Counter(label: "martlet_storage_settlements_total")

    /// Most receipts of one call.
    static let limit = 10_000

    init(pool: ConnectionPool) { self.pool = pool }

    private static let commitLazily = Statement("SELECT set_config('synchronous_commit', 'off', true)")
    private static let settle = Statement(
        """
        WITH done AS (
            UPDATE mail.receipts r SET settled_at = now()
            FROM unnest($1::bigint[], $2::bytea[], $3::uuid[], $4::uuid[])
                AS s (account_id, fingerprint, transaction_id, connection_id)
            WHERE r.account_id = s.account_id AND r.fingerprint = s.fingerprint
                AND r.transaction_id = s.transaction_id AND r.connection_id = s.connection_id
                AND r.settled_at IS NULL
            RETURNING r.transaction_id, r.account_id
        ), noted AS (
            INSERT INTO mail.ledger (transaction_id, event, account_id)
            SELECT DISTINCT transaction_id, 5, nullif(account_id, 0) FROM done
        )
        SELECT count(*) FROM done
        """)

    private struct Row {
        let accountID: Int64
        let fingerprint: [UInt8]
        let transaction: DatabaseUUID
        let connection: DatabaseUUID
    }

    func settle(_ request: SettleRequest, deadline: ContinuousClock.Instant) async throws -> SettleReply {
        var rows: [Row] = []
        for settlement in request.settlements {
            guard let connection = DatabaseUUID(octets: settlement.connectionID) else { continue }
            for receipt in settlement.receipts {
                guard let transaction = DatabaseUUID(octets: receipt.transactionID) else { continue }
                for fingerprint in receipt.fingerprints {
                    rows.append(
                        Row(
                            accountID: receipt.accountID, fingerprint: Array(fingerprint), transaction: transaction,
                            connection: connection))
                }
            }
        }
        guard rows.count <= Self.limit else {
            throw MessagingError(.malformed, "at most \(Self.limit) receipts are settled at once")
        }
        // Always in the same order, so that no two settlements wait for each other.
        rows.sort {
            $0.accountID != $1.accountID
                ? $0.accountID < $1.accountID : $0.fingerprint.lexicographicallyPrecedes($1.fingerprint)
        }
        // The settlements are told once, so they must be on disk before that is confirmed. The progress alone is told
        // again and again: what a crash of the database undoes of it makes others wait a little longer.
        var commands = [
            rows.isEmpty
                ? Self.commitLazily()
                : Self.settle(
                    rows.map { $0.accountID }, rows.map { ByteBuffer(bytes: $0.fingerprint) },
                    rows.map { $0.transaction }, rows.map { $0.connection })
        ]
        if request.hasProgress { commands.append(Settlers.note(request.progress)) }
        let results: [Rows]
        do {
            results = try await pool.run(commands, deadline: deadline)
        } catch let error as DatabaseError where error.code == .checkViolation {
            try await pool.run(LedgerPartitions.make(), deadline: deadline)
            results = try await pool.run(commands, deadline: deadline)
        }
        let count = rows.isEmpty ? 0 : try results[0].first?.decode(0, as: Int64.self) ?? 0
        settled.increment(by: count)
        unknown.increment(by: Int64(rows.count) - count)
        return SettleReply.with {
            $0.settled = count
            $0.unknown = Int64(rows.count) - count
        }
    }
}
