import DequeModule
import Synchronization

/// The writer's end of a flow: waits until the reader has granted enough.
final class Outflow: Sendable {
    private struct Waiter {
        let number: UInt64
        let continuation: UnsafeContinuation<Result<Void, MessagingError>, Never>
    }

    private struct State {
        var window: Int
        var available: Int
        var failure: MessagingError?
        var waiters = Deque<Waiter>()
        var lastNumber: UInt64 = 0
    }

    private let state: Mutex<State>

    /// A flow whose window is known from the start; 0 when the first grant tells it.
    init(window: Int) { state = Mutex(State(window: window, available: window)) }

    /// Takes `cost` from the credit; waits while there is not enough. Throws when the flow has ended.
    func take(_ cost: Int) async throws(MessagingError) {
        while true {
            let isTaken = try state.withLock { state throws(MessagingError) in
                if let failure = state.failure { throw failure }
                guard state.window > 0, Credit.permits(cost: cost, available: state.available, window: state.window)
                else { return false }
                state.available -= cost
                return true
            }
            if isTaken { return }
            try await more { state in
                state.window > 0 && Credit.permits(cost: cost, available: state.available, window: state.window)
            }
        }
    }

    /// Takes between one and `limit` octets from the credit; waits while there is none.
    func take(upTo limit: Int) async throws(MessagingError) -> Int {
        while true {
            let taken = try state.withLock { state throws(MessagingError) in
                if let failure = state.failure { throw failure }
                let taken = max(0, min(limit, state.available))
                state.available -= taken
                return taken
            }
            if taken > 0 { return taken }
            try await more { $0.available > 0 }
        }
    }

    /// Waits for a grant, unless `isEnough` holds by now.
    private func more(unless isEnough: @Sendable (borrowing State) -> Bool) async throws(MessagingError) {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let result: Result<Void, MessagingError>? = state.withLock { state in
                    if let failure = state.failure { return .failure(failure) }
                    if Task.isCancelled { return .failure(MessagingError(.cancelled)) }
                    if isEnough(state) { return .success(()) }
                    state.waiters.append(Waiter(number: number, continuation: continuation))
                    return nil
                }
                if let result { continuation.resume(returning: result) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.number == number }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: .failure(MessagingError(.cancelled)))
        }
        try result.get()
    }

    /// The reader has granted more.
    func grant(_ octets: Int) {
        let waiters = state.withLock { state in
            if state.window == 0 { state.window = octets }
            // A peer that grants more than its window gains nothing by it.
            state.available = min(state.available + octets, state.window)
            defer { state.waiters.removeAll() }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: .success(())) }
    }

    /// Returns what was taken and not used.
    func giveBack(_ octets: Int) {
        if octets > 0 { state.withLock { $0.available += octets } }
    }

    /// Whether the flow was ended from the other side.
    var hasEnded: Bool { state.withLock { $0.failure != nil } }

    /// Nothing more will be taken: whoever waits, and whoever comes, gets this error.
    func end(_ error: MessagingError) {
        let waiters = state.withLock { state in
            if state.failure == nil { state.failure = error }
            defer { state.waiters.removeAll() }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: .failure(error)) }
    }
}
