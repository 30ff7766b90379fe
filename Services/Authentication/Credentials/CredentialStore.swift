import Contracts
import Database
import Messaging
import SASL

/// What is kept of an account.
struct Credential: Sendable {
    var accountID: Int64
    var address: String
    var verifier: ScramVerifier
}

/// The table of credentials.
struct CredentialStore: Sendable {
    private static let find = Statement(
        "SELECT account_id, address, verifier FROM authentication.credentials WHERE address = $1")
    private static let vacate = Statement(
        "DELETE FROM authentication.credentials WHERE address = $1 AND account_id <> $2")
    private static let set = Statement(
        """
        INSERT INTO authentication.credentials AS old (account_id, address, verifier) VALUES ($1, $2, $3)
        ON CONFLICT (account_id) DO UPDATE
        SET address = excluded.address, verifier = excluded.verifier, changed_at = now()
        RETURNING old.xmax <> 0
        """)
    private static let remove = Statement("DELETE FROM authentication.credentials WHERE account_id = $1")
    private static let list = Statement(
        "SELECT account_id FROM authentication.credentials WHERE account_id = ANY($1) ORDER BY account_id")

    let pool: ConnectionPool

    /// The credential of a login name, in one round trip with what the throttle asks.
    func find(_ name: String, with question: Command, deadline: ContinuousClock.Instant) async throws -> (
        credential: Credential?, answer: Rows
    ) {
        let rows = try await pool.run([Self.find(name), question], deadline: deadline)
        guard let (id, address, text) = try rows[0].first?.decode(Int64.self, String.self, String.self),
            let verifier = ScramVerifier(text)
        else { return (nil, rows[1]) }
        return (Credential(accountID: id, address: address, verifier: verifier), rows[1])
    }

    /// - Returns: whether there was one before.
    func set(_ credential: Credential, deadline: ContinuousClock.Instant) async throws -> Bool {
        let rows = try await pool.run(
            [
                // An account that had the address before is gone from the directory.
                Self.vacate(credential.address, credential.accountID),
                Self.set(credential.accountID, credential.address, credential.verifier.description),
            ], deadline: deadline)
        return try rows[1].first?.decode(0, as: Bool.self) ?? false
    }

    func remove(_ accountID: Int64, deadline: ContinuousClock.Instant) async throws -> Bool {
        try await pool.run(Self.remove(accountID), deadline: deadline).affected > 0
    }

    func list(among accountIDs: [Int64], deadline: ContinuousClock.Instant) async throws -> [Int64] {
        try await pool.run(Self.list(accountIDs), deadline: deadline).map { try $0.decode(0, as: Int64.self) }
    }
}

extension MessagingError {
    /// What a caller learns of a failure of the database.
    init(_ error: DatabaseError) {
        switch error.code {
        case .poolExhausted: self.init(.overloaded, "authentication is busy")
        case _ where error.isUnavailable || error.isRetryable:
            self.init(.unavailable, "the database is not available: \(error.code)")
        default: self.init(.failed, "the database refuses: \(error.code)")
        }
    }
}

/// Runs `body` and turns a failure of the database into one that callers know.
func answering<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as DatabaseError {
        throw MessagingError(error)
    }
}
