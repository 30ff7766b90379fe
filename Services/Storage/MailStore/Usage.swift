import Contracts
import Database
import Messaging

extension MailStoreService {
    private static let usage = Statement(
        """
        SELECT a.used_octets, a.quota_octets, a.used_messages, a.quota_messages,
            (SELECT count(*) FROM mail.mailboxes m WHERE m.account_id = a.account_id)
        FROM directory.accounts a WHERE a.account_id = $1
        """)
    /// The messages themselves are looked at, but of mailboxes only that have any to count: $2, or all for 0.
    private static let deletedOctets = Statement(
        """
        SELECT m.mailbox_id, d.octets FROM mail.mailboxes m
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(g.size), 0)::bigint AS octets FROM mail.messages g
            WHERE g.account_id = m.account_id AND g.mailbox_id = m.mailbox_id AND g.flags & \(Flags.deleted) <> 0
        ) d
        WHERE m.account_id = $1 AND ($2 = 0 OR m.mailbox_id = $2) AND m.deleted_count > 0
        """)

    func usage(_ request: UsageRequest, _ context: CallContext) async throws -> UsageReply {
        try await answering {
            let rows = try await pool.run(Self.usage(request.accountID), deadline: context.deadline)
            guard let row = rows.first else {
                throw MessagingError(.failed, "there is no account \(request.accountID)")
            }
            var reply = UsageReply()
            (reply.usedOctets, reply.octetsLimit, reply.usedMessages, reply.messagesLimit, reply.mailboxes) =
                try row.decode(Int64.self, Int64.self, Int64.self, Int64.self, Int64.self)
            reply.mailboxesLimit = Int64(mailboxLimit)
            return reply
        }
    }

    /// The octets of the messages that carry \Deleted, by mailbox; without those that have none.
    func deletedOctets(
        of accountID: Int64, mailboxID: Int64 = 0, _ context: CallContext
    ) async throws -> [Int64: Int64] {
        let rows = try await pool.run(Self.deletedOctets(accountID, mailboxID), deadline: context.deadline)
        return Dictionary(try rows.decode(Int64.self, Int64.self).map { ($0.0, $0.1) }) { first, _ in first }
    }
}
