/// REFERENCES (RFC 5256, 3) and REFS (draft-ietf-morg-inthread, 4), in the steps and the words of the RFC.
///
/// A node is a number: below the count of messages it is a message, above it is a dummy, which stands for a message that
/// only others speak of. Nothing recurs, however long the chain of replies that somebody claims.
struct ReferenceThreads {
    private let input: ThreadInput
    /// For each node its parent, or -1. What has a parent is never its own ancestor.
    private var parents: [Int]
    private var childCounts: [Int]
    /// Nodes that have ever been linked lead to one another here, by way of any of them: what is not linked needs no look
    /// whether it would be a loop. A link that is broken leaves them together.
    private var fragments: [Int]
    /// For each identifier its node, or -1.
    private var nodes: [Int]
    /// Steps that looks for loops may still take: nobody's references make the work grow with the square of the messages.
    /// Beyond that a link is taken for a loop.
    private var steps: Int

    /// The threads. With `mergesSubjects` it is REFERENCES, without REFS.
    static func make(_ input: ThreadInput, mergesSubjects: Bool) -> [ThreadMember] {
        var threads = ReferenceThreads(input)
        for message in input.messages.indices { threads.link(message) }
        threads.prune()
        let order = input.byDate
        if mergesSubjects { threads.mergeSubjects(order) }
        return threads.members(order, byArrival: !mergesSubjects)
    }

    private init(_ input: ThreadInput) {
        self.input = input
        parents = [Int](repeating: -1, count: input.messages.count)
        childCounts = [Int](repeating: 0, count: input.messages.count)
        fragments = Array(input.messages.indices)
        nodes = [Int](repeating: -1, count: input.identifierCount)
        steps = 1_000_000 + 100 * input.messages.count
        // A duplicate of a Message-ID is one that nobody can refer to.
        for (position, message) in input.messages.enumerated() {
            if let identifier = message.identifier, nodes[identifier] < 0 { nodes[identifier] = position }
        }
    }

    private func isDummy(_ node: Int) -> Bool { node >= input.messages.count }

    // MARK: Step 1

    private mutating func link(_ message: Int) {
        var previous = -1
        for reference in input.references[input.messages[message].references] {
            let node = self.node(of: reference)
            if previous >= 0, parents[node] < 0 { adopt(node, by: previous) }
            previous = node
        }
        if parents[message] >= 0, parents[message] != previous {
            childCounts[parents[message]] -= 1
            parents[message] = -1
        }
        if previous >= 0, parents[message] < 0 { adopt(message, by: previous) }
    }

    private mutating func node(of identifier: Int) -> Int {
        if nodes[identifier] < 0 { nodes[identifier] = addDummy() }
        return nodes[identifier]
    }

    private mutating func addDummy() -> Int {
        parents.append(-1)
        childCounts.append(0)
        fragments.append(fragments.count)
        return parents.count - 1
    }

    /// Makes a node without parent the child of another, unless that is below it.
    private mutating func adopt(_ child: Int, by parent: Int) {
        let (mine, theirs) = (fragment(of: child), fragment(of: parent))
        guard child != parent, mine != theirs || !isAncestor(child, of: parent) else { return }
        parents[child] = parent
        childCounts[parent] += 1
        fragments[mine] = theirs
    }

    private mutating func fragment(of node: Int) -> Int {
        var place = node
        while fragments[place] != place {
            fragments[place] = fragments[fragments[place]]
            place = fragments[place]
        }
        return place
    }

    private mutating func isAncestor(_ node: Int, of other: Int) -> Bool {
        if childCounts[node] == 0 { return false }
        var place = other
        while parents[place] >= 0 {
            place = parents[place]
            steps -= 1
            if place == node || steps < 0 { return true }
        }
        return false
    }

    // MARK: Steps 2 and 3

    /// Takes dummies out: their children go to the next message above. A dummy that is the first of a thread stays when
    /// it has several children, since these would become threads of their own.
    private mutating func prune() {
        let count = input.messages.count
        var above = [Int](repeating: -1, count: parents.count)
        for dummy in count..<parents.count where above[dummy] < 0 {
            var path = [dummy]
            var end = dummy
            // Up to a message, to a dummy that is known, or to one that has no parent.
            while isDummy(end), above[end] < 0, parents[end] >= 0 {
                end = parents[end]
                path.append(end)
            }
            if isDummy(end), above[end] >= 0 { end = above[end] }
            for node in path where isDummy(node) { above[node] = end }
        }
        childCounts = [Int](repeating: 0, count: parents.count)
        for message in 0..<count {
            if parents[message] >= count { parents[message] = above[parents[message]] }
            if parents[message] >= 0 { childCounts[parents[message]] += 1 }
        }
        for message in 0..<count where parents[message] >= count && childCounts[parents[message]] == 1 {
            parents[message] = -1
        }
        for dummy in count..<parents.count { parents[dummy] = -1 }
    }

    // MARK: Steps 4 and 5

    /// Puts threads of the same subject together. `order` is that of the messages by date.
    private mutating func mergeSubjects(_ order: [Int]) {
        let roots = self.roots(order)
        var table = [Int](repeating: -1, count: input.subjectCount)
        for (root, first) in roots {
            let subject = input.messages[first].subject
            guard subject != 0 else { continue }
            let known = table[subject]
            if known < 0 || !isDummy(known) && (isDummy(root) || isReply(known) && !isReply(root)) {
                table[subject] = root
            }
        }
        for (root, first) in roots {
            let subject = input.messages[first].subject
            guard subject != 0, table[subject] != root else { continue }
            let known = table[subject]
            // Of two dummies the one becomes the other, which its children see below.
            if isDummy(known) || isReply(root) && !isReply(known) {
                parents[root] = known
            } else {
                let dummy = addDummy()
                parents[root] = dummy
                parents[known] = dummy
                table[subject] = dummy
            }
        }
        for message in 0..<input.messages.count where parents[message] >= 0 && isDummy(parents[message]) {
            let dummy = parents[message]
            if parents[dummy] >= 0 { parents[message] = parents[dummy] }
        }
    }

    /// A dummy is neither reply nor forward.
    private func isReply(_ node: Int) -> Bool { !isDummy(node) && input.messages[node].isReplyOrForward }

    /// The first member of each thread with the message whose date and subject are the thread's, which is a dummy's
    /// first child; by that date.
    private func roots(_ order: [Int]) -> [(root: Int, first: Int)] {
        var roots: [(root: Int, first: Int)] = []
        var seen = [Bool](repeating: false, count: parents.count)
        for message in order {
            let root = parents[message] < 0 ? message : parents[message]
            guard root == message || isDummy(root), !seen[root] else { continue }
            seen[root] = true
            roots.append((root, message))
        }
        return roots
    }

    // MARK: Step 6

    /// All threads, each set of siblings by sent date; the threads by that of their first message, or by the arrival of
    /// the latest in each.
    private func members(_ order: [Int], byArrival: Bool) -> [ThreadMember] {
        let children = self.children(order)
        var threads: [(latest: Int64, members: Range<Int>)] = []
        var members: [ThreadMember] = []
        members.reserveCapacity(parents.count)
        for (root, _) in roots(order) {
            let start = members.count
            var latest = Int64.min
            var path = [(node: root, depth: 0)]
            while let (node, depth) = path.popLast() {
                if !isDummy(node) { latest = max(latest, input.messages[node].arrival) }
                members.append(ThreadMember(message: isDummy(node) ? nil : node, depth: depth))
                for child in children.nodes[children.starts[node]..<children.starts[node + 1]].reversed() {
                    path.append((child, depth + 1))
                }
            }
            threads.append((latest, start..<members.count))
        }
        guard byArrival else { return members }
        let byLatest = threads.indices.sorted { left, right in
            let (first, second) = (threads[left].latest, threads[right].latest)
            return first == second ? left < right : first < second
        }
        return byLatest.flatMap { members[threads[$0].members] }
    }

    /// The children of all nodes in one list, each node's by date from its start to the next one's.
    private func children(_ order: [Int]) -> (nodes: [Int], starts: [Int]) {
        var starts = [Int](repeating: 0, count: parents.count + 1)
        for message in order where parents[message] >= 0 { starts[parents[message] + 1] += 1 }
        for node in 0..<parents.count { starts[node + 1] += starts[node] }
        var next = starts
        var nodes = [Int](repeating: 0, count: starts[parents.count])
        for message in order where parents[message] >= 0 {
            nodes[next[parents[message]]] = message
            next[parents[message]] += 1
        }
        return (nodes, starts)
    }
}
