import DequeModule
import Synchronization

/// Whose message is handed over next, when more are complete than content processing is given at once.
///
/// Without it a client with hundreds of sessions would stand in the way of one with a single session: behind us all wait
/// in one line. Here the addresses take turns, each with the message that it finished first, so that a busy neighbour
/// costs the others at most what is in hand. What waits is bounded by the number of sessions.
final class AcceptanceTurns: Sendable {
    private struct State {
        var inHand = 0
        /// What waits, by the client's address; an address is in line once, however much it has.
        var waiting: [String: Deque<CheckedContinuation<Void, Never>>] = [:]
        var line = Deque<String>()
    }

    private let limit: Int
    private let state = Mutex(State())

    /// `limit` is how many messages are with content processing at once.
    init(limit: Int) {
        self.limit = limit
    }

    /// How many messages wait for their turn.
    var waitingCount: Int { state.withLock { state in state.waiting.values.reduce(0) { $0 + $1.count } } }

    /// Waits until it is this address's turn, then does it.
    func take<Result>(
        _ address: String, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async rethrows -> Result {
        await enter(address)
        defer { leave() }
        return try await body()
    }

    private func enter(_ address: String, isolation: isolated (any Actor)? = #isolation) async {
        await withCheckedContinuation { continuation in
            let isNext = state.withLock { state in
                guard state.inHand >= limit else {
                    state.inHand += 1
                    return true
                }
                if state.waiting[address]?.append(continuation) == nil {
                    state.waiting[address] = [continuation]
                    state.line.append(address)
                }
                return false
            }
            if isNext { continuation.resume() }
        }
    }

    private func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let address = state.line.popFirst(), let next = state.waiting[address]?.popFirst() else {
                state.inHand -= 1
                return nil
            }
            if state.waiting[address]?.isEmpty == true {
                state.waiting[address] = nil
            } else {
                state.line.append(address)
            }
            return next
        }
        next?.resume()
    }
}
