import IMAPSyntax
import Synchronization

/// In which orders and threads messages stand, kept near the sessions: a client asks for the same order again and again,
/// and a message never changes. What is kept of a mailbox is brought up to date with the messages that are new in it.
final class KeptOrders: Sendable {
    private struct Order: Hashable {
        var mailboxID: Int64
        var criteria: [SortCriterion]
    }

    private let sorted: Mutex<Generations<Order, SortedMessages>>
    /// By mailbox.
    private let threaded: Mutex<Generations<Int64, ThreadedMessages>>

    /// Each kind up to about so many octets; 0 for none.
    init(octets: Int) {
        sorted = Mutex(Generations(limit: octets))
        threaded = Mutex(Generations(limit: octets))
    }

    func sorted(_ mailboxID: Int64, by criteria: [SortCriterion]) -> SortedMessages? {
        sorted.withLock { $0.find(Order(mailboxID: mailboxID, criteria: criteria)) }
    }

    func keep(_ messages: SortedMessages, _ mailboxID: Int64, by criteria: [SortCriterion]) {
        sorted.withLock { $0.put(messages, Order(mailboxID: mailboxID, criteria: criteria), cost: messages.octets) }
    }

    func threaded(_ mailboxID: Int64) -> ThreadedMessages? {
        threaded.withLock { $0.find(mailboxID) }
    }

    func keep(_ messages: ThreadedMessages, _ mailboxID: Int64) {
        threaded.withLock { $0.put(messages, mailboxID, cost: messages.octets) }
    }
}

/// Messages by ascending uid, of which something is kept: a row for each.
struct KeptRows: Sendable {
    private(set) var uids: [UInt32] = []

    var count: Int { uids.count }

    /// False for a message that is not the last one: what is kept has to be made anew then.
    mutating func append(_ uid: UInt32) -> Bool {
        guard uid > uids.last ?? 0 else { return false }
        uids.append(uid)
        return true
    }

    /// Those of ascending uids that have no row.
    func missing(of wanted: [UInt32]) -> [UInt32] {
        var missing: [UInt32] = []
        var row = 0
        for uid in wanted {
            while row < uids.count, uids[row] < uid { row += 1 }
            if row == uids.count || uids[row] != uid { missing.append(uid) }
        }
        return missing
    }

    /// For each row the position of its message among ascending uids; -1 where it is not among them.
    func positions(in wanted: [UInt32]) -> [Int32] {
        var positions = [Int32](repeating: -1, count: uids.count)
        var row = 0
        for (position, uid) in wanted.enumerated() {
            while row < uids.count, uids[row] < uid { row += 1 }
            if row < uids.count, uids[row] == uid { positions[row] = Int32(clamping: position) }
        }
        return positions
    }

    /// Whether so much of what is kept is gone that it is better made anew.
    func isStale(for present: Int) -> Bool { count > 2 * present + 1000 }

    /// Which messages are to be read for a search that has found some of those present: all that are missing, when that is
    /// no more than were found, so that the next search finds all; else only what was found, and nothing is kept.
    func plan(present: [UInt32], found: [UInt32]) -> (isKept: Bool, reads: [UInt32]) {
        let missing = missing(of: present)
        return missing.count <= found.count ? (true, missing) : (false, found)
    }
}
