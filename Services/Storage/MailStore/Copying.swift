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

    /// All that are marked.
    private static let expungeAll = Statement(
        expunge(
            """
            DELETE FROM mail.messages m
            WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.flags & \(Flags.deleted) <> 0
            """))
    /// Those that are marked of the messages in ranges, as `change` finds them in `FlagChanges.swift`.
    private static let expungeSome = Statement(
        expunge(
            """
            DELETE FROM mail.messages m USING (
                SELECT m.account_id, m.place FROM \(UIDRanges.messages("account_id, ctid AS place, flags"))
                WHERE m.flags & \(Flags.deleted) <> 0 OFFSET 0
            ) AS marked
            WHERE m.account_id = marked.account_id AND m.ctid = marked.place
            """))

    private static func expunge(_ delete: String) -> String {
        """
        WITH box AS MATERIALIZED (
            SELECT highest_modseq + 1 AS modseq FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2
        ), gone AS (
            \(delete)
            RETURNING m.uid, m.content_id, m.size, m.flags
        ), total AS MATERIALIZED (
            \(Expunged.total)
        ), remembered AS (
            \(Expunged.remember)
        ), \(Released.parts), charged AS (
            UPDATE directory.accounts a
            SET used_octets = a.used_octets - t.octets, used_messages = a.used_messages - t.messages
            FROM total t WHERE a.account_id = $1 AND t.messages > 0
        ), counted AS (
            \(Expunged.count)
        )
        SELECT uids FROM total
        """
    }

    func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply {
        let uids = UIDRanges(pairs: request.uids)
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
            let command =
                request.uids.isEmpty
                ? Self.expungeAll(accountID, mailboxID)
                : Self.expungeSome(accountID, mailboxID, uids.firsts, uids.lasts)
            let gone = try connection.run(command).first?.decode(0, as: [Int64]?.self) ?? nil
            reply.outcome = .done
            reply.uids = (gone ?? []).map { UInt32(clamping: $0) }.sorted()
            let modseq = before.modseq + (reply.uids.isEmpty ? 0 : 1)
            reply.modseq = UInt64(clamping: modseq)
            return (reply, reply.uids.isEmpty ? [] : [Change(mailboxID: mailboxID, modseq: modseq)])
        }
    }
}
