import Contracts
import Messaging
import ServiceRuntime

/// What the client of one connection surely knows: the one place that decides which receipts are settled.
///
/// A reply that was sent may be lost. The client is known to have read it when one of two things happens:
///
/// - Octets arrive that the protocol lets a client send only after it has read a *prompt* of ours that came later: the
///   content after a 354 (RFC 5321, 4.1.1.4), a literal or DONE after a continuation (RFC 9051, 4.3 and 6.3.13). All
///   that can be pipelined (`.`, QUIT, MAIL, BDAT, the next IMAP command) proves nothing, however late it comes
///   (RFC 2920, 3.1).
/// - The connection ends in order: the client ended it after all that we said was acknowledged, and no reset follows. This
///   holds only while nobody stands between: behind a proxy it is the proxy that acknowledges and ends, and the end of a
///   connection says nothing (`ConnectionEndObserver`). A prompt that is answered says the same there as anywhere.
///
/// Until then a repetition on another connection counts as one. To settle late, or never, is harmless to that rule: a
/// receipt that is never settled expires.
///
/// Invariants: `unread` is in the order of the replies; `beforePrompt` counts those of them that stand before the last
/// prompt and is never more than there are.
public struct ClientKnowledge: Sendable {
    /// Names the connection in every receipt that it makes.
    public let connection: TransactionID
    /// When the last reply was sent that the client is known to have read; at first when the connection began. What it
    /// sends now can have been meant as a new message since then.
    public private(set) var latestProof: Moment
    /// How many transactions were handed over.
    public private(set) var transactions: UInt32 = 0
    /// Those of them that were answered with a failure: they may have been committed all the same, and then an identical
    /// message is their repetition although it comes on the same connection.
    public private(set) var denied: [TransactionID] = []
    /// Replies to the content of a transaction, from the first one on: so many were sent.
    public private(set) var replies = 0
    /// So many of them the client is known to have read.
    public private(set) var knownReplies = 0
    private var repliesBeforePrompt = 0
    private var promptedAt: Moment
    private var unread: [ReceiptKey] = []
    private var beforePrompt = 0
    private var isPrompted = false
    /// Set once the client has said that it was done: what it had heard then.
    private var heardAtEnd: (receipts: Int, replies: Int)?

    /// Of a connection that has just begun.
    public init(connection: TransactionID = .next(), at now: Moment) {
        self.connection = connection
        latestProof = now
        promptedAt = now
    }

    /// So many failures a connection may have; then it should end, and its client begin anew.
    public static let deniedLimit = 50

    /// Fills in what storage must know of the connection, for the next transaction, whose message is whole now.
    public mutating func begin(_ client: inout ClientConnection, at now: Moment) {
        transactions += 1
        client.connectionID = .init(connection.octets)
        client.ordinal = transactions
        client.beganAt = latestProof.wallClock
        client.machine = latestProof.machine
        client.beganUptime = latestProof.uptime
        client.receivedUptime = now.uptime
        client.denied = denied.map { .init($0.octets) }
    }

    /// A transaction that was handed over is answered with a failure.
    public mutating func refused(_ transaction: TransactionID) {
        denied.append(transaction)
    }

    /// Whether there are replies of which nobody knows whether they were read.
    public var isInDoubt: Bool { !unread.isEmpty }

    /// The reply to a transaction's content is on its way; these are the receipts that it stands for.
    public mutating func replied(_ receipts: [ReceiptKey] = []) {
        replies += 1
        unread += receipts
        guard unread.count > Self.unreadLimit else { return }
        // A client that never waits for a prompt proves nothing: the older half is left to expire.
        let dropped = unread.count / 2
        unread.removeFirst(dropped)
        beforePrompt = max(0, beforePrompt - dropped)
        heardAtEnd = heardAtEnd.map { (max(0, $0.receipts - dropped), $0.replies) }
    }

    /// So many receipts are remembered for one connection.
    public static let unreadLimit = 10_000

    /// A prompt is on its way, behind all replies so far. Only when nothing of the client's waits to be read: octets that
    /// came before the prompt answer nothing.
    public mutating func prompted(at now: Moment) {
        promptedAt = now
        beforePrompt = unread.count
        repliesBeforePrompt = replies
        isPrompted = true
    }

    /// Octets came that answer the prompt.
    public mutating func promptAnswered() -> Settlement? {
        guard isPrompted else { return nil }
        isPrompted = false
        latestProof = promptedAt
        knownReplies = repliesBeforePrompt
        return settle(beforePrompt)
    }

    /// The client says that it is done. What is replied from now on it will not read for sure.
    public mutating func inputEnded(inOrder: Bool) {
        if heardAtEnd == nil { heardAtEnd = inOrder ? (unread.count, replies) : (0, 0) }
    }

    /// The connection is closed, and no reset came: `isOrderly` is the observer's last word.
    public mutating func closed(inOrder: Bool) -> Settlement? {
        defer { unread = [] }
        guard inOrder, let heardAtEnd else { return nil }
        knownReplies = max(knownReplies, heardAtEnd.replies)
        return settle(heardAtEnd.receipts)
    }

    private mutating func settle(_ count: Int) -> Settlement? {
        let count = min(count, unread.count)
        beforePrompt = 0
        guard count > 0 else { return nil }
        let known = Array(unread.prefix(count))
        unread.removeFirst(count)
        heardAtEnd = heardAtEnd.map { (max(0, $0.receipts - count), $0.replies) }
        return Settlement.with {
            $0.connectionID = .init(connection.octets)
            $0.receipts = known
        }
    }
}
