/// LIST, basic and extended (RFC 9051, 6.3.9; RFC 5258; RFC 5819; RFC 6154).
public struct ListCommand: Hashable, Sendable {
    /// Which mailboxes; nil when the client gave no selection options, empty for `()`.
    public var selection: [ListSelectionOption]?
    /// What patterns are relative to; empty for none.
    public var reference: MailboxName
    /// At least one pattern.
    public var patterns: [MailboxPattern]
    /// Whether the patterns stood in parentheses, which makes the command extended even when there is one.
    public var patternsAreListed: Bool
    /// What to return; nil when the client gave no return options.
    public var returns: [ListReturnOption]?

    /// The arguments of LIST.
    public init(
        selection: [ListSelectionOption]? = nil, reference: MailboxName = "", patterns: [MailboxPattern],
        patternsAreListed: Bool = false, returns: [ListReturnOption]? = nil
    ) {
        self.selection = selection
        self.reference = reference
        self.patterns = patterns
        self.patternsAreListed = patternsAreListed || patterns.count != 1
        self.returns = returns
    }

    /// Whether any syntax of the extended LIST is used (RFC 5258, 3): then an empty pattern is no longer the question
    /// for the hierarchy delimiter.
    public var isExtended: Bool { selection != nil || patternsAreListed || returns != nil }

    /// The question for the hierarchy delimiter: `LIST "" ""`.
    public var asksForDelimiter: Bool { !isExtended && patterns.first?.value.isEmpty == true }

    /// Whether a selection option was given.
    public func selects(_ option: ListSelectionOption) -> Bool { selection?.contains(option) == true }

    /// Whether a return option without arguments was given.
    public func returns(_ option: ListReturnOption) -> Bool { returns?.contains(option) == true }

    /// What RETURN (STATUS (...)) asks for; nil when it is not there.
    public var statusItems: [StatusItem]? {
        for case .status(let items) in returns ?? [] { return items }
        return nil
    }

    /// What RETURN (METADATA (...)) asks for; nil when it is not there.
    public var metadataEntries: [MetadataEntry]? {
        for case .metadata(let entries) in returns ?? [] { return entries }
        return nil
    }
}

/// Which mailboxes LIST looks at (RFC 9051, 6.3.9.1; RFC 6154, 3).
public enum ListSelectionOption: String, Hashable, Sendable, CaseIterable {
    case subscribed = "SUBSCRIBED"
    case remote = "REMOTE"
    /// Never alone: the parser refuses it without SUBSCRIBED.
    case recursiveMatch = "RECURSIVEMATCH"
    case specialUse = "SPECIAL-USE"
}

/// What LIST tells of each mailbox (RFC 9051, 6.3.9.2; RFC 5819; RFC 6154, 3; RFC 9590; RFC 8440).
public enum ListReturnOption: Hashable, Sendable {
    case subscribed
    case children
    case specialUse
    case status([StatusItem])
    case metadata([MetadataEntry])
    /// What the user may do with it.
    case myRights
}

extension ListCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ListCommand {
        try cursor.space()
        var selection: [ListSelectionOption]?
        if cursor.isNext(UInt8(ascii: "(")) {
            selection = try selectionOptions(&cursor)
            try cursor.space()
        }
        let reference = try cursor.mailbox("a reference")
        try cursor.space()
        let patternsAreListed = cursor.isNext(UInt8(ascii: "("))
        let patterns: [MailboxPattern]
        if patternsAreListed {
            patterns = try cursor.list { cursor throws(SyntaxError) in try cursor.mailboxPattern() }
        } else {
            patterns = [try cursor.mailboxPattern()]
        }
        var returns: [ListReturnOption]?
        if !cursor.isAtEndOfLine {
            try cursor.space()
            guard cursor.skip(word: "RETURN") else { throw cursor.failure("RETURN") }
            try cursor.space()
            returns = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
                try ListReturnOption.parse(&cursor)
            }
        }
        return ListCommand(
            selection: selection, reference: reference, patterns: patterns, patternsAreListed: patternsAreListed,
            returns: returns)
    }

    /// `list-select-opts`
    private static func selectionOptions(_ cursor: inout ByteCursor) throws(SyntaxError) -> [ListSelectionOption] {
        let start = cursor.position
        let options = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
            let start = cursor.position
            guard let option = ListSelectionOption(rawValue: try cursor.word("a selection option")) else {
                throw cursor.failure("a selection option", at: start)
            }
            return option
        }
        // RECURSIVEMATCH modifies a base option, and SUBSCRIBED is the only one (RFC 5258, 6; RFC 6154, 6).
        if options.contains(.recursiveMatch), !options.contains(.subscribed) {
            throw cursor.failure("an option that RECURSIVEMATCH modifies", at: start)
        }
        return options
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        if let selection {
            writer.list(selection) { $0.text($1.rawValue) }
            writer.space()
        }
        writer.mailbox(reference)
        writer.space()
        if patternsAreListed {
            writer.list(patterns) { $0.pattern($1) }
        } else {
            writer.separated(patterns) { $0.pattern($1) }
        }
        if let returns {
            writer.text(" RETURN ")
            writer.list(returns) { writer, option in option.write(to: &writer) }
        }
    }
}

extension ListReturnOption {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ListReturnOption {
        let start = cursor.position
        switch try cursor.word("a return option") {
        case "SUBSCRIBED": return .subscribed
        case "CHILDREN": return .children
        case "SPECIAL-USE": return .specialUse
        case "MYRIGHTS": return .myRights
        case "STATUS":
            try cursor.space()
            return .status(try cursor.statusItems())
        case "METADATA":
            try cursor.space()
            return .metadata(try cursor.metadataEntries())
        default: throw cursor.failure("a return option", at: start)
        }
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .subscribed: writer.text("SUBSCRIBED")
        case .children: writer.text("CHILDREN")
        case .specialUse: writer.text("SPECIAL-USE")
        case .myRights: writer.text("MYRIGHTS")
        case .status(let items):
            writer.text("STATUS ")
            writer.list(items) { $0.text($1.rawValue) }
        case .metadata(let entries):
            writer.text("METADATA ")
            writer.metadataEntries(entries)
        }
    }
}
