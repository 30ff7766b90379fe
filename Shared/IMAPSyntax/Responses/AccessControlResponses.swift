/// Who has which rights (RFC 4314, 3.6).
public struct ACLEntry: Hashable, Sendable {
    /// Who.
    public var identifier: String
    /// What he may do.
    public var rights: Rights

    /// Somebody's rights.
    public init(_ identifier: String, _ rights: Rights) {
        self.identifier = identifier
        self.rights = rights
    }
}

/// What somebody could be allowed (RFC 4314, 3.7).
public struct ListRightsResponse: Hashable, Sendable {
    /// Which mailbox.
    public var mailbox: MailboxName
    /// Who, as the client wrote it.
    public var identifier: String
    /// What he may do in any case.
    public var required: Rights
    /// What he can be allowed besides; rights of one member only together.
    public var optional: [Rights]

    /// A LISTRIGHTS response.
    public init(mailbox: MailboxName, identifier: String, required: Rights, optional: [Rights] = []) {
        self.mailbox = mailbox
        self.identifier = identifier
        self.required = required
        self.optional = optional
    }
}

extension ByteCursor {
    /// `SP astring` that holds rights.
    mutating func rights() throws(SyntaxError) -> Rights {
        try space()
        let start = position
        guard let rights = Rights(try astringText("rights")) else {
            throw failure("rights of lower-case letters", at: start)
        }
        return rights
    }
}

extension ResponseGrammar {
    /// `SP mailbox *(SP identifier SP rights)`
    static func acl(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        var entries: [ACLEntry] = []
        while cursor.skip(0x20) {
            guard entries.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            let identifier = try cursor.astringText("an identifier")
            entries.append(ACLEntry(identifier, try cursor.rights()))
        }
        return .acl(mailbox, entries)
    }

    /// `SP mailbox SP identifier SP rights *(SP rights)`
    static func listRights(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        let subject = try ACLSubject.parse(&cursor)
        var response = ListRightsResponse(
            mailbox: subject.mailbox, identifier: subject.identifier, required: try cursor.rights())
        while !cursor.isAtEndOfLine {
            guard response.optional.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            response.optional.append(try cursor.rights())
        }
        return .listRights(response)
    }

    /// `SP mailbox SP rights`
    static func myRights(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        return .myRights(mailbox, try cursor.rights())
    }
}

extension ResponsePrinter {
    /// `* ACL INBOX Fred rwipsldexta` (RFC 4314, 3.6)
    public mutating func acl(of mailbox: MailboxName, _ entries: [ACLEntry]) {
        text("* ACL ")
        self.mailbox(mailbox)
        for entry in entries {
            space()
            astring(entry.identifier)
            space()
            astring(entry.rights.letters)
        }
        endOfLine()
    }

    /// `* LISTRIGHTS ~/Mail/saved smith la r swicdkxte` (RFC 4314, 3.7)
    public mutating func listRights(_ response: ListRightsResponse) {
        text("* LISTRIGHTS ")
        mailbox(response.mailbox)
        space()
        astring(response.identifier)
        for rights in [response.required] + response.optional {
            space()
            astring(rights.letters)
        }
        endOfLine()
    }

    /// `* MYRIGHTS INBOX rwiptsldaex` (RFC 4314, 3.8)
    public mutating func myRights(on mailbox: MailboxName, _ rights: Rights) {
        text("* MYRIGHTS ")
        self.mailbox(mailbox)
        space()
        astring(rights.letters)
        endOfLine()
    }
}
