import Database

/// Which messages' flags changed with which change, so that what changed lately is found without looking at all messages.
///
/// The log may end anywhere: what is missing is noticed, and then all messages are looked at. It names runs of uids that
/// hold the changed messages, and others: what has changed is what the messages' own modseqs say.
enum FlagChangeLog {
    /// Entries of one mailbox are cut off beyond about so many changes.
    static let changes = 1024
    /// How long an entry is kept.
    static let age = Duration.seconds(86_400)
    /// Two changed messages with fewer uids between them are one run.
    private static let gap = 64
    /// Beyond so many runs an entry has one that holds them all.
    private static let runs = 256

    /// An entry as parts of a statement with `box`, `altered` (the changed messages) and `total` of them.
    static let add = """
        INSERT INTO mail.flag_changes (account_id, mailbox_id, modseq, previous_modseq, first_uids, last_uids)
        SELECT $1, $2, b.modseq, b.previous_modseq, r.first_uids, r.last_uids
        FROM box b CROSS JOIN (
            SELECT ARRAY[first_uid] AS first_uids, ARRAY[last_uid] AS last_uids FROM total
            WHERE messages > 0 AND last_uid - first_uid - messages < \(gap)
            UNION ALL
            SELECT CASE WHEN count(*) <= \(runs) THEN array_agg(first_uid) ELSE ARRAY[min(first_uid)] END,
                CASE WHEN count(*) <= \(runs) THEN array_agg(last_uid) ELSE ARRAY[max(last_uid)] END
            FROM (
                SELECT min(uid) AS first_uid, max(uid) AS last_uid FROM (
                    SELECT uid, count(*) FILTER (WHERE is_far) OVER (ORDER BY uid) AS run FROM (
                        SELECT uid, uid - lag(uid) OVER (ORDER BY uid) > \(gap) AS is_far FROM altered
                        WHERE (SELECT last_uid - first_uid - messages >= \(gap) FROM total)
                    ) AS distances
                ) AS numbered
                GROUP BY run
            ) AS runs
            HAVING count(*) > 0
        ) r
        """
    /// Cuts off what is too much, once in a while.
    static let cut = """
        DELETE FROM mail.flag_changes f USING box b
        WHERE b.modseq / 64 > b.previous_modseq / 64
            AND f.account_id = $1 AND f.mailbox_id = $2 AND f.modseq <= b.modseq - \(changes)
        """
    static let forget = Statement("DELETE FROM mail.flag_changes WHERE account_id = $1 AND mailbox_id = $2")

    private static let last = Statement(
        "SELECT flags_modseq FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2")
    private static let entries = Statement(
        """
        SELECT modseq, previous_modseq, first_uids, last_uids FROM mail.flag_changes
        WHERE account_id = $1 AND mailbox_id = $2 AND modseq > $3 ORDER BY modseq DESC
        """)
    /// The last message that has not changed later. What comes after it came later, since uids and modseqs ascend
    /// together; all that changed later and came before is in the log.
    private static let lastUnchanged = Statement(
        """
        SELECT uid FROM mail.messages WHERE account_id = $1 AND mailbox_id = $2 AND modseq <= $3
        ORDER BY uid DESC LIMIT 1
        """)

    /// One change, or several that were made one after the other.
    struct Entry: Equatable {
        var modseq: Int64
        var previousModseq: Int64
        var firstUIDs: [Int64]
        var lastUIDs: [Int64]
    }

    /// Where all messages lie whose modseqs are greater, in a transaction that sees one state of the mailbox: some that have
    /// not changed are there, too. Nil when the log does not say.
    static func ranges(
        _ accountID: Int64, _ mailboxID: Int64, since modseq: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> UIDRanges? {
        let results = try connection.run([
            last(accountID, mailboxID), entries(accountID, mailboxID, modseq),
            lastUnchanged(accountID, mailboxID, modseq),
        ])
        guard let lastModseq = try results[0].first?.decode(0, as: Int64?.self) ?? nil else { return nil }
        let entries = try results[1].decode(Int64.self, Int64.self, [Int64].self, [Int64].self).map {
            Entry(modseq: $0.0, previousModseq: $0.1, firstUIDs: $0.2, lastUIDs: $0.3)
        }
        guard isComplete(entries, upTo: lastModseq, since: modseq) else { return nil }
        let unchanged = try results[2].first?.decode(0, as: Int64.self) ?? 0
        var pairs: [UInt32] = []
        for entry in entries {
            for (first, last) in zip(entry.firstUIDs, entry.lastUIDs) where first < unchanged {
                pairs += [UInt32(clamping: first), UInt32(clamping: min(last, unchanged))]
            }
        }
        if unchanged < Int64(UInt32.max) { pairs += [UInt32(clamping: unchanged + 1), UInt32.max] }
        return UIDRanges(pairs: pairs)
    }

    /// Whether these entries, the latest first, are all of a mailbox whose flags changed last with `last`.
    static func isComplete(_ entries: [Entry], upTo last: Int64, since modseq: Int64) -> Bool {
        var expected = last
        for entry in entries {
            guard entry.modseq == expected else { return false }
            expected = entry.previousModseq
        }
        return expected <= modseq
    }
}
