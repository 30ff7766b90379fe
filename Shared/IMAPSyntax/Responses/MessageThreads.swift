/// The threads of a THREAD response (RFC 5256, 4). Threads nest as deep as their senders like, so that they are kept as
/// a list, each parent before its children, and neither reading nor printing them recurs.
public struct MessageThreads: Hashable, Sendable {
    /// A place in a thread.
    public struct Member: Hashable, Sendable {
        /// The message; nil for one that is not among those searched.
        public let number: UInt32?
        /// 0 for the first of a thread, and one more than its parent's for any other.
        public let depth: Int
    }

    /// The members of all threads, in order.
    public private(set) var members: [Member] = []

    /// No thread.
    public init() {}

    /// Adds a member behind the last; one that is deeper than the last's child becomes its child. One without a number
    /// must be the first of its thread, or have siblings, and must get two children at least: nothing else can be
    /// written.
    public mutating func append(_ number: UInt32?, depth: Int) {
        members.append(Member(number: number, depth: max(0, min(depth, members.last.map { $0.depth + 1 } ?? 0))))
    }

    /// For each member, how many children it has.
    var childCounts: [Int] {
        var counts = [Int](repeating: 0, count: members.count)
        var parents: [Int] = []
        for (index, member) in members.enumerated() {
            parents.removeLast(parents.count - member.depth)
            if let parent = parents.last { counts[parent] += 1 }
            parents.append(index)
        }
        return counts
    }
}

extension MessageThreads {
    /// `[SP 1*thread-list]`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> MessageThreads {
        var threads = MessageThreads()
        guard cursor.skip(0x20), !cursor.isAtEndOfLine else { return threads }
        // For each list that is open, the depth of the last member in it.
        var open: [Int] = []
        repeat {
            try cursor.openParenthesis()
            let depth = open.last.map { $0 + 1 } ?? 0
            open.append(depth)
            guard !cursor.isNext(UInt8(ascii: "(")) else {
                threads.append(nil, depth: depth)
                continue
            }
            threads.append(try cursor.nonZeroNumber("a message number"), depth: depth)
            if try threads.successors(&cursor, &open) { continue }
            // Behind nested lists only more of them can follow, or the end of the list that they are in.
            repeat {
                try cursor.closeParenthesis()
                open.removeLast()
            } while !open.isEmpty && !cursor.isNext(UInt8(ascii: "("))
        } while !open.isEmpty || cursor.isNext(UInt8(ascii: "("))
        return threads
    }

    /// `*(SP nz-number) [SP thread-nested]` up to the first nested list; whether there is one.
    private mutating func successors(_ cursor: inout ByteCursor, _ open: inout [Int]) throws(SyntaxError) -> Bool {
        while cursor.skip(0x20) {
            if cursor.isNext(UInt8(ascii: "(")) { return true }
            open[open.count - 1] += 1
            append(try cursor.nonZeroNumber("a message number"), depth: open[open.count - 1])
        }
        return false
    }
}
