import Contracts
import Database

/// A mailbox as it is read, in one list of columns for all statements that read one.
enum MailboxRows {
    /// Needs `m` for `mail.mailboxes`.
    static let columns = """
        m.mailbox_id, m.name, m.uid_validity, m.uid_next, m.highest_modseq, m.message_count, m.unseen_count,
        m.deleted_count, m.octets, m.selectable, m.special_use, m.keywords,
        EXISTS (SELECT FROM mail.subscriptions s WHERE s.account_id = m.account_id AND s.name = m.name)
        """
    static let columnCount = 13

    static let byID = Statement(
        "SELECT \(columns) FROM mail.mailboxes m WHERE m.account_id = $1 AND m.mailbox_id = $2")
    static let byName = Statement("SELECT \(columns) FROM mail.mailboxes m WHERE m.account_id = $1 AND m.name = $2")
    static let all = Statement("SELECT \(columns) FROM mail.mailboxes m WHERE m.account_id = $1 ORDER BY m.name")
    static let below = Statement(
        """
        SELECT \(columns) FROM mail.mailboxes m WHERE m.account_id = $1 AND m.name >= $2 AND m.name < $3
        ORDER BY m.name
        """)

    static func decode(_ row: Row) throws(DatabaseError) -> Mailbox {
        let columns = try row.decode(
            Int64.self, String.self, Int64.self, Int64.self, Int64.self, Int32.self, Int32.self, Int32.self,
            Int64.self, Bool.self, String.self, [String].self, Bool.self)
        var mailbox = Mailbox()
        mailbox.mailboxID = columns.0
        mailbox.name = columns.1
        mailbox.uidValidity = UInt32(clamping: columns.2)
        mailbox.uidNext = UInt32(clamping: columns.3)
        mailbox.highestModseq = UInt64(clamping: columns.4)
        mailbox.messageCount = UInt32(clamping: columns.5)
        mailbox.unseenCount = UInt32(clamping: columns.6)
        mailbox.deletedCount = UInt32(clamping: columns.7)
        mailbox.octets = columns.8
        mailbox.selectable = columns.9
        mailbox.specialUse = columns.10
        mailbox.keywords = columns.11
        mailbox.subscribed = columns.12
        return mailbox
    }
}
