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
    private static let expungeAll = Expunged.removal(
        """
        DELETE FROM mail.messages m
        WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.flags & \(Flags.deleted) <> 0
        """, returned: "SELECT uids FROM total")
    /// Those that are marked of the messages in ranges, as `change` finds them in `FlagChanges.swift`.
    private static let expungeSome = Expunged.removal(
        """
        DELETE FROM mail.messages m USING (
            SELECT m.account_id, m.place FROM \(UIDRanges.messages("account_id, ctid AS place, flags"))
            WHERE m.flags & \(Flags.deleted) <> 0 OFFSET 0
        ) AS marked
        WHERE m.account_id = marked.account_id AND m.ctid = marked.place
        """, returned: "SELECT uids FROM total")

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
