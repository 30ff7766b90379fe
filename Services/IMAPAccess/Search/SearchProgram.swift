import Contracts
import IMAPSyntax
import MailMessage

/// A SEARCH made ready for one mailbox: sets are resolved, flags are bits, strings are folded.
///
/// Evaluation is in three values: what the columns of the view, then row, header and text do not decide is nil,
/// so that a message is read only as far as the answer depends on it.
struct SearchProgram: Sendable {
    indirect enum Node: Sendable {
        case constant(Bool)
        case flags(UInt64, set: Bool)
        case internalDate(DateComparison, Int)
        case sentDate(DateComparison, Int)
        case modificationSequence(UInt64)
        /// The internal date in whole seconds since 1970 is not less, or not greater.
        case since(Int64)
        case until(Int64)
        case larger(UInt64)
        case smaller(UInt64)
        case numbers(NumberSet)
        case uids(NumberSet)
        /// What the message says is this content.
        case content(Int64)
        /// By the day on which it was saved, or by its internal date when that is not known (RFC 8514, 4.3).
        case savedDate(DateComparison, Int)
        /// One of the fields of this name, in lower case, holds the needle; an empty one asks whether there is one.
        /// Where that may be known without the header, it is a question: by the position in `fieldQuestions`.
        case header([UInt8], TextNeedle, question: Int?)
        /// By the position in `needles`.
        case body(Int)
        case text(Int)
        case not(Node)
        case or(Node, Node)
        case and([Node])
    }

    let root: Node
    /// What BODY and TEXT look for.
    private(set) var needles: [TextNeedle] = []
    /// What is asked of fields that are kept.
    private(set) var fieldQuestions: [FieldQuestion] = []
    /// Whether storage's row of a message decides something that the view does not.
    private(set) var needsRow = false
    /// Whether the message's own header decides something that is not in `fieldQuestions`.
    private(set) var needsHeader = false

    /// What SEARCH needs to know of its mailbox.
    struct Mailbox {
        var count: Int
        var largestUID: UInt32
        var keywords: [String]
        var savedResult: NumberSet
        /// Microseconds since 1970, for YOUNGER and OLDER.
        var now: Int64
        /// Sequence numbers that no message has match none (RFC 7377, 2); otherwise they are an error.
        var toleratesMissingNumbers = false
    }

    /// The charset, in upper case as commands have it, may be any that text parts are read in.
    init(charset: String?, keys: [SearchKey], _ mailbox: Mailbox) throws(Refusal) {
        var decoder: CharsetDecoder?
        switch charset {
        case nil, "UTF-8", "US-ASCII": break
        case let charset?:
            let found = CharsetDecoder(charset: charset)
            // Whoever reads this needs one that serves for everything, not the hundreds that there are.
            guard found.isKnown else {
                throw Refusal(.no, .badCharset(["US-ASCII", "UTF-8"]), "Charset not supported")
            }
            decoder = found
        }
        var compiler = SearchCompiler(mailbox: mailbox, decoder: decoder)
        root = try compiler.compile(.and(keys))
        needles = compiler.needles
        fieldQuestions = compiler.fieldQuestions
        needsRow = compiler.needsRow
        needsHeader = compiler.needsHeader
    }

    /// What is known of a message besides its row.
    struct Knowledge {
        var header: HeaderText?
        /// What is kept of its fields.
        var fields: FieldFindings?
        /// What storage's row says besides.
        var row: StoredRow?
        /// Whether BODY and TEXT find each needle.
        var inBody: [Bool]?
        var inText: [Bool]?
        /// Needles that neither finds.
        var absent = NeedleSet()
    }

    /// What storage keeps of a message in its mailbox and the view does not hold.
    struct StoredRow {
        var contentID: Int64
        /// Microseconds since 1970; 0 when it is not known.
        var savedAt: Int64

        init(_ message: FetchedMessage) {
            contentID = message.contentID
            savedAt = message.savedAt
        }
    }

    /// Whether a message matches; nil when more must be known.
    func evaluate(_ row: MessageRow, number: Int, _ knowledge: Knowledge) -> Bool? {
        evaluate(root, row, number, knowledge)
    }

    private func evaluate(_ node: Node, _ row: MessageRow, _ number: Int, _ knowledge: Knowledge) -> Bool? {
        switch node {
        case .constant(let value): return value
        case .flags(let bits, let set): return (row.flags & bits != 0) == set
        case .internalDate(let comparison, let day):
            return comparison.holds(Self.day(row.date), day)
        case .modificationSequence(let least): return row.modseq >= least
        case .since(let second): return Self.second(row.date) >= second
        case .until(let second): return Self.second(row.date) <= second
        case .larger(let octets): return UInt64(row.size) > octets
        case .smaller(let octets): return UInt64(row.size) < octets
        case .numbers(let set): return UInt32(exactly: number).map(set.contains) ?? false
        case .uids(let set): return set.contains(row.uid)
        case .content(let contentID): return knowledge.row.map { $0.contentID == contentID }
        case .savedDate(let comparison, let day):
            return knowledge.row.map { comparison.holds(Self.day($0.savedAt == 0 ? row.date : $0.savedAt), day) }
        case .sentDate(let comparison, let day):
            guard knowledge.header != nil else { return nil }
            // A message without a readable Date was not sent on any day.
            return knowledge.header?.sentDay.map { comparison.holds($0, day) } ?? false
        case .header(let name, let needle, let question):
            return knowledge.header?.field(name, holds: needle) ?? question.flatMap { knowledge.fields?.holds($0) }
        case .body(let needle): return knowledge.absent.contains(needle) ? false : knowledge.inBody?[needle]
        case .text(let needle): return knowledge.absent.contains(needle) ? false : knowledge.inText?[needle]
        case .not(let inner): return evaluate(inner, row, number, knowledge).map { !$0 }
        case .or(let left, let right):
            let first = evaluate(left, row, number, knowledge)
            if first == true { return true }
            let second = evaluate(right, row, number, knowledge)
            if second == true { return true }
            return first == nil || second == nil ? nil : false
        case .and(let nodes):
            var isOpen = false
            for node in nodes {
                switch evaluate(node, row, number, knowledge) {
                case false?: return false
                case nil: isOpen = true
                case true?: break
                }
            }
            return isOpen ? nil : true
        }
    }

    /// The day since 1970 of a time in microseconds.
    static func day(_ microseconds: Int64) -> Int {
        let day: Int64 = 86_400_000_000
        return Int(microseconds >= 0 ? microseconds / day : (microseconds - day + 1) / day)
    }

    /// The second since 1970 of a time in microseconds.
    static func second(_ microseconds: Int64) -> Int64 {
        microseconds / 1_000_000 - (microseconds % 1_000_000 < 0 ? 1 : 0)
    }
}

extension DateComparison {
    func holds(_ day: Int, _ given: Int) -> Bool {
        switch self {
        case .before: day < given
        case .on: day == given
        case .since: day >= given
        }
    }
}

private struct SearchCompiler {
    let mailbox: SearchProgram.Mailbox
    /// Nil for UTF-8.
    let decoder: CharsetDecoder?
    var needles: [TextNeedle] = []
    var fieldQuestions: [FieldQuestion] = []
    var needsRow = false
    var needsHeader = false

    /// The parser bounds how deep keys nest.
    mutating func compile(_ key: SearchKey) throws(Refusal) -> SearchProgram.Node {
        switch key {
        case .all: return .constant(true)
        case .flag(let flag): return flagNode(flag, set: true)
        case .notFlag(let flag): return flagNode(flag, set: false)
        // No message is recent for any session, so that none is new either (RFC 3501, 2.3.2).
        case .new: return .constant(false)
        case .field(let field, let text):
            return header(field.rawValue, try needle(text.readableBytesView))
        case .header(let name, let text):
            return header(name, try needle(text.readableBytesView))
        case .body(let text): return .body(try keep(needle(text.readableBytesView)))
        case .text(let text): return .text(try keep(needle(text.readableBytesView)))
        case .date(.internal, let comparison, let date): return .internalDate(comparison, date.daysSince1970)
        case .date(.sent, let comparison, let date):
            needsHeader = true
            return .sentDate(comparison, date.daysSince1970)
        case .modificationSequence(let least, _): return .modificationSequence(least)
        case .younger(let seconds): return .since(SearchProgram.second(mailbox.now) - Int64(seconds))
        case .older(let seconds): return .until(SearchProgram.second(mailbox.now) - Int64(seconds))
        case .larger(let octets): return .larger(octets)
        case .smaller(let octets): return .smaller(octets)
        case .sequence(.savedResult), .uid(.savedResult): return .uids(mailbox.savedResult)
        case .sequence(.set(let set)):
            let count = UInt32(clamping: mailbox.count)
            if mailbox.toleratesMissingNumbers { return .numbers(set.resolved(largestUID: count)) }
            guard let numbers = set.resolved(messageCount: count) else {
                throw Refusal(.bad, nil, "No message has such a number")
            }
            return .numbers(numbers)
        case .uid(.set(let set)): return .uids(set.resolved(largestUID: mailbox.largestUID))
        case .uidAfter(let uid): return .uids(.above(uid))
        case .uidBefore(let uid): return .uids(.below(uid))
        case .date(.saved, let comparison, let date):
            needsRow = true
            return .savedDate(comparison, date.daysSince1970)
        case .saveDateSupported: return .constant(true)
        // Its value stands in its place by now.
        case .filter(let name): throw StoredFilters.undefined(name)
        case .emailID(let identifier):
            guard let number = identifier.number(of: .email) else { return .constant(false) }
            needsRow = true
            return .content(Int64(bitPattern: number))
        // Threads are not kept: no message has one (RFC 8474, 5.2).
        case .threadID: return .constant(false)
        case .not(let inner): return .not(try compile(inner))
        // Where nobody counts how relevant it is, what is exact will do (RFC 6203, 5).
        case .fuzzy(let inner): return try compile(inner)
        case .or(let left, let right): return .or(try compile(left), try compile(right))
        case .and(let keys):
            var nodes: [SearchProgram.Node] = []
            for key in keys { nodes.append(try compile(key)) }
            return .and(nodes)
        }
    }

    private func flagNode(_ flag: Flag, set: Bool) -> SearchProgram.Node {
        if flag == .recent { return .constant(!set) }
        // Nothing carries a keyword that the mailbox does not have.
        guard let bit = StoredFlags.bit(of: flag, keywords: mailbox.keywords) else { return .constant(!set) }
        return .flags(bit, set: set)
    }

    private func needle(_ octets: some Collection<UInt8>) throws(Refusal) -> TextNeedle {
        guard let decoder else {
            guard let text = String(validating: octets, as: UTF8.self) else {
                throw Refusal(.bad, nil, "The string is not UTF-8")
            }
            return TextNeedle(text)
        }
        var decoded: [UInt8] = []
        decoder.decode(Array(octets), into: &decoded)
        decoder.finish(into: &decoded)
        let text = String(decoding: decoded, as: UTF8.self)
        guard !text.unicodeScalars.contains("\u{FFFD}") else {
            throw Refusal(.bad, nil, "The string is not in the charset")
        }
        return TextNeedle(text)
    }

    private mutating func header(_ name: String, _ needle: TextNeedle) -> SearchProgram.Node {
        let name = Array(name.lowercased().utf8)
        guard fieldQuestions.count < NeedleSet.capacity, let question = FieldQuestion(name, holds: needle) else {
            needsHeader = true
            return .header(name, needle, question: nil)
        }
        fieldQuestions.append(question)
        return .header(name, needle, question: fieldQuestions.count - 1)
    }

    private mutating func keep(_ needle: TextNeedle) -> Int {
        if let known = needles.firstIndex(of: needle) { return known }
        needles.append(needle)
        return needles.count - 1
    }
}
