import IMAPSyntax

/// What searches have found out of the messages of mailboxes, kept near the sessions: a client asks for the same again and
/// again, and a message never changes.
struct SearchMemory: Sendable {
    struct Order: Hashable {
        var mailboxID: Int64
        var criteria: [SortCriterion]
    }

    /// In which orders they stand.
    let sorted: KeptMailboxes<Order, SortedMessages>
    /// In which threads, by mailbox.
    let threaded: KeptMailboxes<Int64, ThreadedMessages>
    /// What their fields say, by mailbox.
    let fields: KeptMailboxes<Int64, FieldTexts>

    /// Of each kind.
    private let octets: Int

    /// Each kind up to about so many octets; 0 for none.
    init(octets: Int) {
        self.octets = octets
        sorted = KeptMailboxes(octets: octets)
        threaded = KeptMailboxes(octets: octets)
        fields = KeptMailboxes(octets: octets)
    }

    /// Where to begin with the fields of a mailbox; nil when so many messages are more than can be kept, which is half of
    /// the room for one mailbox.
    func noFields(messages: Int) -> FieldTexts? {
        guard octets > 0, messages <= octets / 8 / FieldTexts.rowOctets else { return nil }
        return FieldTexts(room: octets / 8 * 3 - 1024)
    }
}
