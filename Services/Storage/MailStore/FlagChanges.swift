import Contracts
import Database
import Messaging

extension MailStoreService {
    private static let lockMailbox = Statement(
        "SELECT FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2 AND selectable FOR NO KEY UPDATE")
    private static let addKeywords = Statement(
        """
        UPDATE mail.mailboxes SET keywords = mail.keywords_with(keywords, $3::text[], $4::integer)
        WHERE account_id = $1 AND mailbox_id = $2
            AND mail.keyword_bits(keywords, array_to_string($3::text[], ' '), false) IS NULL
        """)
    /// Changes flags, counters and modseq under the mailbox's lock, and returns one row: what was changed, its new flags,
    /// and what was not because of `unchanged_since`; no row when a keyword found no room. The lock is held, so that flags
    /// are the same when they are looked at and when they are changed, and messages stay where they are. No column that
    /// is in an index changes: the rows stay in their pages while there is room.
    ///
    /// The mailbox is not named a second time where the messages are changed: a planner that thinks it small would go
    /// through all of it and, for each message, through all that is changed.
    private static func change(onCondition: Bool) -> Statement {
        let isModified = "m.modseq > $9"
        return Statement(
            """
            WITH box AS MATERIALIZED (
                SELECT highest_modseq + 1 AS modseq, coalesce(flags_modseq, highest_modseq) AS previous_modseq,
                    $6 | mail.keyword_bits(keywords, $7, $5 = \(FlagOperation.remove.rawValue)) AS bits
                FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2
            ), altered AS MATERIALIZED (
                SELECT m.account_id, m.place, m.uid, m.flags AS old_flags, \(newFlags) AS new_flags
                FROM (SELECT bits FROM box WHERE bits IS NOT NULL) b
                CROSS JOIN \(UIDRanges.messages("account_id, ctid AS place, uid, flags, modseq"))
                WHERE m.flags <> \(newFlags)\(onCondition ? " AND NOT \(isModified)" : "")
            ), total AS MATERIALIZED (
                SELECT count(*) AS messages, min(uid) AS first_uid, max(uid) AS last_uid,
                    sum((old_flags & 1) - (new_flags & 1))::integer AS unseen,
                    sum(((new_flags & 8) - (old_flags & 8)) / 8)::integer AS deleted,
                    array_agg(uid) AS uids, array_agg(new_flags) AS flags
                FROM altered
            ), changed AS (
                UPDATE mail.messages m SET flags = a.new_flags, modseq = (SELECT modseq FROM box)
                FROM altered a WHERE m.account_id = a.account_id AND m.ctid = a.place
            ), counted AS (
                UPDATE mail.mailboxes m
                SET highest_modseq = b.modseq, flags_modseq = b.modseq, unseen_count = m.unseen_count + t.unseen,
                    deleted_count = m.deleted_count + t.deleted
                FROM box b, total t
                WHERE m.account_id = $1 AND m.mailbox_id = $2 AND t.messages > 0
            ), listed AS (
                \(FlagChangeLog.add)
            ), cut AS (
                \(FlagChangeLog.cut)
            )
            SELECT t.uids, t.flags, \(onCondition ? "ARRAY(\(modified(isModified)))" : "'{}'::bigint[]")
            FROM total t, box b WHERE b.bits IS NOT NULL
            """)
    }
    private static func modified(_ isModified: String) -> String {
        "SELECT m.uid FROM \(UIDRanges.messages("uid, modseq")) WHERE \(isModified)"
    }
    private static let changeAll = change(onCondition: false)
    private static let changeUnchanged = change(onCondition: true)

    /// What the operation $5 makes of the flags of `m` with the bits of `b`. The bits $8 stay when they are replaced.
    private static let newFlags = """
        CASE $5
            WHEN \(FlagOperation.replace.rawValue) THEN m.flags & $8 | b.bits
            WHEN \(FlagOperation.add.rawValue) THEN m.flags | b.bits
            ELSE m.flags & ~b.bits
        END
        """

    private static let state = Statement(
        "SELECT highest_modseq, keywords FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2")

    /// One round trip and one modseq for all messages. Only messages whose flags become others count as changed.
    func storeFlags(_ request: StoreFlagsRequest, _ context: CallContext) async throws -> StoreFlagsReply {
        let flags = try Flags(names: request.flags)
        switch request.operation {
        case .replace, .add, .remove: break
        case .unspecified, .UNRECOGNIZED: throw MessagingError(.malformed, "no flag operation")
        }
        let reply = try await answering { try await storeFlags(request, flags, context) }
        if !reply.uids.isEmpty {
            announce(
                MailboxChanged(
                    MailboxKey(accountID: request.accountID, mailboxID: request.mailboxID),
                    modseq: Int64(clamping: reply.modseq)))
        }
        return reply
    }

    private func storeFlags(
        _ request: StoreFlagsRequest, _ flags: Flags, _ context: CallContext
    ) async throws -> StoreFlagsReply {
        let uids = UIDRanges(pairs: request.uids)
        let (accountID, mailboxID) = (request.accountID, request.mailboxID)
        var commands = [Self.lockMailbox(accountID, mailboxID)]
        if request.operation != .remove, !flags.keywords.isEmpty {
            commands.append(Self.addKeywords(accountID, mailboxID, flags.keywords, Int32(Flags.keywordLimit)))
        }
        var parameters = Parameters()
        parameters.append(accountID)
        parameters.append(mailboxID)
        parameters.append(uids.firsts)
        parameters.append(uids.lasts)
        parameters.append(Int64(request.operation.rawValue))
        parameters.append(flags.bits)
        parameters.append(flags.keywordList)
        parameters.append(request.keptBits)
        if request.unchangedSince > 0 {
            parameters.append(Int64(clamping: request.unchangedSince))
            commands.append(Self.changeUnchanged.with(parameters))
        } else {
            commands.append(Self.changeAll.with(parameters))
        }
        commands.append(Self.state(accountID, mailboxID))
        // Adding and removing flags twice is harmless. What depends on what was there before goes once for each key.
        let receipt = CallReceipt(accountID: accountID, context)
        let isOnce = request.unchangedSince > 0 && receipt.key != nil
        return try await pool.withConnection(deadline: context.deadline) { [commands] connection in
            guard isOnce else {
                return try Self.reply(try await connection.transaction(commands))
            }
            return try await connection.transaction { connection in
                try connection.run(commands[0])
                if let reply = try receipt.earlierReply(StoreFlagsReply.self, on: connection) { return reply }
                let reply = try Self.reply(try connection.run(commands))
                try receipt.remember(reply, on: connection)
                return reply
            }
        }
    }

    private static func reply(_ results: [Rows]) throws(DatabaseError) -> StoreFlagsReply {
        var reply = StoreFlagsReply()
        guard results[0].count == 1, let state = results.last?.first else {
            reply.outcome = .noSuchMailbox
            return reply
        }
        if let row = results[results.count - 2].first {
            let (uids, flags, modified) = try row.decode([Int64]?.self, [Int64]?.self, [Int64].self)
            reply.outcome = .done
            reply.uids = (uids ?? []).map { UInt32(clamping: $0) }
            reply.flags = (flags ?? []).map { UInt64(bitPattern: $0) }
            reply.modifiedUids = modified.map { UInt32(clamping: $0) }
        } else {
            reply.outcome = .beyondLimit
        }
        let (modseq, keywords) = try state.decode(Int64.self, [String].self)
        reply.modseq = UInt64(clamping: modseq)
        reply.keywords = keywords
        return reply
    }
}

extension StoreFlagsRequest {
    /// The bits of flags that are left as they are when flags are replaced.
    fileprivate var keptBits: Int64 {
        var bits: Int64 = keepsOthers ? ~(Flags.seen | Flags.deleted) : 0
        if keepsSeen { bits |= Flags.seen }
        if keepsDeleted { bits |= Flags.deleted }
        return bits
    }
}
