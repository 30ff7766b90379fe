import Contracts
import Database

/// Copies or moves messages between two mailboxes of accounts whose locks are held: of one account, or of two.
struct CopyTransaction: Sendable {
    let accountID: Int64
    let mailboxID: Int64
    let uids: UIDRanges
    let toMailbox: String
    let moves: Bool
    /// Whose the target is; nil when it is the same account.
    var otherID: Int64?
    /// Who copies, when one of the mailboxes is not his own; 0 otherwise.
    var userID: Int64 = 0

    /// Whose the target is.
    private var targetID: Int64 { otherID ?? accountID }
    private var leavesAccount: Bool { targetID != accountID }

    struct Box: Sendable {
        let mailboxID: Int64
        let uidValidity: Int64
        let modseq: Int64
        let keywords: [String]
    }

    private static let lock = Statement(
        """
        SELECT mailbox_id, uid_validity, highest_modseq, keywords FROM mail.mailboxes
        WHERE account_id = $1 AND mailbox_id = $2 AND selectable FOR NO KEY UPDATE
        """)
    private static let lockByName = Statement(
        """
        SELECT mailbox_id, uid_validity, highest_modseq, keywords FROM mail.mailboxes
        WHERE account_id = $1 AND name = $2 AND selectable FOR NO KEY UPDATE
        """)
    private static let sum = Statement(
        """
        SELECT count(*), coalesce(sum(m.size), 0)::bigint, coalesce(bit_or(m.flags), 0)
        FROM \(UIDRanges.messages("size, flags"))
        """)
    private static let setKeywords = Statement(
        "UPDATE mail.mailboxes SET keywords = $3 WHERE account_id = $1 AND mailbox_id = $2")
    /// `$6` and `$7`: a keyword's bit in the source and its bit in the target; `$8`: whose the target is; `$9`: the bits of
    /// the flags that it takes.
    private static let add = Statement(
        """
        WITH box AS MATERIALIZED (
            SELECT uid_next, highest_modseq + 1 AS modseq FROM mail.mailboxes
            WHERE account_id = $8 AND mailbox_id = $5
        ), copied AS MATERIALIZED (
            SELECT m.uid, m.content_id, m.internal_date, m.size, b.modseq,
                b.uid_next + row_number() OVER (ORDER BY m.uid) - 1 AS new_uid,
                (m.flags & 255 | coalesce((
                    SELECT bit_or(k.target) FROM unnest($6::bigint[], $7::bigint[]) AS k (source, target)
                    WHERE m.flags & k.source <> 0), 0)) & $9 AS flags
            FROM box b
            CROSS JOIN \(UIDRanges.messages("uid, content_id, internal_date, size, flags"))
        ), stored AS (
            INSERT INTO mail.messages (account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
            SELECT $8, $5, new_uid, content_id, flags, modseq, internal_date, size FROM copied
        ), counted AS (
            UPDATE mail.mailboxes m
            SET uid_next = m.uid_next + t.messages, highest_modseq = m.highest_modseq + 1,
                message_count = m.message_count + t.messages, unseen_count = m.unseen_count + t.unseen,
                deleted_count = m.deleted_count + t.deleted, octets = m.octets + t.octets
            FROM (
                SELECT count(*)::integer AS messages, sum(size)::bigint AS octets,
                    (count(*) FILTER (WHERE flags & 1 = 0))::integer AS unseen,
                    (count(*) FILTER (WHERE flags & 8 <> 0))::integer AS deleted
                FROM copied
            ) t
            WHERE m.account_id = $8 AND m.mailbox_id = $5 AND t.messages > 0
        )
        SELECT uid, new_uid FROM copied ORDER BY uid
        """)
    private static let remove = Statement(
        """
        WITH box AS MATERIALIZED (
            SELECT highest_modseq + 1 AS modseq FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2
        ), gone AS (
            DELETE FROM mail.messages m
            WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.uid = ANY ($3::bigint[])
            RETURNING m.uid, m.size, m.flags
        ), total AS MATERIALIZED (
            \(Expunged.total)
        ), remembered AS (
            \(Expunged.remember)
        )
        \(Expunged.count)
        """)
    private static let charge = Statement(
        """
        UPDATE directory.accounts SET used_octets = used_octets + $2, used_messages = used_messages + $3
        WHERE account_id = $1
        """)
    private static let modseqs = Statement(
        "SELECT mailbox_id, highest_modseq FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = ANY ($2)")

    static func lock(
        _ accountID: Int64, _ mailboxID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Box? {
        try box(lock(accountID, mailboxID), on: connection)
    }

    private static func box(
        _ command: Command, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Box? {
        guard let row = try connection.run(command).first else { return nil }
        let (mailboxID, uidValidity, modseq, keywords) = try row.decode(
            Int64.self, Int64.self, Int64.self, [String].self)
        return Box(mailboxID: mailboxID, uidValidity: uidValidity, modseq: modseq, keywords: keywords)
    }

    /// Two mailboxes are locked in no particular order: the locks of their accounts keep all others out who lock two. `use`
    /// is that of the account that the target belongs to.
    func run(
        _ use: AccountUse, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> (CopyReply, [MailStoreService.Change]) {
        var reply = CopyReply()
        guard let source = try Self.lock(accountID, mailboxID, on: connection),
            let target = try Self.box(Self.lockByName(targetID, toMailbox), on: connection)
        else {
            reply.outcome = .noSuchMailbox
            return (reply, [])
        }
        if let refusal = try RightsRows.refusal(
            of: moves ? [.read, .deleteMessages, .expunge] : .read, to: userID, accountID: accountID,
            mailboxID: mailboxID, on: connection)
        {
            reply.outcome = refusal
            return (reply, [])
        }
        let rights = try RightsRows.rights(
            of: userID, accountID: targetID, mailboxID: target.mailboxID, on: connection)
        guard rights.contains(.insert) else {
            reply.outcome = rights.contains(.lookup) ? .noPermission : .noSuchMailbox
            return (reply, [])
        }
        reply.toMailboxID = target.mailboxID
        reply.toUidValidity = UInt32(clamping: target.uidValidity)
        reply.sourceModseq = UInt64(clamping: source.modseq)
        guard let row = try connection.run(Self.sum(accountID, mailboxID, uids.firsts, uids.lasts)).first else {
            throw DatabaseError(.badResult, "no sum")
        }
        let (messages, octets, usedFlags) = try row.decode(Int64.self, Int64.self, Int64.self)
        if !moves || leavesAccount, !use.allows(octets: octets, messages: messages) {
            reply.outcome = .overQuota
            return (reply, [])
        }
        reply.outcome = .done
        if messages == 0 { return (reply, []) }
        // RFC 4314, 4: a flag that the user may not set there is left out.
        let keywords = KeywordMapping(
            from: source.keywords, usedFlags: usedFlags & rights.flagBits, to: target.keywords)
        if keywords.target != target.keywords {
            try connection.run(Self.setKeywords(targetID, target.mailboxID, keywords.target))
        }
        let pairs = try connection.run(
            Self.add(
                accountID, mailboxID, uids.firsts, uids.lasts, target.mailboxID, keywords.sourceBits,
                keywords.targetBits, targetID, rights.flagBits)
        ).decode(Int64.self, Int64.self)
        reply.sourceUids = pairs.map { UInt32(clamping: $0.0) }
        reply.targetUids = pairs.map { UInt32(clamping: $0.1) }
        if moves {
            try connection.run(Self.remove(accountID, mailboxID, pairs.map(\.0)))
        }
        if !moves || leavesAccount { try connection.run(Self.charge(targetID, octets, messages)) }
        if moves, leavesAccount { try connection.run(Self.charge(accountID, -octets, -messages)) }
        var changes: [MailStoreService.Change] = []
        for (owner, changed) in [(accountID, mailboxID), (targetID, target.mailboxID)] {
            if !moves, changed != target.mailboxID { continue }
            for row in try connection.run(Self.modseqs(owner, [changed])) {
                let (changedID, modseq) = try row.decode(Int64.self, Int64.self)
                if changedID == mailboxID { reply.sourceModseq = UInt64(clamping: modseq) }
                changes.append(MailStoreService.Change(accountID: owner, mailboxID: changedID, modseq: modseq))
            }
            if mailboxID == target.mailboxID { break }
        }
        return (reply, changes)
    }
}

/// How keywords of one mailbox become those of another: by name, each mailbox having bits of its own. A keyword for
/// which the target has no room any more is left out, since a copy keeps what it can (RFC 9051, 6.4.7).
struct KeywordMapping: Sendable, Equatable {
    private(set) var target: [String]
    private(set) var sourceBits: [Int64] = []
    private(set) var targetBits: [Int64] = []

    init(from source: [String], usedFlags: Int64, to target: [String]) {
        self.target = target
        for (index, keyword) in source.enumerated() {
            let bit = Int64(1) << Int64(index + Flags.firstKeywordBit)
            guard usedFlags & bit != 0 else { continue }
            let folded = keyword.lowercased()
            var place = self.target.firstIndex { $0.lowercased() == folded }
            if place == nil && self.target.count < Flags.keywordLimit {
                place = self.target.count
                self.target.append(keyword)
            }
            guard let place else { continue }
            sourceBits.append(bit)
            targetBits.append(Int64(1) << Int64(place + Flags.firstKeywordBit))
        }
    }
}
