import Contracts
import IMAPSyntax
import Messaging
import NIOCore
import Synchronization

/// APPENDs to one mailbox that go in one request.
struct AppendBatch: Sendable {
    let mailbox: MailboxName
    private(set) var appends: [FollowingAppend] = []
    private(set) var octetCount = 0
    /// Nothing can go with them any more.
    var isClosed = false

    init(to mailbox: MailboxName) { self.mailbox = mailbox }

    init(_ first: FollowingAppend) {
        self.init(to: first.command.mailbox)
        add(first, most: .max)
    }

    mutating func add(_ append: FollowingAppend, most: Int) {
        appends.append(append)
        octetCount += append.octets.readableBytes
        isClosed = appends.count >= most
    }
}

/// A batch of APPENDs that is in hand.
final class AppendCall: Sendable {
    private let task: Task<[AppendReply], any Error>
    private let gate: AsyncStream<Void>.Continuation
    private let end: End

    private final class End: Sendable {
        let hasCome = Atomic(false)
    }

    /// Runs `body` with the messages' octets; when it `waits`, those of the last message come only once it is released.
    /// `whenDone` is called behind it.
    init(
        _ batch: AppendBatch, waits: Bool, whenDone: @escaping @Sendable () -> Void,
        _ body: @escaping @Sendable (Payload) async throws -> [AppendReply]
    ) {
        let (opened, gate) = AsyncStream.makeStream(of: Void.self)
        self.gate = gate
        let end = End()
        self.end = end
        let messages = waits ? Self.messages(of: batch, behind: opened) : Payload(batch.appends[...].joined)
        task = Task {
            defer {
                end.hasCome.store(true, ordering: .releasing)
                whenDone()
            }
            return try await body(messages)
        }
    }

    private static func messages(of batch: AppendBatch, behind opened: AsyncStream<Void>) -> Payload {
        let (first, last) = (batch.appends.dropLast().joined, batch.appends.suffix(1).joined)
        let given = Mutex(0)
        return Payload(octetCount: batch.octetCount) {
            let place = given.withLock { given in
                defer { given += 1 }
                return given
            }
            switch place {
            case 0 where first.readableBytes > 0: return first
            case 0, 1:
                var iterator = opened.makeAsyncIterator()
                guard await iterator.next() != nil else { throw CancellationError() }
                given.withLock { $0 = 2 }
                return last
            default: return nil
            }
        }
    }

    /// Whether it is known what came of it.
    var isDone: Bool { end.hasCome.load(ordering: .acquiring) }

    /// What came of each; ends with the task that waits.
    var replies: [AppendReply] {
        get async throws {
            try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        }
    }

    /// The end of the messages may go.
    func release() { gate.yield() }

    /// Nobody waits for it; without their end the messages are not stored.
    func abandon() {
        task.cancel()
        gate.finish()
    }
}

extension ArraySlice<FollowingAppend> {
    /// The octets of their messages, one behind the other.
    fileprivate var joined: ByteBuffer {
        var octets = ByteBuffer()
        octets.reserveCapacity(reduce(0) { $0 + $1.octets.readableBytes })
        for append in self { octets.writeImmutableBuffer(append.octets) }
        return octets
    }
}

/// One APPEND of a batch, with what hands it over, alone or with the others.
struct FollowingAppend: Sendable {
    let command: AppendCommand
    let message: AppendedMessage
    let octets: ByteBuffer
    let transaction: TransactionID
    /// As in `ClientConnection`.
    let ordinal: UInt32
    let receivedUptime: Int64
    /// What came of it, when it was handed over with others.
    private(set) var reply: AppendReply?

    func answered(_ reply: AppendReply) -> FollowingAppend {
        var answered = self
        answered.reply = reply
        return answered
    }

    /// As it goes with others.
    var description: SuccessiveAppend {
        .with {
            $0.message = message
            $0.transactionID = .init(transaction.octets)
            $0.ordinal = ordinal
            $0.receivedUptime = receivedUptime
        }
    }

    /// As it goes alone, behind one of the same connection for the same mailbox.
    func request(like other: AppendRequest, denied: [TransactionID]) -> AppendRequest {
        .with {
            $0.accountID = other.accountID
            $0.mailboxName = other.mailboxName
            $0.client = other.client
            $0.client.ordinal = ordinal
            $0.client.receivedUptime = receivedUptime
            $0.client.denied = denied.map { .init($0.octets) }
            $0.flags = message.flags
            $0.internalDate = message.internalDate
            $0.messageOctets = message.messageOctets
        }
    }
}
