import Messaging
import Synchronization

/// The sessions that are alive, so that a shutdown reaches each.
final class SessionRegistry: Sendable {
    private struct State {
        var sessions: [TransactionID: Session] = [:]
        var draining = false
    }

    private let state = Mutex(State())

    /// A session that joins while the service drains is drained at once.
    func add(_ session: Session) {
        let draining = state.withLock { state in
            state.sessions[session.id] = session
            return state.draining
        }
        if draining { session.drain() }
    }

    func remove(_ session: Session) {
        state.withLock { $0.sessions[session.id] = nil }
    }

    /// Tells every session to end after the command in hand.
    func drain() {
        let sessions = state.withLock { state in
            state.draining = true
            return Array(state.sessions.values)
        }
        for session in sessions { session.drain() }
    }

    /// Cuts off what has not ended by itself.
    func closeAll() {
        let sessions = state.withLock { Array($0.sessions.values) }
        for session in sessions { session.channel.close(promise: nil) }
    }

    var count: Int { state.withLock { $0.sessions.count } }
}
