/// What becomes of contents whose messages are removed: they are looked at after a grace time, whether anything refers to
/// them still.
enum Released {
    /// Contents of one row, which is then no larger than a row may be without being put elsewhere.
    static let batch = 200
    /// What has more octets is read piece by piece, by statements of their own: each removal begins its grace time anew,
    /// in a row of its own.
    static let octets = Staging.chunkOctets

    /// Parts of a statement with `gone`.
    static let parts = """
        released AS MATERIALIZED (
            SELECT array_agg(content_id) FILTER (WHERE size <= \(octets)) AS small,
                array_agg(DISTINCT content_id) FILTER (WHERE size > \(octets)) AS large
            FROM gone
        ), released_small AS (
            INSERT INTO mail.released_batches (content_ids)
            SELECT small[n:n + \(batch - 1)] FROM released, generate_series(1, cardinality(small), \(batch)) AS n
        ), released_large AS (
            INSERT INTO mail.released_contents (content_id) SELECT unnest(large) FROM released
            ON CONFLICT (content_id) DO UPDATE SET released_at = now()
        )
        """
}
