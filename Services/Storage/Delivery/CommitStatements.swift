import Database

/// The statements of a group commit, in the order in which one pipeline runs them. Each works on all messages of the
/// batch at once; nothing is read by this process in between.
enum CommitStatements {
    /// Before any lock, since it is the largest part of the work. A batch that is run again after its connection died
    /// in the commit may find its contents there.
    static let insertContents = Statement(
        """
        INSERT INTO mail.contents (
            content_id, prefix_octets, header_octets, body_octets, sent_at, digest, message_id, mime_index, envelope,
            body_structure, body_summary, header, body)
        SELECT * FROM unnest(
            $1::bigint[], $2::integer[], $3::integer[], $4::bigint[], $5::timestamptz[], $6::bytea[], $7::text[],
            $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[])
        ON CONFLICT (content_id) DO NOTHING
        """)

    /// Queue entries of transactions that did not enqueue them before; in order, so that two batches with the same
    /// transactions cannot wait for each other.
    static let enqueue = Statement(
        """
        WITH input AS MATERIALIZED (
            SELECT * FROM unnest(
                $1::uuid[], $2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                $8::boolean[])
            AS i (transaction_id, disposition, content_id, reverse_path, forward_path, domain, smtputf8, binary_mime)
        ), fresh AS (
            INSERT INTO queue.receipts (transaction_id, disposition)
            SELECT transaction_id, disposition FROM input ORDER BY transaction_id, disposition
            ON CONFLICT DO NOTHING
            RETURNING transaction_id, disposition
        ), entered AS (
            INSERT INTO queue.entries (
                transaction_id, disposition, content_id, reverse_path, forward_path, domain, smtputf8, binary_mime)
            SELECT i.* FROM input i JOIN fresh f
                ON f.transaction_id = i.transaction_id AND f.disposition = i.disposition
            RETURNING content_id
        )
        INSERT INTO mail.released_contents (content_id)
        SELECT DISTINCT content_id FROM input WHERE content_id NOT IN (SELECT content_id FROM entered)
        ON CONFLICT DO NOTHING
        """)

    /// The locks of all accounts, in order. Whoever holds them sees the newest counters in the next statement.
    static let lockAccounts = Statement(
        """
        SELECT account_id FROM directory.accounts WHERE account_id = ANY ($1::bigint[])
        ORDER BY account_id FOR NO KEY UPDATE
        """)

    /// Keywords that a mailbox does not know yet, as many as fit. Only in batches that have keywords.
    static let addKeywords = Statement(
        """
        WITH input AS MATERIALIZED (
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[])
            AS i (account_id, mailbox_name, falls_back, keywords)
        ), wanted AS (
            SELECT i.account_id, coalesce(m.mailbox_id, b.mailbox_id) AS mailbox_id,
                array_agg(k.name) AS keywords
            FROM input i
            LEFT JOIN mail.mailboxes m ON m.account_id = i.account_id AND m.name = i.mailbox_name AND m.selectable
            LEFT JOIN mail.mailboxes b ON i.falls_back AND b.account_id = i.account_id AND b.name = 'INBOX'
            CROSS JOIN LATERAL unnest(string_to_array(i.keywords, ' ')) AS k (name)
            GROUP BY 1, 2
        )
        UPDATE mail.mailboxes m SET keywords = mail.keywords_with(m.keywords, w.keywords, $5::integer)
        FROM wanted w
        WHERE m.account_id = w.account_id AND m.mailbox_id = w.mailbox_id
            AND mail.keyword_bits(m.keywords, array_to_string(w.keywords, ' '), false) IS NULL
        """)

    /// Stores the messages of the batch: finds mailboxes, enforces quotas, allocates uids and modseqs, writes messages
    /// and receipts, and returns what became of each disposition.
    ///
    /// - `placed`: what was done before (a receipt), or where it belongs, or why it cannot be stored.
    /// - `judged`: quotas. Within an account the smaller messages come first, so that what fits is exactly a beginning
    ///   of that order and no message is refused for the sake of a larger one that was refused itself.
    /// - `ranked`: the place of each accepted message among those of its mailbox, in order of arrival.
    /// - `boxes`: one change for each mailbox, whatever the number of messages: one modseq, a run of uids.
    static let store = Statement(
        """
        WITH input AS MATERIALIZED (
            SELECT * FROM unnest(
                $1::bigint[], $2::uuid[], $3::smallint[], $4::bigint[], $5::text[], $6::boolean[], $7::bigint[],
                $8::text[], $9::timestamptz[], $10::bigint[])
            WITH ORDINALITY AS i (
                account_id, transaction_id, disposition, content_id, mailbox_name, falls_back, flags, keywords,
                internal_date, size, position)
        ), placed AS (
            SELECT i.position, i.account_id, i.transaction_id, i.disposition, i.content_id, i.internal_date, i.size,
                a.quota_octets, a.quota_messages, a.used_octets, a.used_messages,
                r.uid_validity AS known_uid_validity, r.uid AS known_uid, r.modseq AS known_modseq,
                coalesce(r.mailbox_id, m.mailbox_id, b.mailbox_id) AS mailbox_id,
                r.outcome IS NULL AS is_new,
                i.flags | k.bits AS flags,
                CASE
                    WHEN r.outcome IS NOT NULL THEN r.outcome
                    WHEN a.account_id IS NULL THEN 4
                    WHEN m.mailbox_id IS NULL AND b.mailbox_id IS NULL THEN 2
                    WHEN k.bits IS NULL THEN 5
                    ELSE 0
                END AS outcome
            FROM input i
            LEFT JOIN mail.receipts r
                ON r.account_id = i.account_id AND r.transaction_id = i.transaction_id
                AND r.disposition = i.disposition
            LEFT JOIN directory.accounts a ON a.account_id = i.account_id
            LEFT JOIN mail.mailboxes m ON m.account_id = i.account_id AND m.name = i.mailbox_name AND m.selectable
            LEFT JOIN mail.mailboxes b
                ON i.falls_back AND m.mailbox_id IS NULL AND b.account_id = i.account_id AND b.name = 'INBOX'
            CROSS JOIN LATERAL (
                SELECT CASE WHEN i.keywords = '' THEN 0
                    ELSE mail.keyword_bits(coalesce(m.keywords, b.keywords), i.keywords, false) END AS bits
            ) k
        ), judged AS (
            SELECT p.*,
                CASE
                    WHEN p.outcome > 0 THEN p.outcome
                    WHEN p.quota_octets > 0 AND p.used_octets + sum(p.size) OVER ascending > p.quota_octets THEN 3
                    WHEN p.quota_messages > 0
                        AND p.used_messages + count(*) OVER ascending > p.quota_messages THEN 3
                    ELSE 1
                END AS verdict
            FROM placed p
            WINDOW ascending AS (PARTITION BY p.account_id, p.outcome ORDER BY p.size, p.position)
        ), ranked AS MATERIALIZED (
            SELECT j.*, j.is_new AND j.verdict = 1 AS is_accepted,
                row_number() OVER (
                    PARTITION BY j.account_id, j.mailbox_id, j.is_new AND j.verdict = 1 ORDER BY j.position
                ) AS place
            FROM judged j
        ), boxes AS (
            UPDATE mail.mailboxes m
            SET uid_next = m.uid_next + t.messages, highest_modseq = m.highest_modseq + 1,
                message_count = m.message_count + t.messages, unseen_count = m.unseen_count + t.unseen,
                deleted_count = m.deleted_count + t.deleted, octets = m.octets + t.octets
            FROM (
                SELECT account_id, mailbox_id, count(*)::integer AS messages, sum(size)::bigint AS octets,
                    (count(*) FILTER (WHERE flags & 1 = 0))::integer AS unseen,
                    (count(*) FILTER (WHERE flags & 8 <> 0))::integer AS deleted
                FROM ranked WHERE is_accepted GROUP BY account_id, mailbox_id
            ) t
            WHERE m.account_id = t.account_id AND m.mailbox_id = t.mailbox_id
            RETURNING m.account_id, m.mailbox_id, m.uid_validity, m.uid_next - t.messages - 1 AS last_uid,
                m.highest_modseq
        ), results AS MATERIALIZED (
            SELECT r.*,
                CASE WHEN r.is_new THEN b.uid_validity ELSE r.known_uid_validity END AS uid_validity,
                CASE WHEN r.is_new THEN b.last_uid + r.place ELSE r.known_uid END AS uid,
                CASE WHEN r.is_new THEN b.highest_modseq ELSE r.known_modseq END AS modseq
            FROM ranked r
            LEFT JOIN boxes b
                ON r.is_accepted AND b.account_id = r.account_id AND b.mailbox_id = r.mailbox_id
        ), stored AS (
            INSERT INTO mail.messages (
                account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
            SELECT account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size
            FROM results WHERE is_accepted
        ), charged AS (
            UPDATE directory.accounts a
            SET used_octets = a.used_octets + t.octets, used_messages = a.used_messages + t.messages
            FROM (
                SELECT account_id, sum(size)::bigint AS octets, count(*) AS messages
                FROM ranked WHERE is_accepted GROUP BY account_id
            ) t
            WHERE a.account_id = t.account_id
        ), remembered AS (
            INSERT INTO mail.receipts (
                account_id, transaction_id, disposition, outcome, mailbox_id, uid_validity, uid, modseq)
            SELECT account_id, transaction_id, disposition, verdict,
                CASE WHEN is_accepted THEN mailbox_id END, uid_validity, uid, modseq
            FROM results WHERE is_new AND verdict <> 4
        ), released AS (
            INSERT INTO mail.released_contents (content_id)
            SELECT content_id FROM ranked GROUP BY content_id HAVING NOT bool_or(is_accepted)
            ON CONFLICT DO NOTHING
        )
        SELECT account_id, verdict::integer,
            CASE WHEN verdict = 1 THEN mailbox_id END, uid_validity, uid, modseq
        FROM results ORDER BY position
        """)
}
