/// SORT and UID SORT (RFC 5256, 3; RFC 5957; RFC 5267, 3): a search whose result comes in the order that the client wants.
public struct SortCommand: Hashable, Sendable {
    /// UID SORT or SORT.
    public var numbering: Numbering
    /// What to return in an ESEARCH response, all of it in the order of the result; an empty list means ALL. Nil without
    /// RETURN: the answer is SORT then.
    public var returns: [SearchReturnOption]?
    /// At least one; what the first leaves equal, the next decides.
    public var criteria: [SortCriterion]
    /// The charset of the strings in upper case.
    public var charset: String
    /// At least one key; a message must match all of them.
    public var keys: [SearchKey]

    /// The arguments of SORT.
    public init(
        numbering: Numbering, returns: [SearchReturnOption]? = nil, criteria: [SortCriterion], charset: String,
        keys: [SearchKey]
    ) {
        self.numbering = numbering
        self.returns = returns
        self.criteria = criteria
        self.charset = uppercasedASCII(charset)
        self.keys = keys
    }
}

/// What messages are sorted by, and in which direction.
public struct SortCriterion: Hashable, Sendable {
    /// What is compared.
    public var key: SortKey
    /// REVERSE: the greatest first. Equal messages stay in the order of the mailbox all the same.
    public var isReversed: Bool

    /// A criterion.
    public init(_ key: SortKey, reversed: Bool = false) {
        self.key = key
        self.isReversed = reversed
    }
}

/// What of a message is compared (RFC 5256, 3; RFC 5957, 4; RFC 6203, 6).
public enum SortKey: String, Hashable, Sendable, CaseIterable {
    /// The internal date with its time.
    case arrival = "ARRIVAL"
    /// The local part of the first Cc address.
    case cc = "CC"
    /// The sent date with its time, in UTC.
    case date = "DATE"
    /// The name that the first From address shows.
    case displayFrom = "DISPLAYFROM"
    /// The name that the first To address shows.
    case displayTo = "DISPLAYTO"
    /// The local part of the first From address.
    case from = "FROM"
    /// The most relevant first; only with FUZZY.
    case relevancy = "RELEVANCY"
    /// Octets.
    case size = "SIZE"
    /// The base subject.
    case subject = "SUBJECT"
    /// The local part of the first To address.
    case to = "TO"
}

extension SortCommand {
    static func parse(_ cursor: inout ByteCursor, _ numbering: Numbering) throws(SyntaxError) -> SortCommand {
        let returns = try cursor.searchReturnOptions()
        try cursor.space()
        let criteria = try cursor.list { cursor throws(SyntaxError) in try SortCriterion.parse(&cursor) }
        try cursor.space()
        let (charset, keys) = try cursor.searchCriteria()
        return SortCommand(
            numbering: numbering, returns: returns, criteria: criteria, charset: charset, keys: keys)
    }

    func write(to writer: inout CommandWriter) {
        writer.searchReturnOptions(returns)
        writer.space()
        writer.list(criteria) { writer, criterion in
            if criterion.isReversed { writer.text("REVERSE ") }
            writer.text(criterion.key.rawValue)
        }
        writer.searchCriteria(charset, keys)
    }
}

extension SortCriterion {
    /// `["REVERSE" SP] sort-key`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SortCriterion {
        let isReversed = cursor.skip(word: "REVERSE")
        if isReversed { try cursor.space() }
        let start = cursor.position
        guard let key = SortKey(rawValue: try cursor.word("a sort key")) else {
            throw cursor.failure("a sort key", at: start)
        }
        return SortCriterion(key, reversed: isReversed)
    }
}

extension ByteCursor {
    /// `search-criteria` (RFC 5256, 5)
    mutating func searchCriteria() throws(SyntaxError) -> (charset: String, keys: [SearchKey]) {
        let charset = try astringText("a charset")
        try space()
        var grammar = SearchKeyGrammar(limits: limits)
        return (charset, try grammar.keys(&self, depth: 0))
    }
}

extension CommandWriter {
    /// `SP search-criteria`
    mutating func searchCriteria(_ charset: String, _ keys: [SearchKey]) {
        space()
        astring(charset)
        for key in keys {
            space()
            key.write(to: &self)
        }
    }
}
