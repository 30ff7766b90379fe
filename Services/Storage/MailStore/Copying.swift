import Contracts
import Database
import Messaging

extension MailStoreService {
    /// RFC 9051, 6.4.7 and 6.4.8: all messages or none.
    func copy(_ request: CopyRequest, _ context: CallContext) async throws -> CopyReply {
        let copy = CopyTransaction(
            accountID: request.accountID, mailboxID: request.mailboxID, uids: UIDRanges(pairs: request.uids),
            toMailbox: MailboxName.canonical(request.toMailboxName), moves: request.move,
            otherID: request.toAccountID == 0 ? nil : request.toAccountID, userID: request.userID)
        return try await change(request.accountID, reaching: copy.otherID, context) { connection, use in
            try copy.run(use, on: connection)
        }
    }

    private static let expunge = Statement(
        """
        WITH box AS MATERIALIZED (
            SELECT highest_modseq + 1 AS modseq FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2
        ), gone AS (
            DELETE FROM mail.messages
            WHERE account_id = $1 AND mailbox_id = $2 AND uid = ANY (ARRAY(
                SELECT m.uid FROM \(UIDRanges.messages("uid, flags")) WHERE m.flags & \(Flags.deleted) <> 0))
            RETURNING uid, content_id, size, flags
        ), remembered AS (
            \(Expunged.remember)
        ), released AS (
            INSERT INTO mail.released_contents (content_id) SELECT DISTINCT content_id FROM gone
            ON CONFLICT (content_id) DO UPDATE SET released_at = now()
        ), charged AS (
            UPDATE directory.accounts a
            SET used_octets = a.used_octets - t.octets, used_messages = a.used_messages - t.messages
            FROM (SELECT sum(size)::bigint AS octets, count(*) AS messages FROM gone) t
            WHERE a.account_id = $1 AND t.messages > 0
        ), counted AS (
            \(Expunged.count)
        )
        SELECT uid FROM gone ORDER BY uid
        """)

    func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply {
        let uids = request.uids.isEmpty ? UIDRanges.all : UIDRanges(pairs: request.uids)
        return try await change(request.accountID, context) { connection, _ in
            let (accountID, mailboxID) = (request.accountID, request.mailboxID)
            var reply = ExpungeReply()
            guard let before = try CopyTransaction.lock(accountID, mailboxID, on: connection) else {
                reply.outcome = .noSuchMailbox
                return (reply, [])
            }
            if let refusal = try RightsRows.refusal(
                of: .expunge, to: request.userID, accountID: accountID, mailboxID: mailboxID, on: connection)
            {
                reply.outcome = refusal
                return (reply, [])
            }
            let rows = try connection.run(Self.expunge(accountID, mailboxID, uids.firsts, uids.lasts))
            reply.outcome = .done
            for row in rows { reply.uids.append(UInt32(clamping: try row.decode(0, as: Int64.self))) }
            let modseq = before.modseq + (rows.isEmpty ? 0 : 1)
            reply.modseq = UInt64(clamping: modseq)
            return (reply, rows.isEmpty ? [] : [Change(mailboxID: mailboxID, modseq: modseq)])
        }
    }
}

/// What every removal of messages does to its mailbox, as parts of a statement with `box` and `gone`.
enum Expunged {
    /// Remembers the uids as runs.
    static let remember = """
        INSERT INTO mail.expunged (account_id, mailbox_id, modseq, first_uid, last_uid)
        SELECT $1, $2, b.modseq, min(g.uid), max(g.uid)
        FROM box b, (SELECT uid, uid - row_number() OVER (ORDER BY uid) AS run FROM gone) g
        GROUP BY b.modseq, g.run
        """
    /// Takes the messages out of the counters.
    static let count = """
        UPDATE mail.mailboxes m
        SET highest_modseq = m.highest_modseq + 1, message_count = m.message_count - t.messages,
            unseen_count = m.unseen_count - t.unseen, deleted_count = m.deleted_count - t.deleted,
            octets = m.octets - t.octets
        FROM (
            SELECT count(*)::integer AS messages, sum(size)::bigint AS octets,
                (count(*) FILTER (WHERE flags & 1 = 0))::integer AS unseen,
                (count(*) FILTER (WHERE flags & 8 <> 0))::integer AS deleted
            FROM gone
        ) t
        WHERE m.account_id = $1 AND m.mailbox_id = $2 AND t.messages > 0
        """
}
