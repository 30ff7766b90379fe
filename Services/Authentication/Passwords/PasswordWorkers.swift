import Dispatch
import Messaging
import NIOCore
import Synchronization

/// A few threads for work that takes milliseconds of pure computation, and a queue before them that does not grow
/// without end. Neither the socket's thread nor Swift's own pool ever waits for a hash.
final class PasswordWorkers: Sendable {
    private struct Job: Sendable {
        var run: @Sendable () -> Void
    }

    private enum Admission {
        case start
        case wait
        case refuse
    }

    private struct State {
        var idleThreads: Int
        var waiting = CircularBuffer<Job>()
        var performed = 0
    }

    private let queue = DispatchQueue(label: "passwords", attributes: .concurrent)
    private let state: Mutex<State>
    private let waitingLimit: Int

    init(threads: Int, waitingLimit: Int) {
        state = Mutex(State(idleThreads: max(1, threads)))
        self.waitingLimit = waitingLimit
    }

    /// How much work was done so far.
    var performed: Int { state.withLock { $0.performed } }

    /// Does `work` on a thread. Throws `overloaded` at once when too much waits, and `deadlineExceeded` instead of doing
    /// work that nobody waits for any more.
    func run<Value: Sendable>(deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () -> Value) async throws
        -> Value
    {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            let job = Job {
                guard ContinuousClock.now < deadline else {
                    continuation.resume(
                        throwing: MessagingError(.deadlineExceeded, "the password was not checked in time"))
                    return
                }
                self.state.withLock { $0.performed += 1 }
                continuation.resume(returning: work())
            }
            let admission = state.withLock { state -> Admission in
                if state.idleThreads > 0 {
                    state.idleThreads -= 1
                    return .start
                }
                guard state.waiting.count < waitingLimit else { return .refuse }
                state.waiting.append(job)
                return .wait
            }
            switch admission {
            case .start: queue.async { self.work(job) }
            case .wait: break
            case .refuse: continuation.resume(throwing: MessagingError(.overloaded, "too many passwords to check"))
            }
        }
    }

    private func work(_ first: Job) {
        var job: Job? = first
        while let current = job {
            current.run()
            job = state.withLock { state in
                let next = state.waiting.popFirst()
                if next == nil { state.idleThreads += 1 }
                return next
            }
        }
    }
}
