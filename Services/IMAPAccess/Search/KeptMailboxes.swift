import Synchronization

/// Messages of a mailbox of which something is kept.
protocol KeptMessages: Sendable {
    var rows: KeptRows { get }
    /// About how much they occupy.
    var octets: Int { get }
}

/// What is kept of mailboxes. It is brought up to date with the messages that are new in them.
final class KeptMailboxes<Key: Hashable & Sendable, Messages: KeptMessages>: Sendable {
    private let kept: Mutex<Generations<Key, Messages>>

    /// Up to about so many octets; 0 for none.
    init(octets: Int) { kept = Mutex(Generations(limit: octets)) }

    func find(_ key: Key) -> Messages? { kept.withLock { $0.find(key) } }

    func keep(_ messages: Messages, _ key: Key) { kept.withLock { $0.put(messages, key, cost: messages.octets) } }

    /// What is kept, with all messages that a search has found among those present. When too many others were missing,
    /// it is made of what was found alone, and not kept.
    ///
    /// `read` reads messages and appends them; it says false when one could not be appended.
    func upToDate(
        _ key: Key, from empty: Messages, present: [UInt32], found: [UInt32],
        read: (_ uids: [UInt32], inout Messages) async throws -> Bool
    ) async throws -> (messages: Messages, isKept: Bool) {
        while true {
            var messages = find(key) ?? empty
            if messages.rows.isStale(for: present.count) { messages = empty }
            let plan = messages.rows.plan(present: present, found: found)
            if !plan.isKept { messages = empty }
            guard !plan.reads.isEmpty else { return (messages, plan.isKept) }
            if try await read(plan.reads, &messages) {
                if plan.isKept { keep(messages, key) }
                return (messages, plan.isKept)
            }
            // A message was overlooked before. It is not known again until all is made anew.
            keep(empty, key)
        }
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
