import Logging
import Metrics
import Synchronization

/// What a service waits for before it can do its work, and whether it is ready.
///
/// A service is ready when every condition is met. Each change is logged once, so that a peer that stays away does not
/// fill the log; the list of what is awaited is what `/ready`, the Health contract and `martlet status` show.
public final class HealthRegistry: Sendable {
    private struct State {
        var names: [String] = []
        /// What each condition waits for; nil when it is met.
        var waits: [String?] = []
        var isDraining = false
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
        var observers: [@Sendable (Bool) -> Void] = []
        /// The last readiness that was logged; nil before the first change.
        var announced: Bool?

        /// Whether every condition has been declared; before that nobody is told "ready".
        var isComplete: Bool

        var isReady: Bool { isComplete && !isDraining && waits.allSatisfy { $0 == nil } }
    }

    private let state: Mutex<State>
    private let logger: Logger
    private let gauge = Gauge(label: "martlet_ready")

    /// An empty registry, which is ready until a condition is added.
    public convenience init(logger: Logger) { self.init(logger: logger, isComplete: true) }

    /// A registry that is not ready before ``announce()``.
    init(logger: Logger, isComplete: Bool) {
        state = Mutex(State(isComplete: isComplete))
        self.logger = logger
        gauge.record(0)
    }

    /// Adds a condition that is not met yet.
    /// - Parameters:
    ///   - name: a short constant name, for example `database`.
    ///   - what: what is awaited, as a person will read it after "waiting for".
    public func condition(_ name: String, waitingFor what: String) -> HealthCondition {
        let index = state.withLock { state in
            state.names.append(name)
            state.waits.append(what)
            return state.waits.count - 1
        }
        logger.notice("waiting", metadata: ["condition": "\(name)", "for": "\(what)"])
        return HealthCondition(registry: self, index: index)
    }

    /// Whether every condition is met and the service is not being drained.
    public var isReady: Bool { state.withLock { $0.isReady } }

    /// What is awaited, one sentence each; empty when ready.
    public var waitingFor: [String] {
        state.withLock { state in
            if state.isDraining { return ["the service is shutting down"] }
            let waits = state.waits.compactMap { $0 }
            return waits.isEmpty && !state.isComplete ? ["the service is starting"] : waits
        }
    }

    /// Returns when the service is ready, or at once when the task is cancelled.
    public func waitUntilReady() async {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    if state.isReady || Task.isCancelled { return true }
                    state.waiters[number] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }

    /// Calls `body` with every change of readiness, and now when the service is ready already.
    func observe(_ body: @escaping @Sendable (Bool) -> Void) {
        let isReady = state.withLock { state in
            state.observers.append(body)
            return state.isReady
        }
        if isReady { body(true) }
    }

    /// The service is about to leave: it is not ready any more, whatever the conditions say.
    func drain() { change { $0.isDraining = true } }

    /// Every condition has been declared: from now on the service is ready when it waits for nothing.
    func announce() { change { $0.isComplete = true } }

    fileprivate func set(_ index: Int, waitingFor what: String?) {
        let change: (name: String, isChanged: Bool) = state.withLock { state in
            (state.names[index], state.waits[index] != what)
        }
        guard change.isChanged else { return }
        if let what {
            logger.warning("waiting", metadata: ["condition": "\(change.name)", "for": "\(what)"])
        } else {
            logger.info("condition met", metadata: ["condition": "\(change.name)"])
        }
        self.change { $0.waits[index] = what }
    }

    private func change(_ body: (inout State) -> Void) {
        let told: (ready: Bool, waiters: [CheckedContinuation<Void, Never>], observers: [@Sendable (Bool) -> Void])? =
            state.withLock { state in
                body(&state)
                let ready = state.isReady
                guard state.announced != ready, state.isComplete else { return nil }
                state.announced = ready
                guard ready else { return (ready, [], state.observers) }
                defer { state.waiters.removeAll() }
                return (ready, Array(state.waiters.values), state.observers)
            }
        guard let told else { return }
        gauge.record(told.ready ? 1 : 0)
        if told.ready { logger.notice("ready") }
        for waiter in told.waiters { waiter.resume() }
        for observer in told.observers { observer(told.ready) }
    }
}

/// One thing that a service waits for.
public struct HealthCondition: Sendable {
    private let registry: HealthRegistry
    private let index: Int

    fileprivate init(registry: HealthRegistry, index: Int) {
        self.registry = registry
        self.index = index
    }

    /// The condition is met.
    public func ready() { registry.set(index, waitingFor: nil) }

    /// The condition is not met, or not any more: says for what the service waits.
    public func waiting(for what: String) { registry.set(index, waitingFor: what) }
}
