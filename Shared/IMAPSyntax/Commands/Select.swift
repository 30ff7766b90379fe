/// SELECT and EXAMINE (RFC 9051, 6.3.2 and 6.3.3) with their parameters (RFC 4466, 2.1; RFC 7162, 3.1.8 and 3.2.5).
public struct SelectCommand: Hashable, Sendable {
    /// What to open.
    public var mailbox: MailboxName
    /// CONDSTORE: every FETCH response that was not asked for is to carry the modification sequence.
    public var wantsModificationSequences: Bool
    /// QRESYNC: what the client knows of the mailbox from before.
    public var known: KnownMailboxState?

    /// The arguments of SELECT and EXAMINE.
    public init(
        _ mailbox: MailboxName, wantsModificationSequences: Bool = false, known: KnownMailboxState? = nil
    ) {
        self.mailbox = mailbox
        self.wantsModificationSequences = wantsModificationSequences
        self.known = known
    }
}

/// What a client that comes back knows of a mailbox (RFC 7162, 3.2.5).
public struct KnownMailboxState: Hashable, Sendable {
    /// The validity of the unique identifiers that it knows.
    public var uidValidity: UInt32
    /// The mailbox's modification sequence up to which it knows everything, at most 2^63 - 1.
    public var modificationSequence: UInt64
    /// The messages that it asks about; nil for all that there ever were. Never `*`.
    public var uids: SequenceSet?
    /// A sample of what it knows, by which the server can tell how far nothing is missing (RFC 7162, 3.2.5.2).
    public var matches: SequenceMatches?

    /// What a client knows.
    public init(
        uidValidity: UInt32, modificationSequence: UInt64, uids: SequenceSet? = nil, matches: SequenceMatches? = nil
    ) {
        self.uidValidity = uidValidity
        self.modificationSequence = modificationSequence
        self.uids = uids
        self.matches = matches
    }
}

/// Message sequence numbers and the unique identifiers that they had, in step and ascending (RFC 7162, 3.2.5.2).
public struct SequenceMatches: Hashable, Sendable {
    /// Message sequence numbers, never `*`.
    public let numbers: SequenceSet
    /// As many unique identifiers, never `*`.
    public let uids: SequenceSet

    /// Nil unless both name equally many messages, ascending, and no more than `limit`.
    public init?(numbers: SequenceSet, uids: SequenceSet, limit: Int) {
        guard let first = numbers.numbersInOrder(limit: limit), let second = uids.numbersInOrder(limit: limit),
            first.count == second.count, first.isStrictlyAscending, second.isStrictlyAscending
        else { return nil }
        self.numbers = numbers
        self.uids = uids
    }

    /// The pairs, ascending.
    public var pairs: [(number: UInt32, uid: UInt32)] {
        zip(numbers.numbersInOrder(limit: .max) ?? [], uids.numbersInOrder(limit: .max) ?? []).map { ($0, $1) }
    }
}

extension [UInt32] {
    fileprivate var isStrictlyAscending: Bool { zip(self, dropFirst()).allSatisfy { $0 < $1 } }
}

extension SelectCommand {
    /// `SP mailbox [SP "(" select-param *(SP select-param) ")"]`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SelectCommand {
        try cursor.space()
        var command = SelectCommand(try cursor.mailbox())
        guard cursor.skip(0x20) else { return command }
        _ = try cursor.list { cursor throws(SyntaxError) in
            let start = cursor.position
            switch try cursor.word("a parameter of SELECT") {
            case "CONDSTORE" where !command.wantsModificationSequences:
                command.wantsModificationSequences = true
            case "QRESYNC" where command.known == nil:
                try cursor.space()
                command.known = try KnownMailboxState.parse(&cursor)
            default: throw cursor.failure("CONDSTORE or QRESYNC, each once", at: start)
            }
        }
        return command
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.mailbox(mailbox)
        guard wantsModificationSequences || known != nil else { return }
        writer.text(" (")
        if wantsModificationSequences { writer.text("CONDSTORE") }
        if let known {
            if wantsModificationSequences { writer.space() }
            writer.text("QRESYNC ")
            known.write(to: &writer)
        }
        writer.text(")")
    }
}

extension KnownMailboxState {
    /// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> KnownMailboxState {
        try cursor.openParenthesis()
        let validity = try cursor.nonZeroNumber("a UIDVALIDITY")
        try cursor.space()
        var state = KnownMailboxState(
            uidValidity: validity, modificationSequence: try cursor.modificationSequence())
        var isAtMatches = false
        if cursor.skip(0x20) {
            isAtMatches = cursor.isNext(UInt8(ascii: "("))
            if !isAtMatches {
                state.uids = try cursor.knownUIDs()
                isAtMatches = cursor.skip(0x20)
            }
        }
        if isAtMatches {
            let start = cursor.position
            try cursor.openParenthesis()
            let numbers = try cursor.knownUIDs()
            try cursor.space()
            let uids = try cursor.knownUIDs()
            try cursor.closeParenthesis()
            guard let matches = SequenceMatches(numbers: numbers, uids: uids, limit: cursor.limits.listItems) else {
                throw cursor.failure("as many unique identifiers as sequence numbers, both ascending", at: start)
            }
            state.matches = matches
        }
        try cursor.closeParenthesis()
        return state
    }

    func write(to writer: inout CommandWriter) {
        writer.text("(")
        writer.number(uidValidity)
        writer.space()
        writer.number(modificationSequence)
        if let uids {
            writer.space()
            writer.sequenceSet(uids)
        }
        if let matches {
            writer.text(" (")
            writer.sequenceSet(matches.numbers)
            writer.space()
            writer.sequenceSet(matches.uids)
            writer.text(")")
        }
        writer.text(")")
    }
}

extension ByteCursor {
    /// `mod-sequence-value`, and 0, which clients send that know nothing yet (RFC 7162, 7).
    mutating func modificationSequence() throws(SyntaxError) -> UInt64 {
        try number64("a modification sequence")
    }

    /// `known-uids`: a set in which `*` may not stand.
    mutating func knownUIDs() throws(SyntaxError) -> SequenceSet {
        let start = position
        let set = try sequenceSet()
        guard !set.usesLargest else { throw failure("numbers without \"*\"", at: start) }
        return set
    }
}
