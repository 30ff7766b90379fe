import Contracts
import IMAPSyntax

/// What one client has been told of its selected mailbox. Sequence numbers are positions in it, so it
/// changes only together with the responses that tell the client (RFC 9051, 2.3.1.2 and 7.5.1).
///
/// Invariant: `told` holds exactly the messages that the client counts, in its order. A message that is
/// expunged elsewhere stays in `told` until an EXPUNGE response may be sent.
struct MailboxView: Sendable {
    /// The state of the mailbox that the client knows.
    private(set) var told: MailboxColumns
    let readOnly: Bool
    /// The generation of the shared columns that `told` agrees with; nil while it still holds messages
    /// that are gone.
    private var generation: UInt64?
    /// Every change up to this modification sequence has been told: what the client may build on when it comes back
    /// (RFC 7162, 3.2). While expunges are owed it stays behind the flags that have been told already.
    private(set) var toldModificationSequence: UInt64

    init(_ snapshot: MailboxSnapshot, readOnly: Bool) {
        self.told = snapshot.columns
        self.generation = snapshot.generation
        self.toldModificationSequence = snapshot.columns.mailbox.highestModseq
        self.readOnly = readOnly
    }

    var mailboxID: Int64 { told.mailbox.mailboxID }
    var count: Int { told.count }
    /// Whether the client still counts messages that are gone.
    var owesExpunges: Bool { generation == nil }

    /// Brings the client's state up to `snapshot` and returns what must be said, in this order: expunges,
    /// the count, the flags' names, changed messages.
    ///
    /// To a client that `tellsModificationSequences` a message has changed also when its flags are again what they were.
    mutating func advance(
        to snapshot: MailboxSnapshot, mayExpunge: Bool, tellsModificationSequences: Bool = false
    ) -> ViewChanges {
        if generation == snapshot.generation { return ViewChanges() }
        let latest = snapshot.columns
        var changes = ViewChanges()
        if latest.mailbox.keywords != told.mailbox.keywords { changes.keywords = latest.mailbox.keywords }

        var expunged: [Int] = []
        var changed: [Int] = []
        var mine = 0
        var theirs = 0
        while mine < told.count, theirs < latest.count {
            let (myUID, theirUID) = (told.uids[mine], latest.uids[theirs])
            if myUID == theirUID {
                if told.modseqs[mine] != latest.modseqs[theirs],
                    tellsModificationSequences || told.flags[mine] != latest.flags[theirs]
                {
                    changed.append(mayExpunge ? theirs : mine)
                }
                mine += 1
                theirs += 1
            } else if myUID < theirUID {
                expunged.append(mine)
                mine += 1
            } else {
                // A uid below one that the client knows can only be one that it was told is gone.
                theirs += 1
            }
        }
        if mine < told.count { expunged.append(contentsOf: mine..<told.count) }
        let before = told

        if expunged.isEmpty || mayExpunge {
            told = latest
            generation = snapshot.generation
            toldModificationSequence = latest.mailbox.highestModseq
            changes.expunged = expunged.reversed().map { $0 + 1 }
            changes.vanished = NumberSet(expunged.map { before.uids[$0] })
            if told.count != before.count - expunged.count { changes.exists = told.count }
        } else {
            // EXPUNGE must wait (RFC 9051, 7.5.1): take the rest, keep what the client still counts.
            told.mailbox = latest.mailbox
            for index in 0..<latest.count { told.put(latest[index]) }
            generation = nil
            if told.count != before.count { changes.exists = told.count }
        }
        changes.changed = changed
        return changes
    }

    /// The sequence number of a message, from 1.
    func sequenceNumber(of uid: UInt32) -> Int? {
        told.index(of: uid).map { $0 + 1 }
    }
}

/// What a client must be told so that its state is the view's.
struct ViewChanges: Sendable, Equatable {
    /// Sequence numbers, descending, so that each is right when it is said.
    var expunged: [Int] = []
    /// The unique identifiers of the same messages.
    var vanished = NumberSet()
    /// Set when messages came.
    var exists: Int?
    /// Set when the mailbox has other keywords than the client was told.
    var keywords: [String]?
    /// Positions in the view of messages whose flags changed, ascending.
    var changed: [Int] = []

    var isEmpty: Bool { self == ViewChanges() }

    /// Adds what changed after it, while no message lost its number.
    mutating func merge(_ later: ViewChanges) {
        exists = later.exists ?? exists
        keywords = later.keywords ?? keywords
        changed = Array(Set(changed).union(later.changed)).sorted()
    }
}

/// The columns of a mailbox and the number of this state of them, unique in the process.
struct MailboxSnapshot: Sendable {
    var columns: MailboxColumns
    var generation: UInt64
    /// `SharedMailbox.revision` when this was the newest state.
    var revision: UInt64
}
