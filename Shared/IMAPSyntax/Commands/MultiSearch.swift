/// ESEARCH (RFC 7377, 2): a search of several mailboxes at once, by unique identifier.
public struct ESearchCommand: Hashable, Sendable {
    /// Which mailboxes, at least one specification; nil without IN: the selected one.
    public var sources: [SearchSource]?
    /// What to return of each mailbox; nil without RETURN, which like an empty list means ALL.
    public var returns: [SearchReturnOption]?
    /// The charset of the strings in upper case; nil when it was not given.
    public var charset: String?
    /// At least one key; a message must match all of them.
    public var keys: [SearchKey]

    /// The arguments of ESEARCH.
    public init(
        sources: [SearchSource]? = nil, returns: [SearchReturnOption]? = nil, charset: String? = nil,
        keys: [SearchKey]
    ) {
        self.sources = sources
        self.returns = returns
        self.charset = charset.map(uppercasedASCII)
        self.keys = keys
    }
}

/// Which mailboxes are searched (RFC 7377, 2.2; RFC 5465, 6).
public enum SearchSource: Hashable, Sendable {
    case selected
    /// Those that mail may be delivered to.
    case inboxes
    case personal
    case subscribed
    /// These and all below them.
    case subtree([MailboxName])
    /// These and those immediately below them.
    case subtreeOne([MailboxName])
    case mailboxes([MailboxName])
}

extension ESearchCommand {
    /// `[SP esearch-source-opts] [SP search-return-opts] SP search-program`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ESearchCommand {
        let sources = try sources(&cursor)
        let search = try SearchCommand.parse(&cursor, .uids)
        return ESearchCommand(sources: sources, returns: search.returns, charset: search.charset, keys: search.keys)
    }

    /// `[SP "IN" SP "(" source-mbox ")"]`. There are no scope options.
    private static func sources(_ cursor: inout ByteCursor) throws(SyntaxError) -> [SearchSource]? {
        let start = cursor.position
        guard cursor.skip(0x20), cursor.skip(word: "IN") else {
            cursor.rewind(to: start)
            return nil
        }
        try cursor.space()
        return try cursor.list { cursor throws(SyntaxError) in try SearchSource.parse(&cursor) }
    }

    func write(to writer: inout CommandWriter) {
        if let sources {
            writer.text(" IN ")
            writer.list(sources) { $1.write(to: &$0) }
        }
        SearchCommand(numbering: .uids, returns: returns, charset: charset, keys: keys).write(to: &writer)
    }
}

extension SearchSource {
    /// `filter-mailboxes` without `selected-delayed`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SearchSource {
        let start = cursor.position
        switch try cursor.word("which mailboxes") {
        case "SELECTED": return .selected
        case "INBOXES": return .inboxes
        case "PERSONAL": return .personal
        case "SUBSCRIBED": return .subscribed
        case "SUBTREE": return .subtree(try cursor.mailboxes())
        case "SUBTREE-ONE": return .subtreeOne(try cursor.mailboxes())
        case "MAILBOXES": return .mailboxes(try cursor.mailboxes())
        default:
            throw cursor.failure(
                "selected, inboxes, personal, subscribed, subtree, subtree-one or mailboxes", at: start)
        }
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .selected: writer.text("SELECTED")
        case .inboxes: writer.text("INBOXES")
        case .personal: writer.text("PERSONAL")
        case .subscribed: writer.text("SUBSCRIBED")
        case .subtree(let names): writer.mailboxes("SUBTREE", names)
        case .subtreeOne(let names): writer.mailboxes("SUBTREE-ONE", names)
        case .mailboxes(let names): writer.mailboxes("MAILBOXES", names)
        }
    }
}
