import NIOCore
import Synchronization

/// A user inbound event: the service ends, finish what is in hand.
struct DrainRequested: Sendable {}

/// The sessions of this process: how many there may be, and when the last one is over.
final class SessionRegistry: Sendable {
    /// The answer to a new connection.
    enum Admission: Sendable, Hashable {
        case admitted
        case tooMany
        case tooManyFromAddress
    }

    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var byAddress: [String: Int] = [:]
        var isDraining = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let limits: Limits
    private let metrics: IngressMetrics
    private let state = Mutex(State())

    init(limits: Limits, metrics: IngressMetrics) {
        self.limits = limits
        self.metrics = metrics
    }

    /// How many sessions there are, those included whose calls are not answered yet.
    var count: Int { state.withLock { $0.channels.count } }

    /// A connection has come. Once admitted it must leave.
    func enter(_ channel: any Channel, address: String) -> Admission {
        let (admission, count) = state.withLock { state -> (Admission, Int) in
            guard !state.isDraining, state.channels.count < limits.sessions else {
                return (.tooMany, state.channels.count)
            }
            // Unix sockets have no address; who can reach them is decided by the file system.
            if !address.isEmpty {
                guard state.byAddress[address, default: 0] < limits.sessionsPerAddress else {
                    return (.tooManyFromAddress, state.channels.count)
                }
                state.byAddress[address, default: 0] += 1
            }
            state.channels[ObjectIdentifier(channel)] = channel
            return (.admitted, state.channels.count)
        }
        metrics.openSessions.record(count)
        if admission != .admitted { metrics.refusedSessions.increment() }
        return admission
    }

    /// A session is over, and so are its calls.
    func leave(_ channel: any Channel, address: String) {
        let (waiters, count) = state.withLock { state -> ([CheckedContinuation<Void, Never>], Int) in
            guard state.channels.removeValue(forKey: ObjectIdentifier(channel)) != nil else {
                return ([], state.channels.count)
            }
            if let count = state.byAddress[address] { state.byAddress[address] = count > 1 ? count - 1 : nil }
            guard state.channels.isEmpty else { return ([], state.channels.count) }
            defer { state.waiters = [] }
            return (state.waiters, 0)
        }
        metrics.openSessions.record(count)
        for waiter in waiters { waiter.resume() }
    }

    /// Tells every session to come to an end, and admits no other.
    func drain() {
        let channels = state.withLock { state in
            state.isDraining = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(DrainRequested()) }
    }

    /// Cuts what has not ended by itself.
    func closeAll() {
        for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    /// Returns when there is no session.
    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.channels.isEmpty { state.waiters.append(continuation) }
                return state.channels.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }
}
