import NIOCore

/// A LIST or LSUB response (RFC 9051, 7.3.1; RFC 5258).
public struct MailboxListing: Hashable, Sendable {
    /// `\HasChildren`, `\Sent`, ...
    public var attributes: [MailboxAttribute]
    /// The hierarchy delimiter; nil for a flat name.
    public var delimiter: Character?
    /// The mailbox.
    public var mailbox: MailboxName
    /// Extended data: CHILDINFO, OLDNAME and what is not known here.
    public var extended: [ListExtendedItem]

    /// A LIST response.
    public init(
        attributes: [MailboxAttribute] = [], delimiter: Character? = "/", mailbox: MailboxName,
        extended: [ListExtendedItem] = []
    ) {
        self.attributes = attributes
        self.delimiter = delimiter
        self.mailbox = mailbox
        self.extended = extended
    }
}

/// Extended data of a LIST response (RFC 9051, 9: `mbox-list-extended-item`).
public enum ListExtendedItem: Hashable, Sendable {
    /// Why a mailbox that does not match itself is listed under RECURSIVEMATCH (RFC 5258, 3.5).
    case childInfo([ListSelectionOption])
    /// What the mailbox was called before (RFC 9051, 6.3.9.7).
    case oldName(MailboxName)
    case other(String, ExtensionValue)
}

/// NAMESPACE's answer (RFC 9051, 6.3.10; RFC 2342): nil for a kind that the server does not have.
public struct NamespaceResponse: Hashable, Sendable {
    /// The user's own mailboxes.
    public var personal: [Namespace]?
    /// Other users' mailboxes.
    public var otherUsers: [Namespace]?
    /// Shared mailboxes.
    public var shared: [Namespace]?

    /// The three kinds of namespaces.
    public init(personal: [Namespace]?, otherUsers: [Namespace]? = nil, shared: [Namespace]? = nil) {
        self.personal = personal
        self.otherUsers = otherUsers
        self.shared = shared
    }
}

/// One namespace: the prefix of its names, and its delimiter.
public struct Namespace: Hashable, Sendable {
    /// The prefix, often empty.
    public var prefix: MailboxName
    /// The hierarchy delimiter; nil when names are flat.
    public var delimiter: Character?

    /// A namespace.
    public init(prefix: MailboxName, delimiter: Character?) {
        self.prefix = prefix
        self.delimiter = delimiter
    }
}

extension MailboxListing {
    /// `SP mailbox-list`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> MailboxListing {
        try cursor.space()
        let attributes = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
            try cursor.mailboxAttribute()
        }
        try cursor.space()
        let delimiter = try cursor.delimiter()
        try cursor.space()
        var listing = MailboxListing(attributes: attributes, delimiter: delimiter, mailbox: try cursor.mailbox())
        if cursor.skip(0x20) {
            listing.extended = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
                try ListExtendedItem.parse(&cursor)
            }
        }
        return listing
    }
}

extension ListExtendedItem {
    /// `mbox-list-extended-item`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ListExtendedItem {
        let tag = try cursor.astringText("a tag of extended data")
        try cursor.space()
        switch uppercasedASCII(tag) {
        case "OLDNAME":
            try cursor.openParenthesis()
            let name = try cursor.mailbox()
            try cursor.closeParenthesis()
            return .oldName(name)
        case "CHILDINFO":
            let options = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
                ListSelectionOption(rawValue: uppercasedASCII(try cursor.astringText()))
            }
            return .childInfo(options.compactMap { $0 })
        default: return .other(tag, try cursor.extensionValue())
        }
    }
}

extension NamespaceResponse {
    /// `SP namespace SP namespace SP namespace`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> NamespaceResponse {
        NamespaceResponse(
            personal: try kind(&cursor), otherUsers: try kind(&cursor), shared: try kind(&cursor))
    }

    private static func kind(_ cursor: inout ByteCursor) throws(SyntaxError) -> [Namespace]? {
        try cursor.space()
        if cursor.skip(word: "NIL") { return nil }
        try cursor.openParenthesis()
        var namespaces: [Namespace] = []
        while cursor.skip(UInt8(ascii: "(")) {
            guard namespaces.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            let prefix = try cursor.mailbox("a prefix")
            try cursor.space()
            namespaces.append(Namespace(prefix: prefix, delimiter: try cursor.delimiter()))
            // Extensions of a namespace (RFC 2342, 6) are passed over.
            while cursor.skip(0x20) { _ = try cursor.rawValue() }
            try cursor.closeParenthesis()
        }
        try cursor.closeParenthesis()
        return namespaces
    }
}

extension ByteCursor {
    /// A hierarchy delimiter in quotes, or NIL.
    mutating func delimiter() throws(SyntaxError) -> Character? {
        if skip(word: "NIL") { return nil }
        let start = position
        let text = try stringText()
        guard let character = text.first, text.count == 1 else { throw failure("one character or NIL", at: start) }
        return character
    }
}
