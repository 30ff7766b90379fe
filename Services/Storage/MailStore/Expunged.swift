/// What every removal of messages does to its mailbox, as parts of a statement with `box` and `gone`.
enum Expunged {
    /// What `gone` is in all: the part `total`, which the others need.
    static let total = """
        SELECT count(*) AS messages, min(uid) AS first_uid, max(uid) AS last_uid, sum(size)::bigint AS octets,
            (count(*) FILTER (WHERE flags & 1 = 0))::integer AS unseen,
            (count(*) FILTER (WHERE flags & 8 <> 0))::integer AS deleted, array_agg(uid) AS uids
        FROM gone
        """
    /// Remembers the uids as runs; most often there is one.
    static let remember = """
        INSERT INTO mail.expunged (account_id, mailbox_id, modseq, first_uid, last_uid)
        SELECT $1, $2, b.modseq, r.first_uid, r.last_uid
        FROM box b CROSS JOIN (
            SELECT first_uid, last_uid FROM total WHERE last_uid - first_uid + 1 = messages
            UNION ALL
            SELECT min(uid), max(uid) FROM (
                SELECT uid, uid - row_number() OVER (ORDER BY uid) AS run FROM gone
                WHERE (SELECT last_uid - first_uid + 1 > messages FROM total)
            ) AS numbered
            GROUP BY run
        ) r
        """
    /// Takes the messages out of the counters.
    static let count = """
        UPDATE mail.mailboxes m
        SET highest_modseq = m.highest_modseq + 1, message_count = m.message_count - t.messages::integer,
            unseen_count = m.unseen_count - t.unseen, deleted_count = m.deleted_count - t.deleted,
            octets = m.octets - t.octets
        FROM total t
        WHERE m.account_id = $1 AND m.mailbox_id = $2 AND t.messages > 0
        """
}

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
