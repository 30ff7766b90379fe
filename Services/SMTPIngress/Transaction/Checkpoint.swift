import Contracts
import Cryptography
import Messaging
import NIOCore
import SMTPSyntax
import Synchronization

/// Who may go on with a transaction: the same name from the same client, as far as it can be told. Nobody else learns
/// that there is one.
struct CheckpointKey: Sendable, Hashable {
    /// What the client called itself (RFC 1845, 2: it is part of the transaction's name).
    let greeting: String
    let transid: TransID
    /// Textual network address; empty for a Unix socket.
    let address: String
    /// The account that the client proved to be; nil when it proved nothing.
    let accountID: Int64?
    let listener: ListenerKind

    /// What it takes in memory, about; text of it stands in two tables.
    var memoryOctets: Int { 2 * (greeting.utf8.count + transid.description.utf8.count + address.utf8.count) }
}

extension SessionMachine {
    /// The name of a transaction that its client named, and may resume here.
    func checkpointKey(of transaction: Transaction, client: ClientEndpoint) -> CheckpointKey? {
        guard let transid = transaction.parameters.transid, let greeting else { return nil }
        return CheckpointKey(
            greeting: greeting.name, transid: transid, address: client.address, accountID: identity?.accountID,
            listener: settings.kind)
    }
}

/// What MAIL says again when a transaction goes on.
struct CheckpointEnvelope: Sendable {
    let reversePath: ReversePath
    let parameters: MailParameters
    /// The octets came by TLS.
    let isEncrypted: Bool

    /// Another MAIL, or one that would carry on in the clear what began under TLS, begins a transaction of its own.
    func isContinued(by other: CheckpointEnvelope) -> Bool {
        reversePath == other.reversePath && parameters == other.parameters && (other.isEncrypted || !isEncrypted)
    }

    /// What it takes in memory, about.
    var memoryOctets: Int { 512 + reversePath.text.utf8.count + (parameters.auth?.utf8.count ?? 0) }
}

/// Where a transaction goes on.
enum Checkpoint: Sendable {
    /// Within its content.
    case content(InterruptedTransaction)
    /// Behind its content: what is left is the reply.
    case handedOver(HandedOverTransaction)

    var id: TransactionID {
        switch self {
        case .content(let transaction): transaction.id
        case .handedOver(let transaction): transaction.id
        }
    }

    /// What it takes in memory, about.
    var memoryOctets: Int {
        switch self {
        case .content(let transaction):
            transaction.content.memoryOctets
                + transaction.recipients.reduce(0) { sum, recipient in
                    sum + 128 + recipient.forwardPath.utf8.count
                        + recipient.targets.reduce(0) { $0 + 128 + $1.address.utf8.count }
                }
        case .handedOver(let transaction):
            // A reply for each may be added (RFC 2033, 4.2).
            512 + transaction.recipients.reduce(0) { $0 + 256 + $1.utf8.count }
        }
    }

    /// What it holds on disk.
    var diskOctets: Int {
        switch self {
        case .content(let transaction): transaction.content.diskOctets
        case .handedOver: 0
        }
    }
}

/// A transaction whose client was lost within the content.
struct InterruptedTransaction: Sendable {
    /// Of the transaction that was cut off; it orders those of one name.
    let id: TransactionID
    let recipients: [Transaction.Recipient]
    let content: SpooledContent
}

/// A transaction that was handed over: its replies are awaited, or here.
final class HandedOverTransaction: Sendable {
    private enum State {
        case running([CheckedContinuation<[Reply], Never>])
        case finished([Reply])
    }

    let id: TransactionID
    let key: CheckpointKey
    /// The connection that handed it over, by the name that receipts have for it.
    let connection: TransactionID
    /// The forward-paths that were accepted, in order.
    let recipients: [String]
    /// Of the whole message.
    let octets: Int
    private let state = Mutex(State.running([]))

    init(_ transaction: Transaction, octets: Int, key: CheckpointKey, connection: TransactionID) {
        id = transaction.id
        self.key = key
        self.connection = connection
        recipients = transaction.recipients.map(\.forwardPath)
        self.octets = octets
    }

    /// What the client was told or should have been told. It waits while nobody knows, which the deadline of the one call
    /// that hands a transaction over bounds.
    func replies() async -> [Reply] {
        await withCheckedContinuation { continuation in
            let replies = state.withLock { state -> [Reply]? in
                switch state {
                case .running(let waiters):
                    state = .running(waiters + [continuation])
                    return nil
                case .finished(let replies):
                    return replies
                }
            }
            if let replies { continuation.resume(returning: replies) }
        }
    }

    func finish(_ replies: [Reply]) {
        let waiters = state.withLock { state -> [CheckedContinuation<[Reply], Never>] in
            guard case .running(let waiters) = state else { return [] }
            state = .finished(replies)
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: replies) }
    }
}
