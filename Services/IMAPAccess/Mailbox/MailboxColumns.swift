import Contracts

/// The messages of one mailbox as packed columns in ascending uid order, as storage knew them at one
/// modseq. The arrays are copy-on-write: all sessions of a process that have seen the same state of a
/// mailbox share one set of them (`SharedMailbox` makes them, `MailboxView` holds what a client knows).
struct MailboxColumns: Sendable {
    /// The mailbox as of the same snapshot as the columns.
    var mailbox: Mailbox
    private(set) var uids: [UInt32] = []
    private(set) var flags: [UInt64] = []
    private(set) var modseqs: [UInt64] = []
    /// INTERNALDATE, microseconds since 1970-01-01 UTC.
    private(set) var dates: [Int64] = []
    /// RFC822.SIZE.
    private(set) var sizes: [UInt32] = []

    init(mailbox: Mailbox) {
        self.mailbox = mailbox
    }

    var count: Int { uids.count }

    /// The index of the message with this uid.
    func index(of uid: UInt32) -> Int? {
        let position = lowerBound(uid)
        return position < uids.count && uids[position] == uid ? position : nil
    }

    /// The index of the first message whose uid is not less.
    func lowerBound(_ uid: UInt32) -> Int {
        var low = 0
        var high = uids.count
        while low < high {
            let middle = (low + high) / 2
            if uids[middle] < uid { low = middle + 1 } else { high = middle }
        }
        return low
    }

    subscript(index: Int) -> MessageRow {
        MessageRow(
            uid: uids[index], flags: flags[index], modseq: modseqs[index], date: dates[index], size: sizes[index])
    }

    mutating func reserveCapacity(_ count: Int) {
        uids.reserveCapacity(count)
        flags.reserveCapacity(count)
        modseqs.reserveCapacity(count)
        dates.reserveCapacity(count)
        sizes.reserveCapacity(count)
    }

    /// Adds a message whose uid is greater than any here, or puts a changed one in its place. Uids are
    /// handed out in ascending order, so that anything else than append or replace is rare.
    mutating func put(_ row: MessageRow) {
        if let last = uids.last, row.uid <= last {
            let position = lowerBound(row.uid)
            if uids[position] == row.uid {
                flags[position] = row.flags
                modseqs[position] = row.modseq
                dates[position] = row.date
                sizes[position] = row.size
            } else {
                uids.insert(row.uid, at: position)
                flags.insert(row.flags, at: position)
                modseqs.insert(row.modseq, at: position)
                dates.insert(row.date, at: position)
                sizes.insert(row.size, at: position)
            }
            return
        }
        uids.append(row.uid)
        flags.append(row.flags)
        modseqs.append(row.modseq)
        dates.append(row.date)
        sizes.append(row.size)
    }

    /// New flags for messages, in step with their uids, which most often follow one another; none for a message of which a
    /// later change has been seen already.
    mutating func setFlags(_ newFlags: [UInt64], modseq: UInt64, uids changed: [UInt32]) {
        var position = 0
        for (uid, newFlag) in zip(changed, newFlags) {
            if position >= uids.count || uids[position] != uid { position = lowerBound(uid) }
            guard position < uids.count, uids[position] == uid else { continue }
            if modseqs[position] < modseq {
                flags[position] = newFlag
                modseqs[position] = modseq
            }
            position += 1
        }
    }

    /// Leaves out every message whose index is in `positions` (ascending).
    mutating func remove(at positions: [Int]) {
        guard !positions.isEmpty else { return }
        var kept = MailboxColumns(mailbox: mailbox)
        kept.reserveCapacity(uids.count - positions.count)
        var start = 0
        for position in positions + [uids.count] {
            kept.uids += uids[start..<position]
            kept.flags += flags[start..<position]
            kept.modseqs += modseqs[start..<position]
            kept.dates += dates[start..<position]
            kept.sizes += sizes[start..<position]
            start = position + 1
        }
        self = kept
    }

    /// Leaves out the messages whose uids lie in these pairs of first and last.
    mutating func removeUIDs(inPairs pairs: [UInt32]) {
        var positions: [Int] = []
        var next = 0
        while next + 1 < pairs.count {
            let (first, last) = (pairs[next], pairs[next + 1])
            next += 2
            guard first <= last else { continue }
            var position = lowerBound(first)
            while position < uids.count, uids[position] <= last {
                positions.append(position)
                position += 1
            }
        }
        positions.sort()
        // Ranges may overlap; a position must not be removed twice.
        var distinct: [Int] = []
        for position in positions where distinct.last != position { distinct.append(position) }
        remove(at: distinct)
    }
}

/// One message of a view.
struct MessageRow: Sendable, Equatable {
    var uid: UInt32
    var flags: UInt64
    var modseq: UInt64
    var date: Int64
    var size: UInt32
}
