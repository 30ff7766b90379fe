import NIOCore

/// SEARCH and UID SEARCH (RFC 9051, 6.4.4; RFC 4731; RFC 5182).
public struct SearchCommand: Hashable, Sendable {
    /// UID SEARCH or SEARCH.
    public var numbering: Numbering
    /// What to return; nil without RETURN: IMAP4rev1 answers with SEARCH then, IMAP4rev2 with ESEARCH and ALL.
    /// An empty list, `RETURN ()`, means ALL.
    public var returns: [SearchReturnOption]?
    /// The charset of the strings in upper case; nil when it was not given.
    public var charset: String?
    /// At least one key; a message must match all of them.
    public var keys: [SearchKey]

    /// The arguments of SEARCH.
    public init(
        numbering: Numbering, returns: [SearchReturnOption]? = nil, charset: String? = nil, keys: [SearchKey]
    ) {
        self.numbering = numbering
        self.returns = returns
        self.charset = charset.map(uppercasedASCII)
        self.keys = keys
    }
}

/// A condition on a message (RFC 9051, 6.4.4; RFC 3501, 6.4.4; RFC 8474, 6; RFC 8514, 4.3). Strings are octets in the
/// command's charset.
/// Nesting is never deeper than the parser's limit, so that code may recurse over it.
public indirect enum SearchKey: Hashable, Sendable {
    case all
    /// ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, RECENT and KEYWORD.
    case flag(Flag)
    /// UNANSWERED, UNDELETED, UNDRAFT, UNFLAGGED, UNSEEN, OLD and UNKEYWORD.
    case notFlag(Flag)
    /// NEW, IMAP4rev1: recent and not seen.
    case new
    /// BCC, CC, FROM, TO and SUBJECT.
    case field(SearchField, ByteBuffer)
    /// HEADER: an empty string asks only whether the field is there.
    case header(String, ByteBuffer)
    case body(ByteBuffer)
    case text(ByteBuffer)
    /// BEFORE, ON, SINCE and their SENT and SAVED forms.
    case date(SearchDate, DateComparison, CalendarDate)
    /// MODSEQ: the modification sequence is not less. The entry is for servers that count each flag's changes by
    /// themselves (RFC 7162, 3.1.5).
    case modificationSequence(UInt64, entry: SearchEntry?)
    /// The internal date is at most so many seconds ago (RFC 5032).
    case younger(UInt32)
    /// The internal date is at least so many seconds ago (RFC 5032).
    case older(UInt32)
    case larger(UInt64)
    case smaller(UInt64)
    case sequence(MessageSet)
    case uid(MessageSet)
    /// The unique identifier is greater (RFC 9738, 3.2).
    case uidAfter(UInt32)
    /// The unique identifier is less (RFC 9738, 3.2).
    case uidBefore(UInt32)
    /// RFC 8474, 6
    case emailID(ObjectID)
    /// RFC 8474, 6
    case threadID(ObjectID)
    /// SAVEDATESUPPORTED (RFC 8514, 4.3)
    case saveDateSupported
    /// FILTER: the search that is stored by this name (RFC 5466, 3.1).
    case filter(String)
    /// FUZZY: the server may match the key with tolerance (RFC 6203, 3).
    case fuzzy(SearchKey)
    case not(SearchKey)
    case or(SearchKey, SearchKey)
    /// A list in parentheses: all of them.
    case and([SearchKey])
}

extension SearchKey {
    /// Whether this key, or one within it, is such a one.
    public func contains(where isSuch: (SearchKey) -> Bool) -> Bool {
        if isSuch(self) { return true }
        switch self {
        case .not(let key), .fuzzy(let key): return key.contains(where: isSuch)
        case .or(let first, let second): return first.contains(where: isSuch) || second.contains(where: isSuch)
        case .and(let keys): return keys.contains { $0.contains(where: isSuch) }
        default: return false
        }
    }
}

/// What of a message's metadata MODSEQ is about (RFC 7162, 7: `search-modseq-ext`).
public struct SearchEntry: Hashable, Sendable {
    /// `/flags/` and a flag.
    public var name: String
    /// Whose changes count.
    public var kind: Kind

    /// Whose changes count (RFC 7162, 7: `entry-type-req`).
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case shared = "SHARED"
        case `private` = "PRIV"
        case all = "ALL"
    }

    /// An entry.
    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// A header field with a search key of its own.
public enum SearchField: String, Hashable, Sendable, CaseIterable {
    case bcc = "BCC"
    case cc = "CC"
    case from = "FROM"
    case to = "TO"
    case subject = "SUBJECT"
}

/// Which date of a message is compared.
public enum SearchDate: Hashable, Sendable, CaseIterable {
    case `internal`
    /// The Date field.
    case sent
    /// When it was saved in its mailbox (RFC 8514, 4.3).
    case saved
}

/// How a message's date is compared with the given day, without regard to time and zone.
public enum DateComparison: String, Hashable, Sendable, CaseIterable {
    case before = "BEFORE"
    case on = "ON"
    /// Within or later.
    case since = "SINCE"
}
