import Database

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

    /// A whole removal: messages go by `delete`, a DELETE of `m` without RETURNING; their uids are remembered, their contents
    /// released, the account and the mailbox charged less. `returned` selects from `box`, `gone` and `total`.
    static func removal(_ delete: String, returned: String) -> Statement {
        Statement(
            """
            WITH box AS MATERIALIZED (
                SELECT highest_modseq + 1 AS modseq FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2
            ), gone AS (
                \(delete)
                RETURNING m.uid, m.content_id, m.size, m.flags
            ), total AS MATERIALIZED (
                \(total)
            ), remembered AS (
                \(remember)
            ), \(Released.parts), charged AS (
                UPDATE directory.accounts a
                SET used_octets = a.used_octets - t.octets, used_messages = a.used_messages - t.messages
                FROM total t WHERE a.account_id = $1 AND t.messages > 0
            ), counted AS (
                \(count)
            )
            \(returned)
            """)
    }
}
