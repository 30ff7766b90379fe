import NIOCore
import Synchronization

/// A transaction that its client named and that a session has in hand. A client that was cut off comes again long before
/// this side learns of it: then the session is asked to let go.
final class OpenTransaction: Sendable {
    private let channel: any Channel
    private let state = Mutex<(isReleased: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    init(on channel: any Channel) {
        self.channel = channel
    }

    /// Asks the session, and returns when it has let go: what it could keep is kept then. At the latest it does so when its
    /// connection is gone and its last write is done.
    func demand() async {
        channel.pipeline.fireUserInboundEventTriggered(TransactionDemanded(transaction: self))
        await withCheckedContinuation { continuation in
            let isReleased = state.withLock { state in
                if !state.isReleased { state.waiters.append(continuation) }
                return state.isReleased
            }
            if isReleased { continuation.resume() }
        }
    }

    /// The session has let go.
    func release() {
        let waiters = state.withLock { state in
            state.isReleased = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// A user inbound event: the client goes on with its transaction over another connection.
struct TransactionDemanded: Sendable {
    let transaction: OpenTransaction
}
