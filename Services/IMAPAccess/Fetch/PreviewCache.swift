import Synchronization

/// Previews that were made, for all sessions of the process: a list of messages is shown again and again. They stay right,
/// since a message never changes and its uid is never another message's. Those not asked for lately go first.
final class PreviewCache: Sendable {
    private struct Key: Hashable {
        var mailboxID: Int64
        var uid: UInt32
    }

    private let previews: Mutex<Generations<Key, String>>

    /// Keeps no more previews than `limit`.
    init(limit: Int) { previews = Mutex(Generations(limit: max(2, limit))) }

    func preview(_ mailboxID: Int64, _ uid: UInt32) -> String? {
        previews.withLock { $0.find(Key(mailboxID: mailboxID, uid: uid)) }
    }

    func keep(_ previews: [UInt32: String], of mailboxID: Int64) {
        self.previews.withLock { kept in
            for (uid, preview) in previews { kept.put(preview, Key(mailboxID: mailboxID, uid: uid), cost: 1) }
        }
    }

    var count: Int { previews.withLock { $0.count } }
}
