import NIOCore
import Synchronization

/// A user inbound event: the service ends, finish what is in hand.
struct DrainRequested: Sendable {}

/// The sessions of this process: how many there may be, and when the last one is over.
final class SessionRegistry: Sendable {
    /// The answer to a new connection.
    enum Admission: Sendable, Hashable {
        case admitted
        /// To be told so after a time.
        case refused(Refusal, after: Duration)
    }

    /// Why a connection becomes no session.
    enum Refusal: Sendable, Hashable {
        case tooMany
        case tooManyFromAddress
        case draining
    }

    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        /// Accepted and no session: on their way in, or being turned away.
        var outside: [ObjectIdentifier: any Channel] = [:]
        /// Those of them that have not asked to enter yet.
        var arriving: Set<ObjectIdentifier> = []
        /// Listeners that wait until there are fewer of those.
        var pausedListeners: [@Sendable () -> Void] = []
        var byAddress: [String: Int] = [:]
        var refusals: RecentRefusals
        var isDraining = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        var isEmpty: Bool { channels.isEmpty && outside.isEmpty }

        mutating func takeWaitersIfEmpty() -> [CheckedContinuation<Void, Never>] {
            guard isEmpty else { return [] }
            defer { waiters = [] }
            return waiters
        }
    }

    private let limits: Limits
    private let refusalTime: Duration
    private let metrics: IngressMetrics
    private let state: Mutex<State>

    /// `refusalTime` is for how long a client is kept waiting that comes again at once when it was turned away.
    init(limits: Limits, refusalTime: Duration, metrics: IngressMetrics) {
        self.limits = limits
        self.refusalTime = refusalTime
        self.metrics = metrics
        state = Mutex(State(refusals: RecentRefusals(for: refusalTime, limit: limits.refusals)))
    }

    /// How many connections are on their way in or being turned away.
    var outsideCount: Int { state.withLock { $0.outside.count } }

    /// How many connections were accepted and have not asked to enter yet.
    var arrivingCount: Int { state.withLock { $0.arriving.count } }

    /// How many sessions there are, those included whose calls are not answered yet.
    var count: Int { state.withLock { $0.channels.count } }

    /// A connection has come. Once admitted it must leave.
    func enter(_ channel: any Channel, address: String) -> Admission {
        let (admission, count) = state.withLock { state -> (Admission, Int) in
            state.arriving.remove(ObjectIdentifier(channel))
            let count = state.channels.count
            func refused(_ refusal: Refusal) -> (Admission, Int) {
                (.refused(refusal, after: state.refusals.add(address) ? refusalTime : .zero), count)
            }
            guard !state.isDraining else { return (.refused(.draining, after: .zero), count) }
            guard count < limits.sessions else { return refused(.tooMany) }
            // Unix sockets have no address; who can reach them is decided by the file system.
            if !address.isEmpty {
                guard state.byAddress[address, default: 0] < limits.sessionsPerAddress else {
                    return refused(.tooManyFromAddress)
                }
                state.byAddress[address, default: 0] += 1
            }
            state.channels[ObjectIdentifier(channel)] = channel
            return (.admitted, count + 1)
        }
        metrics.openSessions.record(count)
        if admission == .admitted { noLongerOutside(channel) } else { metrics.refusedSessions.increment() }
        return admission
    }

    /// A connection was accepted, and is outside until it is a session or closed.
    func accepted(_ channel: any Channel) {
        state.withLock { state in
            state.outside[ObjectIdentifier(channel)] = channel
            state.arriving.insert(ObjectIdentifier(channel))
        }
        channel.closeFuture.whenComplete { _ in self.noLongerOutside(channel) }
    }

    /// Whether another connection may be accepted; if not, `resume` is called once it may.
    func mayAccept(orElse resume: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard state.outside.count >= limits.refusals else { return true }
            state.pausedListeners.append(resume)
            return false
        }
    }

    private func noLongerOutside(_ channel: any Channel) {
        let (listeners, waiters) = state.withLock { state in
            state.outside[ObjectIdentifier(channel)] = nil
            state.arriving.remove(ObjectIdentifier(channel))
            let listeners = state.outside.count < limits.refusals ? state.pausedListeners : []
            if !listeners.isEmpty { state.pausedListeners = [] }
            return (listeners, state.takeWaitersIfEmpty())
        }
        for listener in listeners { listener() }
        for waiter in waiters { waiter.resume() }
    }

    /// A session is over, and so are its calls.
    func leave(_ channel: any Channel, address: String) {
        let (waiters, count) = state.withLock { state -> ([CheckedContinuation<Void, Never>], Int) in
            guard state.channels.removeValue(forKey: ObjectIdentifier(channel)) != nil else {
                return ([], state.channels.count)
            }
            if let count = state.byAddress[address] { state.byAddress[address] = count > 1 ? count - 1 : nil }
            return (state.takeWaitersIfEmpty(), state.channels.count)
        }
        metrics.openSessions.record(count)
        for waiter in waiters { waiter.resume() }
    }

    /// Tells every session to come to an end, and admits no other.
    func drain() {
        let channels = state.withLock { state in
            state.isDraining = true
            return Array(state.channels.values) + Array(state.outside.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(DrainRequested()) }
    }

    /// Cuts what has not ended by itself.
    func closeAll() {
        for channel in state.withLock({ Array($0.channels.values) + Array($0.outside.values) }) {
            channel.close(promise: nil)
        }
    }

    /// Returns when there is no session and nobody is being turned away.
    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.isEmpty { state.waiters.append(continuation) }
                return state.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }
}
