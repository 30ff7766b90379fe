import Contracts
import Database
import Messaging

/// Statements on the list of mailboxes, for accounts that are locked.
enum MailboxHierarchy {
    static let special: [(name: String, use: String)] = [
        (MailboxName.inbox, ""), ("Drafts", "\\Drafts"), ("Sent", "\\Sent"), ("Junk", "\\Junk"), ("Trash", "\\Trash"),
        ("Archive", "\\Archive"),
    ]

    private static let add = Statement(
        """
        WITH account AS (
            UPDATE directory.accounts SET next_uid_validity = next_uid_validity + 1 WHERE account_id = $1
            RETURNING next_uid_validity - 1 AS uid_validity
        )
        INSERT INTO mail.mailboxes (account_id, name, uid_validity, selectable, special_use)
        SELECT $1, $2, uid_validity, $3, $4 FROM account
        RETURNING mailbox_id
        """)
    private static let setUse = Statement(
        "UPDATE mail.mailboxes SET special_use = $3 WHERE account_id = $1 AND mailbox_id = $2")
    private static let isNormalized = Statement("SELECT $1::text IS NFC NORMALIZED")
    private static let count = Statement("SELECT count(*) FROM mail.mailboxes WHERE account_id = $1")
    private static let remove = Statement("DELETE FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2")
    private static let forgetExpunged = Statement(
        "DELETE FROM mail.expunged WHERE account_id = $1 AND mailbox_id = $2")
    private static let rename = Statement(
        "UPDATE mail.mailboxes SET name = $3 WHERE account_id = $1 AND mailbox_id = $2")
    private static let hollow = Statement(
        """
        UPDATE mail.mailboxes SET selectable = false, special_use = '', keywords = '{}'
        WHERE account_id = $1 AND mailbox_id = $2
        """)
    private static let lock = Statement(
        "SELECT FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2 FOR UPDATE")
    private static let removeMessages = Statement(
        """
        WITH gone AS (
            DELETE FROM mail.messages WHERE account_id = $1 AND mailbox_id = $2 RETURNING content_id, size
        ), \(Released.parts), box AS (
            UPDATE mail.mailboxes
            SET message_count = 0, unseen_count = 0, deleted_count = 0, octets = 0, highest_modseq = highest_modseq + 1
            WHERE account_id = $1 AND mailbox_id = $2
        )
        UPDATE directory.accounts a
        SET used_octets = a.used_octets - t.octets, used_messages = a.used_messages - t.messages
        FROM (SELECT coalesce(sum(size), 0)::bigint AS octets, count(*) AS messages FROM gone) t
        WHERE a.account_id = $1
        """)

    static func find(
        _ accountID: Int64, _ name: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Mailbox? {
        guard let row = try connection.run(MailboxRows.byName(accountID, name)).first else { return nil }
        return try MailboxRows.decode(row)
    }

    static func children(
        _ accountID: Int64, _ name: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> [Mailbox] {
        let (from, before) = MailboxName.children(of: name)
        var mailboxes: [Mailbox] = []
        for row in try connection.run(MailboxRows.below(accountID, from, before)) {
            mailboxes.append(try MailboxRows.decode(row))
        }
        return mailboxes
    }

    /// Makes the mailbox and the names above it that are missing. A name that only held children becomes a mailbox.
    static func make(
        _ accountID: Int64, _ name: String, specialUse: String = "", on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        for parent in MailboxName.parents(of: name) where try find(accountID, parent, on: connection) == nil {
            try makeName(accountID, parent, on: connection)
        }
        if let hollow = try find(accountID, name, on: connection) {
            let mailboxID = hollow.mailboxID
            try connection.run([
                remove(accountID, mailboxID), forgetExpunged(accountID, mailboxID),
                FlagChangeLog.forget(accountID, mailboxID),
                MetadataRows.forget(accountID, mailboxID), RightsRows.forget(accountID, mailboxID),
                MailStoreService.forgetTexts(accountID, mailboxID),
            ])
        }
        try connection.run(add(accountID, name, true, specialUse))
        try inheritRights(accountID, name, on: connection)
    }

    /// Makes a name that only holds children.
    static func makeName(
        _ accountID: Int64, _ name: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        try connection.run(add(accountID, name, false, ""))
        try inheritRights(accountID, name, on: connection)
    }

    /// A new mailbox is for those for whom the one above it is (RFC 4314, 4: CREATE).
    private static func inheritRights(
        _ accountID: Int64, _ name: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        guard let parent = MailboxName.parents(of: name).last else { return }
        try RightsRows.copy(accountID, from: parent, to: name, on: connection)
    }

    /// Empties and removes the mailbox, or leaves its name for the children below.
    static func delete(
        _ accountID: Int64, _ mailbox: Mailbox, keepsName: Bool, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        let mailboxID = mailbox.mailboxID
        try connection.run([
            lock(accountID, mailboxID), removeMessages(accountID, mailboxID), forgetExpunged(accountID, mailboxID),
            FlagChangeLog.forget(accountID, mailboxID),
            MetadataRows.forget(accountID, mailboxID), URLKeyRows.forget(accountID, mailboxID),
            RightsRows.forget(accountID, mailboxID), MailStoreService.forgetTexts(accountID, mailboxID),
            keepsName ? hollow(accountID, mailboxID) : remove(accountID, mailboxID),
        ])
    }

    static func move(
        _ accountID: Int64, _ mailbox: Mailbox, to name: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        try connection.run(rename(accountID, mailbox.mailboxID, name))
    }

    /// Whether a new name is Net-Unicode, which is in normalisation form C: two names that read the same are the same
    /// (RFC 9051, 5.1). The server that keeps the names knows the form; it does not convert, since then it would have to
    /// in every command.
    static func isNetUnicode(
        _ name: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Bool {
        if name.utf8.allSatisfy({ $0 < 0x80 }) { return true }
        return try connection.run(isNormalized(name)).first?.decode(0, as: Bool.self) ?? false
    }

    /// Whether a mailbox, one that is to be made when it is nil, may have a special use: one that is known and no other
    /// mailbox has (RFC 6154, 3). None is always allowed.
    static func allows(
        use: String, of mailbox: Mailbox?, _ accountID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Bool {
        if use.isEmpty { return true }
        guard special.contains(where: { $0.use == use }), mailbox?.selectable != false else { return false }
        for row in try connection.run(MailboxRows.all(accountID)) {
            let other = try MailboxRows.decode(row)
            if other.specialUse == use, other.mailboxID != mailbox?.mailboxID { return false }
        }
        return true
    }

    static func set(
        use: String, of mailbox: Mailbox, _ accountID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        try connection.run(setUse(accountID, mailbox.mailboxID, use))
    }

    static func isFull(
        _ accountID: Int64, limit: Int, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Bool {
        try connection.run(count(accountID)).first?.decode(0, as: Int.self) ?? 0 >= limit
    }
}
