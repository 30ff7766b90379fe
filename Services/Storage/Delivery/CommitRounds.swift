import NIOCore

/// The commits of one batch, and how far they have come: which go into one transaction, and which later.
///
/// The batch is made of *runs*: commits that come one behind the other, as those of one client's commands do; most runs
/// have one. What holds for them:
/// - no two commits of a round are the same delivery: they would not see each other's receipts;
/// - a commit never overtakes an earlier one of its run: when one has to wait, all behind it wait;
/// - behind one that is in doubt nothing of its run is done, for it may have to be done first.
struct CommitRounds {
    /// Which commit of which run.
    struct Member: Hashable {
        let run: Int
        let position: Int
    }

    /// What came of a commit; an error is that commit's alone.
    typealias Result = Swift.Result<CommitBatch.Outcome, any Error>

    private let runs: [[PreparedCommit]]
    private var results: [[Result?]]
    private var missing: [Int]
    private var waiting: [Member] = []
    /// Those of a round that failed: each has a round of its own, before all others.
    private var alone: [Member] = []

    init(_ runs: [[PreparedCommit]]) {
        self.runs = runs
        results = runs.map { Array(repeating: nil, count: $0.count) }
        missing = runs.map(\.count)
        waiting.reserveCapacity(missing.reduce(0, +))
        for (run, commits) in runs.enumerated() {
            for position in commits.indices { waiting.append(Member(run: run, position: position)) }
        }
    }

    subscript(member: Member) -> PreparedCommit { runs[member.run][member.position] }

    /// What goes into the next transaction; nothing when all is done.
    mutating func next() -> [Member] {
        if !alone.isEmpty { return [alone.removeFirst()] }
        var round: [Member] = []
        var later: [Member] = []
        var held: Set<Int> = []
        var deliveries = BatchMembers()
        for member in waiting {
            if held.contains(member.run) || !deliveries.admit(self[member]) {
                held.insert(member.run)
                later.append(member)
            } else {
                round.append(member)
            }
        }
        waiting = later
        return round
    }

    /// A round failed, and not by the database's absence: its commits go one by one, so that a bad one fails alone.
    mutating func split(_ round: [Member]) { alone = round + alone }

    /// What came of a round. Returns the runs that are complete by it, with the results of all their commits.
    mutating func finish(_ round: [Member], _ found: [Result]) -> [(run: Int, results: [Result])] {
        var complete: [(run: Int, results: [Result])] = []
        for (member, result) in zip(round, found) where results[member.run][member.position] == nil {
            results[member.run][member.position] = result
            missing[member.run] -= 1
            if case .success(let outcome) = result, outcome.isInDoubt { hold(behind: member, outcome) }
            if missing[member.run] == 0 {
                complete.append((member.run, results[member.run].compactMap { $0 }))
            }
        }
        return complete
    }

    private mutating func hold(behind doubtful: Member, _ outcome: CommitBatch.Outcome) {
        func isHeld(_ member: Member) -> Bool {
            member.run == doubtful.run && member.position > doubtful.position
        }
        for member in (alone + waiting).filter(isHeld) {
            results[member.run][member.position] = .success(outcome)
            missing[member.run] -= 1
        }
        alone.removeAll(where: isHeld)
        waiting.removeAll(where: isHeld)
    }
}

/// Which deliveries a round holds.
private struct BatchMembers {
    private var deliveries: Set<Delivery> = []

    private struct Delivery: Hashable {
        let accountID: Int64
        let fingerprint: ByteBuffer
    }

    /// Adds the message, unless one of its deliveries is there already.
    mutating func admit(_ commit: PreparedCommit) -> Bool {
        let added = commit.dispositions.flatMap { disposition in
            disposition.fingerprints.map { Delivery(accountID: disposition.accountID, fingerprint: $0) }
        }
        guard deliveries.isDisjoint(with: added) else { return false }
        deliveries.formUnion(added)
        return true
    }
}
