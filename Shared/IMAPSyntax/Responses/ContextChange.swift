/// Messages that come into the result of a search that is kept up to date, or leave it (RFC 5267, 4.3.2).
public struct ContextChange: Hashable, Sendable {
    /// Where the first of them stands in the result, counted from 1; 0 for wherever the mailbox's order puts them.
    public var position: UInt32
    /// What they are called, in the order of the result.
    public var numbers: SequenceSet

    /// Messages at one place.
    public init(position: UInt32, numbers: SequenceSet) {
        self.position = position
        self.numbers = numbers
    }
}

extension ByteCursor {
    /// `"(" context-position SP sequence-set *(SP context-position SP sequence-set) ")"`
    mutating func contextChanges() throws(SyntaxError) -> [ContextChange] {
        try list { cursor throws(SyntaxError) in
            let position = try cursor.number("a position")
            try cursor.space()
            return ContextChange(position: position, numbers: try cursor.sequenceSet())
        }
    }
}

extension ResponsePrinter {
    mutating func contextChanges(_ changes: [ContextChange]) {
        list(changes) { writer, change in
            writer.number(change.position)
            writer.space()
            writer.sequenceSet(change.numbers)
        }
    }
}
