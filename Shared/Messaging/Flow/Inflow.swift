import DequeModule
import Synchronization

/// The reader's end of a flow: keeps what arrived within the credit, and grants again what was consumed.
final class Inflow<Element: Sendable>: Sendable {
    typealias Outcome = Result<Element?, MessagingError>

    private struct State {
        var buffer = Deque<(element: Element, cost: Int)>()
        var end: Result<Void, MessagingError>?
        var waiter: UnsafeContinuation<Outcome, Never>?
        /// What the writer may still send.
        var outstanding: Int
        var consumed = 0
        /// Elements that the reader has got.
        var taken = 0
        var hasBegun = false
    }

    private enum Step {
        case resume(Outcome, grant: Int)
        case wait
    }

    private let state: Mutex<State>
    let window: Int
    /// Sends a grant to the writer; called on any thread.
    private let grant: @Sendable (Int) -> Void

    init(window: Int, grant: @escaping @Sendable (Int) -> Void) {
        self.window = window
        self.grant = grant
        state = Mutex(State(outstanding: window))
    }

    /// The next element, nil at the end. One reader at a time.
    func next() async throws(MessagingError) -> Element? {
        switch state.withLock({ self.step(&$0) }) {
        case .resume(let outcome, let octets):
            if octets > 0 { grant(octets) }
            return try outcome.get()
        case .wait:
            break
        }
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Outcome, Never>) in
                let step = state.withLock { state in
                    if Task.isCancelled { return Step.resume(.failure(MessagingError(.cancelled)), grant: 0) }
                    if state.waiter != nil {
                        return .resume(.failure(MessagingError(.failed, "a stream has one reader")), grant: 0)
                    }
                    let step = self.step(&state)
                    if case .wait = step { state.waiter = continuation }
                    return step
                }
                if case .resume(let outcome, let octets) = step {
                    if octets > 0 { grant(octets) }
                    continuation.resume(returning: outcome)
                }
            }
        } onCancel: {
            let waiter = state.withLock { $0.waiter.take() }
            waiter?.resume(returning: .failure(MessagingError(.cancelled)))
        }
        return try outcome.get()
    }

    private func step(_ state: inout State) -> Step {
        if let (element, cost) = state.buffer.popFirst() {
            return .resume(.success(element), grant: consume(cost, &state))
        }
        switch state.end {
        case .success: return .resume(.success(nil), grant: 0)
        case .failure(let error): return .resume(.failure(error), grant: 0)
        case nil: return .wait
        }
    }

    /// What is to be granted now that so much was consumed.
    private func consume(_ cost: Int, _ state: inout State) -> Int {
        state.taken &+= 1
        state.consumed += cost
        guard state.end == nil, Credit.isDue(consumed: state.consumed, window: window) else { return 0 }
        defer { state.consumed = 0 }
        state.outstanding += state.consumed
        return state.consumed
    }

    /// Takes what arrived; false when the writer had no credit for it.
    func push(_ element: Element, cost: Int) -> Bool {
        var octets = 0
        var waiter: UnsafeContinuation<Outcome, Never>?
        let isPermitted = state.withLock { state in
            guard Credit.permits(cost: cost, available: state.outstanding, window: window) else { return false }
            guard state.end == nil else { return true }
            state.outstanding -= cost
            state.hasBegun = true
            waiter = state.waiter.take()
            if waiter == nil {
                state.buffer.append((element, cost))
            } else {
                octets = consume(cost, &state)
            }
            return true
        }
        if octets > 0 { grant(octets) }
        waiter?.resume(returning: .success(element))
        return isPermitted
    }

    /// Whether a reader waits for something that has not come.
    var isAwaited: Bool { state.withLock { $0.waiter != nil } }

    /// How many elements the reader has got; nil when it waits for one, or none has arrived yet.
    var takenByBusyReader: Int? {
        state.withLock { $0.hasBegun && $0.waiter == nil ? $0.taken : nil }
    }

    /// Whether anything has arrived.
    var hasBegun: Bool { state.withLock { $0.hasBegun } }

    /// Nothing more will arrive. What is buffered is still read, unless an error ends the flow.
    func end(_ error: MessagingError? = nil) {
        let (waiter, dropped) = state.withLock { state in
            var dropped = Deque<(element: Element, cost: Int)>()
            if state.end == nil {
                state.end = error.map { .failure($0) } ?? .success(())
                if error != nil { swap(&dropped, &state.buffer) }
            }
            return (state.waiter.take(), dropped)
        }
        _ = dropped
        waiter?.resume(returning: error.map { .failure($0) } ?? .success(nil))
    }
}
