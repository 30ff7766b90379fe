import IMAPSyntax

/// The messages of a mailbox in batches of equally many, counted from 1, which has the last messages (RFC 10022, 3.1).
struct MessageBatches {
    /// What the RFC lets a client ask for at least, so that it does not make sequence numbers of it (RFC 10022, 3.1.3.2).
    static let leastSize = 500

    let columns: MailboxColumns
    let size: Int

    init(of columns: MailboxColumns, size: Int) {
        self.columns = columns
        self.size = size
    }

    var count: Int { (columns.count + size - 1) / size }

    /// The ranges of those of these batches that there are. They leave no uid between them: each ends with the lowest
    /// message of its batch, the last one with 1, and the first begins with the last uid that was given.
    func ranges(_ wanted: ClosedRange<UInt32>) -> [NumberRange] {
        let last = min(Int(wanted.upperBound), count)
        guard Int(wanted.lowerBound) <= last else { return [] }
        return (Int(wanted.lowerBound)...last).map { number in
            NumberRange(number == 1 ? highest : lowest(of: number - 1) - 1, lowest(of: number))
        }
    }

    private var highest: UInt32 { max(columns.uids.last ?? 1, columns.mailbox.uidNext &- 1) }

    private func lowest(of number: Int) -> UInt32 {
        number == count ? 1 : columns.uids[columns.count - number * size]
    }
}

/// Which batches a client was told of the mailbox that it has selected, of one size at a time. It may ask for them once more
/// when half a batch of messages has come or gone meanwhile (RFC 10022, 3.1.1 and 6); batches that it was not told it may
/// ask for at any time.
struct ToldBatches: Sendable {
    private var size = 0
    private var numbers = NumberSet()
    /// The mailbox as it was when the first of them were told.
    private var messages = 0
    private var lastUID: UInt32 = 0

    /// Whether the client may be told these batches, which are then noted.
    mutating func admit(_ wanted: ClosedRange<UInt32>, of batches: MessageBatches) -> Bool {
        let columns = batches.columns
        let arrived = columns.count - (lastUID == .max ? columns.count : columns.lowerBound(lastUID + 1))
        let expunged = messages + arrived - columns.count
        if size != batches.size || 2 * max(arrived, expunged) >= size {
            self = ToldBatches()
            size = batches.size
            messages = columns.count
            lastUID = columns.uids.last ?? 0
        }
        // What does not exist is no news, and is not noted.
        guard batches.count > 0, wanted.lowerBound <= batches.count else { return true }
        let told = NumberSet(wanted.lowerBound...min(wanted.upperBound, UInt32(clamping: batches.count)))
        guard !told.subtracting(numbers).isEmpty else { return false }
        numbers = numbers.union(told)
        return true
    }
}
