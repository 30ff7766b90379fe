/// SETACL (RFC 4314, 3.1).
public struct SetACLCommand: Hashable, Sendable {
    /// Which mailbox.
    public var mailbox: MailboxName
    /// For whom.
    public var identifier: String
    /// Whether the rights replace, join or leave those that there are.
    public var change: RightsChange
    /// The rights.
    public var rights: Rights

    /// The arguments of SETACL.
    public init(mailbox: MailboxName, identifier: String, change: RightsChange = .replace, rights: Rights) {
        self.mailbox = mailbox
        self.identifier = identifier
        self.change = change
        self.rights = rights
    }
}

/// What SETACL does with its rights (RFC 4314, 7: `mod-rights`).
public enum RightsChange: String, Hashable, Sendable, CaseIterable {
    case replace = ""
    case add = "+"
    case remove = "-"
}

/// DELETEACL and LISTRIGHTS (RFC 4314, 3.2 and 3.4): a mailbox and somebody.
public struct ACLSubject: Hashable, Sendable {
    /// Which mailbox.
    public var mailbox: MailboxName
    /// Who.
    public var identifier: String

    /// A mailbox and somebody.
    public init(mailbox: MailboxName, identifier: String) {
        self.mailbox = mailbox
        self.identifier = identifier
    }
}

extension SetACLCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SetACLCommand {
        let subject = try ACLSubject.parse(&cursor)
        try cursor.space()
        let start = cursor.position
        var text = try cursor.astringText("rights")
        var change = RightsChange.replace
        for signed in [RightsChange.add, .remove] where text.hasPrefix(signed.rawValue) {
            change = signed
            text.removeFirst()
            break
        }
        guard let rights = Rights(text) else { throw cursor.failure("rights of lower-case letters", at: start) }
        return SetACLCommand(
            mailbox: subject.mailbox, identifier: subject.identifier, change: change, rights: rights)
    }

    func write(to writer: inout CommandWriter) {
        ACLSubject(mailbox: mailbox, identifier: identifier).write(to: &writer)
        writer.space()
        writer.astring(change.rawValue + rights.letters)
    }
}

extension ACLSubject {
    /// `SP mailbox SP identifier`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ACLSubject {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        return ACLSubject(mailbox: mailbox, identifier: try cursor.astringText("an identifier"))
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.mailbox(mailbox)
        writer.space()
        writer.astring(identifier)
    }
}
