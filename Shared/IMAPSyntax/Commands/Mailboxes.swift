/// CREATE, with RFC 6154's special use: `CREATE MySpecial (USE (\Drafts \Sent))`.
public struct CreateCommand: Hashable, Sendable {
    /// The new mailbox.
    public var mailbox: MailboxName
    /// What it is for; empty when nothing was said.
    public var specialUse: [MailboxAttribute]

    /// The arguments of CREATE.
    public init(mailbox: MailboxName, specialUse: [MailboxAttribute] = []) {
        self.mailbox = mailbox
        self.specialUse = specialUse
    }
}

/// STATUS (RFC 9051, 6.3.11).
public struct StatusCommand: Hashable, Sendable {
    /// Which mailbox.
    public var mailbox: MailboxName
    /// What about it, in the client's order.
    public var items: [StatusItem]

    /// The arguments of STATUS.
    public init(mailbox: MailboxName, items: [StatusItem]) {
        self.mailbox = mailbox
        self.items = items
    }
}

/// An attribute of a mailbox in LIST (RFC 9051, 7.3.1): `\HasChildren`, `\Sent`, ... compared without regard to case.
public struct MailboxAttribute: Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// As it is written, with the backslash.
    public let name: String

    /// An attribute by name.
    public init(_ name: String) {
        self.name = MailboxAttribute.known.first { equalIgnoringASCIICase($0, name) } ?? name
    }

    /// An attribute written in the program.
    public init(stringLiteral value: String) { self.init(value) }

    private static let known = [
        "\\NonExistent", "\\Noinferiors", "\\Noselect", "\\HasChildren", "\\HasNoChildren", "\\Marked", "\\Unmarked",
        "\\Subscribed", "\\Remote", "\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash",
    ]

    /// RFC 9051, 7.3.1
    public static let nonExistent: MailboxAttribute = "\\NonExistent"
    /// RFC 9051, 7.3.1
    public static let noInferiors: MailboxAttribute = "\\Noinferiors"
    /// RFC 9051, 7.3.1
    public static let noSelect: MailboxAttribute = "\\Noselect"
    /// RFC 9051, 7.3.1
    public static let hasChildren: MailboxAttribute = "\\HasChildren"
    /// RFC 9051, 7.3.1
    public static let hasNoChildren: MailboxAttribute = "\\HasNoChildren"
    /// RFC 9051, 7.3.1
    public static let marked: MailboxAttribute = "\\Marked"
    /// RFC 9051, 7.3.1
    public static let unmarked: MailboxAttribute = "\\Unmarked"
    /// RFC 9051, 7.3.1
    public static let subscribed: MailboxAttribute = "\\Subscribed"
    /// RFC 9051, 7.3.1
    public static let remote: MailboxAttribute = "\\Remote"
    /// RFC 6154, 2
    public static let all: MailboxAttribute = "\\All"
    /// RFC 6154, 2
    public static let archive: MailboxAttribute = "\\Archive"
    /// RFC 6154, 2
    public static let drafts: MailboxAttribute = "\\Drafts"
    /// RFC 6154, 2
    public static let flagged: MailboxAttribute = "\\Flagged"
    /// RFC 6154, 2
    public static let junk: MailboxAttribute = "\\Junk"
    /// RFC 6154, 2
    public static let sent: MailboxAttribute = "\\Sent"
    /// RFC 6154, 2
    public static let trash: MailboxAttribute = "\\Trash"

    /// The special uses of RFC 6154, 2.
    public static let specialUses: Set<MailboxAttribute> = [
        .all, .archive, .drafts, .flagged, .junk, .sent, .trash,
    ]

    /// As it is written.
    public var description: String { name }
}

extension MailboxAttribute: Hashable {
    /// Case does not matter.
    public static func == (left: MailboxAttribute, right: MailboxAttribute) -> Bool {
        equalIgnoringASCIICase(left.name, right.name)
    }

    /// Equal attributes in different case hash alike.
    public func hash(into hasher: inout Hasher) {
        for octet in name.utf8 { hasher.combine(lowercased(octet)) }
    }
}

extension CreateCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> CreateCommand {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        guard !cursor.isAtEndOfLine else { return CreateCommand(mailbox: mailbox) }
        try cursor.space()
        try cursor.openParenthesis()
        guard cursor.skip(word: "USE") else { throw cursor.failure("USE") }
        try cursor.space()
        let uses = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in try cursor.mailboxAttribute() }
        try cursor.closeParenthesis()
        return CreateCommand(mailbox: mailbox, specialUse: uses)
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.mailbox(mailbox)
        guard !specialUse.isEmpty else { return }
        writer.text(" (USE ")
        writer.list(specialUse) { $0.text($1.name) }
        writer.text(")")
    }
}

extension StatusCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> StatusCommand {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        return StatusCommand(mailbox: mailbox, items: try cursor.statusItems())
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.mailbox(mailbox)
        writer.space()
        writer.list(items) { $0.text($1.rawValue) }
    }
}
