import Contracts
import Database
import Messaging

extension DirectoryService {
    private static let columns = """
        account_id, address, quota_octets, quota_messages, used_octets, used_messages, created_at, disabled, is_shared
        """
    private static let find = Statement("SELECT \(columns) FROM directory.accounts WHERE address = $1")
    private static let page = Statement(
        """
        SELECT \(columns) FROM directory.accounts
        WHERE ($1 = '' OR domain = $1) AND address > $2 ORDER BY address LIMIT $3
        """)
    private static let add = Statement(
        """
        INSERT INTO directory.accounts (address, domain, quota_octets, quota_messages, is_shared, next_uid_validity)
        SELECT $1, $2, $3, $4, $5, greatest(extract(epoch FROM now())::bigint, coalesce(
            (SELECT next_uid_validity FROM directory.former_addresses WHERE address = $1), 0))
        ON CONFLICT (address) DO NOTHING
        RETURNING \(columns)
        """)
    private static let subscribe = Statement(
        "INSERT INTO mail.subscriptions (account_id, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING")
    private static let setQuota = Statement(
        """
        UPDATE directory.accounts SET quota_octets = $2, quota_messages = $3 WHERE address = $1 RETURNING \(columns)
        """)
    private static let lock = Statement("SELECT account_id FROM directory.accounts WHERE address = $1 FOR UPDATE")
    private static let remove: [Statement] = [
        Statement(
            """
            WITH gone AS (
                DELETE FROM mail.messages WHERE account_id = $1 RETURNING content_id, size
            ), \(Released.parts)
            SELECT
            """),
        Statement("DELETE FROM mail.expunged WHERE account_id = $1"),
        Statement("DELETE FROM mail.flag_changes WHERE account_id = $1"),
        Statement("DELETE FROM mail.subscriptions WHERE account_id = $1"),
        Statement("DELETE FROM mail.metadata WHERE account_id = $1"),
        Statement("DELETE FROM mail.rights WHERE account_id = $1"),
        // What others gave him. Their lists change without their locks, but under his, which whoever gives him rights
        // waits for.
        Statement("DELETE FROM mail.rights WHERE identifier = $1"),
        Statement("DELETE FROM mail.text_segments WHERE account_id = $1"),
        Statement("DELETE FROM mail.url_keys WHERE account_id = $1"),
        Statement("DELETE FROM mail.mailboxes WHERE account_id = $1"),
        Statement("DELETE FROM mail.receipts WHERE account_id = $1"),
        Statement("DELETE FROM mail.call_receipts WHERE account_id = $1"),
        Statement(
            """
            WITH gone AS (
                DELETE FROM directory.accounts WHERE account_id = $1 RETURNING address, next_uid_validity)
            INSERT INTO directory.former_addresses (address, next_uid_validity) SELECT * FROM gone
            ON CONFLICT (address) DO UPDATE SET next_uid_validity = excluded.next_uid_validity
            """),
    ]

    func addAccount(_ request: AddAccountRequest, _ context: CallContext) async throws -> AddAccountReply {
        let address = try Address.checked(request.address)
        let quota = try Self.checked(request.quota)
        return try await transaction(context) { connection in
            try Self.require(address.domain, on: connection)
            var reply = AddAccountReply()
            let added = try connection.run(
                Self.add(
                    address.text, address.domain, quota.storageOctets, quota.messageCount, request.shared))
            if let row = added.first {
                reply.account = try AccountRecord.decode(row)
                // Nobody drafts or junks as nobody.
                let mailboxes = MailboxHierarchy.special.prefix(request.shared ? 1 : .max)
                for (name, use) in mailboxes {
                    try MailboxHierarchy.make(reply.account.accountID, name, specialUse: use, on: connection)
                }
                try connection.run(Self.subscribe(reply.account.accountID, mailboxes.map(\.name)))
            } else if let row = try connection.run(Self.find(address.text)).first {
                reply.account = try AccountRecord.decode(row)
                reply.existed = true
            } else {
                // It was there when it was to be added, and was removed before it was looked up.
                throw DatabaseError(.serializationFailure, "the account was removed meanwhile")
            }
            return reply
        }
    }

    func findAccount(_ request: FindAccountRequest, _ context: CallContext) async throws -> FindAccountReply {
        var reply = FindAccountReply()
        guard let address = Address(request.address) else { return reply }
        try await answering {
            let rows = try await pool.run(Self.find(address.text), deadline: context.deadline)
            guard let row = rows.first else { return }
            reply.account = try AccountRecord.decode(row)
            reply.found = true
        }
        return reply
    }

    func removeAccount(_ request: RemoveAccountRequest, _ context: CallContext) async throws -> RemoveAccountReply {
        let address = try Address.checked(request.address)
        let reply = try await transaction(context) { connection in
            var reply = RemoveAccountReply()
            guard let row = try connection.run(Self.lock(address.text)).first else { return reply }
            reply.accountID = try row.decode(0, as: Int64.self)
            reply.removed = true
            try connection.run(Self.remove.map { $0(reply.accountID) })
            return reply
        }
        if reply.removed {
            announce(
                MailboxChanged(MailboxKey(accountID: reply.accountID, mailboxID: 0), modseq: 0, hierarchy: true))
        }
        return reply
    }

    func listAccounts(_ request: ListAccountsRequest, _ context: CallContext) async throws -> ListAccountsReply {
        try await answering {
            let limit = request.limit == 0 ? 500 : min(Int64(request.limit), 5000)
            let rows = try await pool.run(
                Self.page(request.domain.lowercased(), request.after.lowercased(), limit + 1),
                deadline: context.deadline)
            var reply = ListAccountsReply()
            for row in rows.prefix(Int(limit)) { reply.accounts.append(try AccountRecord.decode(row)) }
            reply.more = rows.count > limit
            return reply
        }
    }

    func setQuota(_ request: SetQuotaRequest, _ context: CallContext) async throws -> SetQuotaReply {
        let address = try Address.checked(request.address)
        let quota = try Self.checked(request.quota)
        return try await answering {
            let rows = try await pool.run(
                Self.setQuota(address.text, quota.storageOctets, quota.messageCount), deadline: context.deadline)
            guard let row = rows.first else {
                throw MessagingError(.failed, "there is no account \(address.text)")
            }
            var reply = SetQuotaReply()
            reply.account = try AccountRecord.decode(row)
            return reply
        }
    }

    private static func checked(_ quota: Quota) throws -> Quota {
        guard quota.storageOctets >= 0, quota.messageCount >= 0 else {
            throw MessagingError(.failed, "a quota is not negative; 0 means no limit")
        }
        return quota
    }
}

extension AccountRecord {
    static func decode(_ row: Row) throws(DatabaseError) -> AccountRecord {
        let columns = try row.decode(
            Int64.self, String.self, Int64.self, Int64.self, Int64.self, Int64.self, Timestamp.self, Bool.self,
            Bool.self)
        var record = AccountRecord()
        record.accountID = columns.0
        record.address = columns.1
        record.quota.storageOctets = columns.2
        record.quota.messageCount = columns.3
        record.usedOctets = columns.4
        record.usedMessages = columns.5
        record.createdAt = columns.6.microseconds
        record.disabled = columns.7
        record.shared = columns.8
        return record
    }
}
