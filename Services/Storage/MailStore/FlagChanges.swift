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
    /// Changes flags, counters and modseq under the mailbox's lock, and returns what was changed (true) and what was
    /// not because of `unchanged_since` (false). A keyword that found no room changes nothing. The lock is held, so that
    /// flags are the same when they are looked at and when they are changed.
    private static let change = Statement(
        """
        WITH box AS MATERIALIZED (
            SELECT highest_modseq + 1 AS modseq,
                $6 | mail.keyword_bits(keywords, $7, $5 = \(FlagOperation.remove.rawValue)) AS bits
            FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2
        ), wanted AS MATERIALIZED (
            SELECT m.uid, m.flags AS old_flags, $8 > 0 AND m.modseq > $8 AS is_modified,
                \(newFlags("m", bits: "b.bits")) AS new_flags
            FROM (SELECT bits FROM box WHERE bits IS NOT NULL) b
            CROSS JOIN \(UIDRanges.messages("uid, flags, modseq"))
        ), altered AS MATERIALIZED (
            SELECT uid, old_flags, new_flags FROM wanted WHERE NOT is_modified AND new_flags <> old_flags
        ), changed AS (
            UPDATE mail.messages m
            SET flags = \(newFlags("m", bits: "(SELECT bits FROM box)")), modseq = (SELECT modseq FROM box)
            WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.uid = ANY (ARRAY(SELECT uid FROM altered))
        ), counted AS (
            UPDATE mail.mailboxes m
            SET highest_modseq = m.highest_modseq + 1, unseen_count = m.unseen_count + t.unseen,
                deleted_count = m.deleted_count + t.deleted
            FROM (
                SELECT sum((old_flags & 1) - (new_flags & 1))::integer AS unseen,
                    sum(((new_flags & 8) - (old_flags & 8)) / 8)::integer AS deleted
                FROM altered
            ) t
            WHERE m.account_id = $1 AND m.mailbox_id = $2 AND t.unseen IS NOT NULL
        )
        SELECT true AS is_changed, uid, new_flags FROM altered
        UNION ALL SELECT false, uid, old_flags FROM wanted WHERE is_modified
        UNION ALL SELECT NULL, 0, 0 FROM box WHERE bits IS NULL
        """)

    /// What the operation $5 makes of flags. The bits $9 stay when they are replaced.
    private static func newFlags(_ message: String, bits: String) -> String {
        """
        CASE $5
            WHEN \(FlagOperation.replace.rawValue) THEN \(message).flags & $9 | \(bits)
            WHEN \(FlagOperation.add.rawValue) THEN \(message).flags | \(bits)
            ELSE \(message).flags & ~\(bits)
        END
        """
    }

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
        commands.append(
            Self.change(
                accountID, mailboxID, uids.firsts, uids.lasts, Int64(request.operation.rawValue), flags.bits,
                flags.keywordList, Int64(clamping: request.unchangedSince), request.keptBits))
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
        reply.outcome = .done
        for row in results[results.count - 2] {
            let (isChanged, uid, flags) = try row.decode(Bool?.self, Int64.self, Int64.self)
            switch isChanged {
            case true?:
                reply.uids.append(UInt32(clamping: uid))
                reply.flags.append(UInt64(bitPattern: flags))
            case false?:
                reply.modifiedUids.append(UInt32(clamping: uid))
            case nil:
                reply.outcome = .beyondLimit
            }
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
