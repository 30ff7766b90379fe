/// Pairs of first and last uid, as contracts carry them, put in order and without overlap.
struct UIDRanges: Sendable {
    private(set) var firsts: [Int64] = []
    private(set) var lasts: [Int64] = []

    /// All uids there can be.
    static let all = UIDRanges(pairs: [1, UInt32.max])

    /// The ranges of these pairs; a pair in the wrong order is turned round, a last first without its last stands alone.
    init(pairs: [UInt32]) {
        var ranges: [(Int64, Int64)] = []
        ranges.reserveCapacity(pairs.count / 2 + 1)
        for index in stride(from: 0, to: pairs.count, by: 2) {
            let first = Int64(pairs[index])
            let last = index + 1 < pairs.count ? Int64(pairs[index + 1]) : first
            ranges.append((min(first, last), max(first, last)))
        }
        ranges.sort { $0.0 < $1.0 }
        for (first, last) in ranges {
            if let end = lasts.last, first <= end + 1 {
                lasts[lasts.count - 1] = max(end, last)
            } else {
                firsts.append(first)
                lasts.append(last)
            }
        }
    }

    /// What is left of the ranges after this uid.
    func after(_ uid: Int64) -> UIDRanges {
        var rest = self
        let done = lasts.firstIndex { $0 > uid } ?? lasts.count
        rest.firsts.removeFirst(done)
        rest.lasts.removeFirst(done)
        if let first = rest.firsts.first, first <= uid { rest.firsts[0] = uid + 1 }
        return rest
    }

    /// The first so many ranges, and what follows them.
    func split(at count: Int) -> (UIDRanges, UIDRanges) {
        var (first, rest) = (self, self)
        first.firsts.removeLast(max(firsts.count - count, 0))
        first.lasts.removeLast(max(lasts.count - count, 0))
        rest.firsts.removeFirst(min(count, firsts.count))
        rest.lasts.removeFirst(min(count, lasts.count))
        return (first, rest)
    }

    /// How many ranges, one at least, hold so many uids at most: what a query over them looks at is bounded whether the
    /// mailbox has long runs of messages or many holes.
    func count(within uids: Int64) -> Int {
        var count = 0
        var sum: Int64 = 0
        for (first, last) in zip(firsts, lasts) {
            sum += last - first + 1
            if count > 0, sum > uids { break }
            count += 1
        }
        return count
    }

    /// The ranges with those that follow them.
    func followed(by rest: UIDRanges) -> UIDRanges {
        var all = self
        all.firsts += rest.firsts
        all.lasts += rest.lasts
        return all
    }

    /// A part of a FROM clause: the messages `m` of mailbox $2 of account $1 in the ranges $3 and $4. Each range is an
    /// index scan of its own whatever the planner knows of the mailbox: OFFSET 0 keeps it from turning the join round.
    static func messages(_ columns: String) -> String {
        """
        unnest($3::bigint[], $4::bigint[]) AS r (first_uid, last_uid)
        CROSS JOIN LATERAL (
            SELECT \(columns) FROM mail.messages
            WHERE account_id = $1 AND mailbox_id = $2 AND uid BETWEEN r.first_uid AND r.last_uid OFFSET 0
        ) m
        """
    }

    var isEmpty: Bool { firsts.isEmpty }
}
