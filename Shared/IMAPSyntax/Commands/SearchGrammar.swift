import NIOCore

extension SearchCommand {
    static func parse(_ cursor: inout ByteCursor, _ numbering: Numbering) throws(SyntaxError) -> SearchCommand {
        let returns = try cursor.searchReturnOptions()
        try cursor.space()
        var charset: String?
        if cursor.skip(word: "CHARSET") {
            try cursor.space()
            charset = try cursor.astringText("a charset")
            try cursor.space()
        }
        var grammar = SearchKeyGrammar(limits: cursor.limits)
        let keys = try grammar.keys(&cursor, depth: 0)
        return SearchCommand(numbering: numbering, returns: returns, charset: charset, keys: keys)
    }

    func write(to writer: inout CommandWriter) {
        writer.searchReturnOptions(returns)
        if let charset {
            writer.text(" CHARSET ")
            writer.astring(charset)
        }
        for key in keys {
            writer.space()
            key.write(to: &writer)
        }
    }
}

/// Reads search keys (RFC 9051, 9: `search-key`), counting them and how deep they are nested.
struct SearchKeyGrammar {
    let limits: ParsingLimits
    private var count = 0

    init(limits: ParsingLimits) { self.limits = limits }

    /// `search-key *(SP search-key)`
    mutating func keys(_ cursor: inout ByteCursor, depth: Int) throws(SyntaxError) -> [SearchKey] {
        var keys = [try key(&cursor, depth: depth)]
        while cursor.skip(0x20) { keys.append(try key(&cursor, depth: depth)) }
        return keys
    }

    private mutating func key(_ cursor: inout ByteCursor, depth: Int) throws(SyntaxError) -> SearchKey {
        guard depth <= limits.searchDepth else { throw cursor.beyond(.searchDepth) }
        guard count < limits.searchKeys else { throw cursor.beyond(.searchKeys) }
        count += 1
        if cursor.skip(UInt8(ascii: "(")) {
            let keys = try keys(&cursor, depth: depth + 1)
            try cursor.closeParenthesis()
            return .and(keys)
        }
        if cursor.isAtSequenceSet { return .sequence(try cursor.messageSet()) }
        let start = cursor.position
        let word = try cursor.word("a search key")
        if let key = SearchKey.withoutArguments[word] { return key }
        switch word {
        case "NOT":
            try cursor.space()
            return .not(try key(&cursor, depth: depth + 1))
        case "FUZZY":
            try cursor.space()
            return .fuzzy(try key(&cursor, depth: depth + 1))
        case "OR":
            try cursor.space()
            let first = try key(&cursor, depth: depth + 1)
            try cursor.space()
            return .or(first, try key(&cursor, depth: depth + 1))
        case "UID":
            try cursor.space()
            return .uid(try cursor.messageSet())
        case "UIDAFTER", "UIDBEFORE":
            try cursor.space()
            let uid = try cursor.nonZeroNumber("a unique identifier")
            return word == "UIDAFTER" ? .uidAfter(uid) : .uidBefore(uid)
        case "KEYWORD": return .flag(try keyword(&cursor))
        case "UNKEYWORD": return .notFlag(try keyword(&cursor))
        case "FILTER":
            try cursor.space()
            return .filter(try cursor.filterName())
        case "BODY": return .body(try string(&cursor))
        case "TEXT": return .text(try string(&cursor))
        case "HEADER":
            try cursor.space()
            let name = try cursor.astringText("a field name")
            return .header(name, try string(&cursor))
        case "MODSEQ":
            try cursor.space()
            return try modificationSequence(&cursor)
        case "YOUNGER", "OLDER":
            try cursor.space()
            let seconds = try cursor.nonZeroNumber("a number of seconds")
            return word == "YOUNGER" ? .younger(seconds) : .older(seconds)
        case "LARGER", "SMALLER":
            try cursor.space()
            let size = try cursor.number64("a size")
            return word == "LARGER" ? .larger(size) : .smaller(size)
        case "EMAILID":
            try cursor.space()
            return .emailID(try cursor.objectID())
        case "THREADID":
            try cursor.space()
            return .threadID(try cursor.objectID())
        default: break
        }
        if let field = SearchField(rawValue: word) { return .field(field, try string(&cursor)) }
        if let comparison = DateComparison(rawValue: word) { return .date(.internal, comparison, try date(&cursor)) }
        if word.hasPrefix("SENT"), let comparison = DateComparison(rawValue: String(word.dropFirst(4))) {
            return .date(.sent, comparison, try date(&cursor))
        }
        if word.hasPrefix("SAVED"), let comparison = DateComparison(rawValue: String(word.dropFirst(5))) {
            return .date(.saved, comparison, try date(&cursor))
        }
        throw cursor.failure("a search key", at: start)
    }

    private func string(_ cursor: inout ByteCursor) throws(SyntaxError) -> ByteBuffer {
        try cursor.space()
        return try cursor.astring("a string to search")
    }

    /// `[entry-name SP entry-type-req SP] mod-sequence-valzer`
    private func modificationSequence(_ cursor: inout ByteCursor) throws(SyntaxError) -> SearchKey {
        guard cursor.isNext(UInt8(ascii: "\"")) else {
            return .modificationSequence(try cursor.modificationSequence(), entry: nil)
        }
        let name = try cursor.astringText("the name of an entry")
        try cursor.space()
        let start = cursor.position
        guard let kind = SearchEntry.Kind(rawValue: try cursor.word("all, priv or shared")) else {
            throw cursor.failure("all, priv or shared", at: start)
        }
        try cursor.space()
        return .modificationSequence(
            try cursor.modificationSequence(), entry: SearchEntry(name: name, kind: kind))
    }

    private func date(_ cursor: inout ByteCursor) throws(SyntaxError) -> CalendarDate {
        try cursor.space()
        return try cursor.date()
    }

    private func keyword(_ cursor: inout ByteCursor) throws(SyntaxError) -> Flag {
        try cursor.space()
        return Flag(try cursor.atom("a keyword"))
    }
}

extension SearchKey {
    /// Keys that are one word.
    static let withoutArguments: [String: SearchKey] = [
        "ALL": .all,
        "ANSWERED": .flag(.answered), "UNANSWERED": .notFlag(.answered),
        "DELETED": .flag(.deleted), "UNDELETED": .notFlag(.deleted),
        "DRAFT": .flag(.draft), "UNDRAFT": .notFlag(.draft),
        "FLAGGED": .flag(.flagged), "UNFLAGGED": .notFlag(.flagged),
        "SEEN": .flag(.seen), "UNSEEN": .notFlag(.seen),
        "RECENT": .flag(.recent), "OLD": .notFlag(.recent),
        "NEW": .new,
        "SAVEDATESUPPORTED": .saveDateSupported,
    ]

    private static let words = Dictionary(uniqueKeysWithValues: withoutArguments.map { ($0.value, $0.key) })

    func write(to writer: inout CommandWriter) {
        if let word = SearchKey.words[self] { return writer.text(word) }
        switch self {
        case .all: writer.text("ALL")
        case .new: writer.text("NEW")
        case .saveDateSupported: writer.text("SAVEDATESUPPORTED")
        case .flag(let flag): writer.text("KEYWORD \(flag.name)")
        case .notFlag(let flag): writer.text("UNKEYWORD \(flag.name)")
        case .field(let field, let octets):
            writer.text(field.rawValue)
            writer.space()
            writer.astring(octets)
        case .header(let name, let octets):
            writer.text("HEADER ")
            writer.astring(name)
            writer.space()
            writer.astring(octets)
        case .body(let octets):
            writer.text("BODY ")
            writer.astring(octets)
        case .text(let octets):
            writer.text("TEXT ")
            writer.astring(octets)
        case .date(let which, let comparison, let date):
            switch which {
            case .internal: break
            case .sent: writer.text("SENT")
            case .saved: writer.text("SAVED")
            }
            writer.text(comparison.rawValue)
            writer.space()
            writer.date(date)
        case .modificationSequence(let value, let entry):
            writer.text("MODSEQ ")
            if let entry {
                writer.string(entry.name)
                writer.text(" \(entry.kind.rawValue.lowercased()) ")
            }
            writer.number(value)
        case .younger(let seconds):
            writer.text("YOUNGER ")
            writer.number(seconds)
        case .older(let seconds):
            writer.text("OLDER ")
            writer.number(seconds)
        case .larger(let size):
            writer.text("LARGER ")
            writer.number(size)
        case .smaller(let size):
            writer.text("SMALLER ")
            writer.number(size)
        case .sequence(let messages): writer.messageSet(messages)
        case .uid(let messages):
            writer.text("UID ")
            writer.messageSet(messages)
        case .uidAfter(let uid):
            writer.text("UIDAFTER ")
            writer.number(uid)
        case .uidBefore(let uid):
            writer.text("UIDBEFORE ")
            writer.number(uid)
        case .emailID(let identifier):
            writer.text("EMAILID ")
            writer.text(identifier.value)
        case .threadID(let identifier):
            writer.text("THREADID ")
            writer.text(identifier.value)
        case .filter(let name): writer.text("FILTER \(name)")
        case .not(let key):
            writer.text("NOT ")
            key.write(to: &writer)
        case .fuzzy(let key):
            writer.text("FUZZY ")
            key.write(to: &writer)
        case .or(let first, let second):
            writer.text("OR ")
            first.write(to: &writer)
            writer.space()
            second.write(to: &writer)
        case .and(let keys):
            writer.list(keys) { writer, key in key.write(to: &writer) }
        }
    }
}
