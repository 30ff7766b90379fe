import Database
import Logging

/// Counts failures in PostgreSQL, so that all replicas know of them.
struct Throttle: Sendable {
    private static let check = Statement(
        """
        SELECT count(*) FROM authentication.failures AS f
        JOIN unnest($1::text[], $2::double precision[]) AS b (subject, size) USING (subject)
        WHERE f.level - extract(epoch FROM clock_timestamp() - f.updated_at)::double precision * f.rate > b.size - 1
        """)
    // In the order of the subjects, so that two that fail at once cannot wait for each other.
    private static let add = Statement(
        """
        INSERT INTO authentication.failures AS f (subject, level, rate)
        SELECT subject, 1, rate FROM unnest($1::text[], $2::double precision[]) AS b (subject, rate) ORDER BY subject
        ON CONFLICT (subject) DO UPDATE SET
            level = greatest(0, f.level
                - extract(epoch FROM clock_timestamp() - f.updated_at)::double precision * f.rate) + 1,
            rate = excluded.rate, updated_at = clock_timestamp()
        """)
    private static let forget = Statement(
        """
        DELETE FROM authentication.failures
        WHERE level <= extract(epoch FROM clock_timestamp() - updated_at)::double precision * rate
        """)

    let pool: ConnectionPool
    let policy: ThrottlePolicy

    /// Asks how many of both, the client and the name, have failed too often.
    func question(client: String, name: String) -> Command {
        Self.check(
            [ThrottlePolicy.subject(client: client), ThrottlePolicy.subject(name: name)],
            [Double(policy.client.failures), Double(policy.name.failures)])
    }

    func mustWait(_ answer: Rows) throws -> Bool {
        try (answer.first?.decode(0, as: Int64.self) ?? 0) > 0
    }

    func mustWait(client: String, name: String, deadline: ContinuousClock.Instant) async throws -> Bool {
        try mustWait(try await pool.run(question(client: client, name: name), deadline: deadline))
    }

    /// - Parameter name: nil if none was said.
    func failed(client: String, name: String?, deadline: ContinuousClock.Instant) async throws {
        var subjects = [ThrottlePolicy.subject(client: client)]
        var rates = [policy.client.rate]
        if let name {
            subjects.append(ThrottlePolicy.subject(name: name))
            rates.append(policy.name.rate)
        }
        try await pool.run(Self.add(subjects, rates), deadline: deadline)
    }

    /// Removes what has leaked away, until the task is cancelled.
    func forgetOldFailures(every pause: Duration) async {
        while (try? await Task.sleep(for: pause)) != nil {
            // When PostgreSQL is away the next time will do.
            _ = try? await pool.run(Self.forget(), deadline: .now + .seconds(10))
        }
    }
}
