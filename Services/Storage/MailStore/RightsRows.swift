import Contracts
import Database

/// Statements on access control lists (RFC 4314). Those that change one are for accounts that are locked.
enum RightsRows {
    /// Whom an entry for anyone is for.
    static let anyone: Int64 = 0
    /// Entries of one mailbox.
    static let entryLimit = 200
    /// Mailboxes of others that one user is told of. What he was given himself goes before what anyone was given, so that
    /// nobody floods his list.
    static let othersLimit = 10_000

    /// What the entries of `mail.rights` in hand come to: all that they give, without all that they take.
    private static let effective = """
        coalesce(bit_or(rights) FILTER (WHERE NOT is_negative), 0)
            & (~ coalesce(bit_or(rights) FILTER (WHERE is_negative), 0))
        """
    private static let ofUser = Statement(
        """
        SELECT \(effective) FROM mail.rights
        WHERE account_id = $1 AND mailbox_id = $2 AND identifier IN ($3, \(anyone))
        """)
    private static let ownerColumns = "a.account_id, a.address, a.is_shared"
    private static let others = Statement(
        """
        SELECT \(MailboxRows.columns), \(ownerColumns), r.effective
        FROM (
            SELECT account_id, mailbox_id, \(effective) AS effective, bool_or(identifier <> \(anyone)) AS is_own
            FROM mail.rights WHERE identifier IN ($1, \(anyone)) AND account_id <> $1
            GROUP BY account_id, mailbox_id
        ) r
        JOIN mail.mailboxes m ON m.account_id = r.account_id AND m.mailbox_id = r.mailbox_id
        JOIN directory.accounts a ON a.account_id = r.account_id
        WHERE (r.effective & \(MailboxRights.lookup.rawValue)) <> 0
        ORDER BY r.is_own DESC, a.address, m.name LIMIT \(othersLimit)
        """)
    /// Needs `m` and `a`, and the user as $1.
    private static let found = """
        SELECT \(MailboxRows.columns), \(ownerColumns), (
            SELECT \(effective) FROM mail.rights r
            WHERE r.account_id = m.account_id AND r.mailbox_id = m.mailbox_id AND r.identifier IN ($1, \(anyone)))
        FROM mail.mailboxes m JOIN directory.accounts a ON a.account_id = m.account_id
        """
    /// The longest name first.
    static let foundByAddress = Statement(
        """
        \(found)
        WHERE a.address = $2 AND a.is_shared = $3 AND a.account_id <> $1 AND m.name = ANY ($4::text[])
        ORDER BY m.name DESC
        """)
    static let foundByAccount = Statement(
        """
        \(found)
        WHERE a.account_id = $2 AND a.account_id <> $1 AND m.name = ANY ($3::text[])
        ORDER BY m.name DESC
        """)
    static let foundByID = Statement(
        """
        \(found)
        WHERE a.account_id = $2 AND a.account_id <> $1 AND m.mailbox_id = $3
        """)
    static let ownerByAddress = Statement(
        "SELECT \(ownerColumns) FROM directory.accounts a WHERE a.address = $1 AND a.is_shared = $2")
    static let ownerByID = Statement("SELECT \(ownerColumns) FROM directory.accounts a WHERE a.account_id = $1")

    private static let entries = Statement(
        """
        SELECT CASE WHEN r.identifier = \(anyone) THEN 'anyone' ELSE a.address END, r.is_negative, r.rights
        FROM mail.rights r LEFT JOIN directory.accounts a ON a.account_id = r.identifier
        WHERE r.account_id = $1 AND r.mailbox_id = $2 AND (r.identifier = \(anyone) OR a.address IS NOT NULL)
        ORDER BY 1, 2
        """)
    /// Who is given rights stays until they are written: see the removal of accounts.
    private static let holdAccount = Statement(
        "SELECT account_id FROM directory.accounts WHERE address = $1 FOR KEY SHARE")
    private static let one = Statement(
        """
        SELECT rights FROM mail.rights
        WHERE account_id = $1 AND mailbox_id = $2 AND identifier = $3 AND is_negative = $4
        """)
    private static let count = Statement(
        "SELECT count(*) FROM mail.rights WHERE account_id = $1 AND mailbox_id = $2")
    private static let put = Statement(
        """
        INSERT INTO mail.rights (account_id, mailbox_id, identifier, is_negative, rights) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id, mailbox_id, identifier, is_negative) DO UPDATE SET rights = excluded.rights
        """)
    private static let remove = Statement(
        """
        DELETE FROM mail.rights
        WHERE account_id = $1 AND mailbox_id = $2 AND identifier = $3 AND is_negative = $4
        """)
    /// The whole list of a mailbox (RFC 4314, 4: DELETE).
    static let forget = Statement("DELETE FROM mail.rights WHERE account_id = $1 AND mailbox_id = $2")
    private static let copyByName = Statement(
        """
        INSERT INTO mail.rights (account_id, mailbox_id, identifier, is_negative, rights)
        SELECT m.account_id, m.mailbox_id, r.identifier, r.is_negative, r.rights
        FROM mail.mailboxes m
        JOIN mail.mailboxes p ON p.account_id = m.account_id AND p.name = $3
        JOIN mail.rights r ON r.account_id = p.account_id AND r.mailbox_id = p.mailbox_id
        WHERE m.account_id = $1 AND m.name = $2
        """)

    // MARK: What somebody may do

    /// What a user may do with a mailbox of this account; the account itself, or 0, may do everything.
    static func rights(
        of userID: Int64, accountID: Int64, mailboxID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> MailboxRights {
        guard userID != 0, userID != accountID else { return .all }
        guard let row = try connection.run(ofUser(accountID, mailboxID, userID)).first else { return [] }
        return MailboxRights(stored: try row.decode(0, as: Int32.self))
    }

    /// Why a user may not do what needs these rights; nil when he may. Who may not even see the mailbox does not learn that
    /// it is there (RFC 4314, 6).
    static func refusal(
        of needed: MailboxRights, to userID: Int64, accountID: Int64, mailboxID: Int64,
        on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> MailboxOutcome? {
        let rights = try rights(of: userID, accountID: accountID, mailboxID: mailboxID, on: connection)
        if rights.isSuperset(of: needed) { return nil }
        return rights.contains(.lookup) ? .noPermission : .noSuchMailbox
    }

    /// Why a user may not make a mailbox of this name: he needs k on the nearest mailbox above it (RFC 4314, 4). Above the
    /// first level there is none, so that it belongs to the owner alone.
    static func refusal(
        toMake name: String, _ userID: Int64, accountID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> MailboxOutcome? {
        guard userID != 0, userID != accountID else { return nil }
        for parent in MailboxName.parents(of: name).reversed() {
            guard let mailbox = try MailboxHierarchy.find(accountID, parent, on: connection) else { continue }
            let rights = try rights(
                of: userID, accountID: accountID, mailboxID: mailbox.mailboxID, on: connection)
            return rights.contains(.createMailboxes) ? nil : .noPermission
        }
        return .noPermission
    }

    /// All mailboxes of others that a user may see.
    static func visible(to userID: Int64) -> Command { others(userID) }

    /// A row of `others` or `found` as its user may know it.
    static func decode(_ row: Row) throws(DatabaseError) -> Mailbox {
        var mailbox = try MailboxRows.decode(row)
        mailbox.owner.accountID = try row.decode(MailboxRows.columnCount, as: Int64.self)
        mailbox.owner.address = try row.decode(MailboxRows.columnCount + 1, as: String.self)
        mailbox.owner.shared = try row.decode(MailboxRows.columnCount + 2, as: Bool.self)
        let rights = MailboxRights(stored: try row.decode(MailboxRows.columnCount + 3, as: Int32.self))
        return mailbox.known(with: rights)
    }

    // MARK: Lists

    static func list(
        _ accountID: Int64, _ mailboxID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> [AccessEntry] {
        let rows = try connection.run(entries(accountID, mailboxID)).decode(String.self, Bool.self, Int32.self)
        return rows.map { identifier, isNegative, rights in
            AccessEntry.with {
                $0.identifier = identifier
                $0.negative = isNegative
                $0.rights = MailboxRights(stored: rights).rawValue
            }
        }
    }

    /// Whom an identifier means: an account, or anyone. Nil when there is no such account.
    static func account(
        of identifier: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Int64? {
        if identifier.lowercased() == "anyone" { return anyone }
        guard let address = Address(identifier) else { return nil }
        return try connection.run(holdAccount(address.text)).first?.decode(0, as: Int64.self)
    }

    /// Changes one entry. Nil when nothing had to change, and false when there would be too many.
    static func change(
        _ accountID: Int64, _ mailboxID: Int64, _ identifier: Int64, isNegative: Bool,
        on connection: isolated DatabaseConnection, _ change: (MailboxRights) -> MailboxRights
    ) throws(DatabaseError) -> Bool? {
        let row = try connection.run(one(accountID, mailboxID, identifier, isNegative)).first
        let before: MailboxRights = if let row { MailboxRights(stored: try row.decode(0, as: Int32.self)) } else { [] }
        let after = change(before)
        if after == before { return nil }
        if after.isEmpty {
            try connection.run(remove(accountID, mailboxID, identifier, isNegative))
            return true
        }
        if row == nil {
            let others = try connection.run(count(accountID, mailboxID)).first?.decode(0, as: Int.self) ?? 0
            guard others < entryLimit else { return false }
        }
        try connection.run(put(accountID, mailboxID, identifier, isNegative, Int32(bitPattern: after.rawValue)))
        return true
    }

    /// Gives a new mailbox the list of another one of the account: of the one above (RFC 4314, 4: CREATE).
    static func copy(
        _ accountID: Int64, from name: String, to newName: String, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        try connection.run(copyByName(accountID, newName, name))
    }
}

extension MailboxRights {
    /// As the database has them.
    init(stored: Int32) { self.init(rawValue: UInt32(bitPattern: stored)) }

    /// The bits of flags that these rights let a user set, in a mailbox whose keywords count as well (RFC 4314, 4).
    var flagBits: Int64 {
        var bits: Int64 = contains(.writeFlags) ? ~(Flags.seen | Flags.deleted) : 0
        if contains(.keepSeen) { bits |= Flags.seen }
        if contains(.deleteMessages) { bits |= Flags.deleted }
        return bits
    }
}

extension Mailbox {
    /// What another user may know of it. Subscription and special use are the owner's; who may not read learns no more than
    /// the name, and cannot select it.
    func known(with rights: MailboxRights) -> Mailbox {
        var known = self
        known.rights = rights.rawValue
        known.subscribed = false
        known.specialUse = ""
        guard !rights.contains(.read) else { return known }
        known.selectable = false
        known.uidValidity = 0
        known.uidNext = 0
        known.highestModseq = 0
        known.messageCount = 0
        known.unseenCount = 0
        known.deletedCount = 0
        known.octets = 0
        known.keywords = []
        return known
    }
}
