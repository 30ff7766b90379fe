import Synchronization

/// Counts sessions, in all and by the client's address, and refuses those beyond a limit.
final class SessionGauge: Sendable {
    private struct State {
        var total = 0
        var byAddress: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let limits: Limits

    init(limits: Limits) {
        self.limits = limits
    }

    enum Admission: Sendable, Equatable {
        case admitted
        case tooManyInAll
        case tooManyFromAddress
    }

    func admit(_ address: String) -> Admission {
        state.withLock { state in
            guard state.total < limits.sessions else { return .tooManyInAll }
            guard state.byAddress[address, default: 0] < limits.sessionsPerAddress else {
                return .tooManyFromAddress
            }
            state.total += 1
            state.byAddress[address, default: 0] += 1
            return .admitted
        }
    }

    func release(_ address: String) {
        state.withLock { state in
            state.total -= 1
            let left = state.byAddress[address, default: 1] - 1
            state.byAddress[address] = left > 0 ? left : nil
        }
    }

    var count: Int { state.withLock { $0.total } }
}
