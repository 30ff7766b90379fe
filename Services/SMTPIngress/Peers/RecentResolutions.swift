import Contracts
import NIOCore
import Synchronization

/// What the directory said a moment ago about addresses that lead somewhere.
///
/// Mail comes in bursts to the same recipients, and RCPT is the most frequent question of all: a remembered answer
/// saves a call to storage and a look-up in PostgreSQL. Only *accepted* is remembered, so that a new account or alias
/// counts at once; and what was accepted is judged again in the commit, which refuses an account that is gone or full.
/// What may be late, by `lifetime` at most, is that an alias leads elsewhere.
final class RecentResolutions: Sendable {
    private struct Answer {
        let resolution: ResolveReply.Resolution
        let expiry: NIODeadline
    }

    /// Addresses that are remembered at once; when there are more, all are forgotten, which costs one question each.
    static let limit = 4_096

    private let lifetime: TimeAmount
    private let answers = Mutex<[String: Answer]>([:])

    /// Nothing is remembered when `lifetime` is zero.
    init(lifetime: Duration) {
        self.lifetime = TimeAmount(lifetime)
    }

    /// The answers to all of these addresses, or nil when one is not known any more.
    func answers(
        to addresses: [String], at now: NIODeadline = .now()
    ) -> [ResolveReply.Resolution]? {
        answers.withLock { answers in
            var found: [ResolveReply.Resolution] = []
            for address in addresses {
                guard let answer = answers[address], answer.expiry > now else { return nil }
                found.append(answer.resolution)
            }
            return found
        }
    }

    /// Keeps what the directory said.
    func remember(
        _ resolutions: [ResolveReply.Resolution], to addresses: [String], at now: NIODeadline = .now()
    ) {
        guard lifetime > .zero, resolutions.count == addresses.count else { return }
        let expiry = now + lifetime
        answers.withLock { answers in
            for (address, resolution) in zip(addresses, resolutions) {
                guard resolution.outcome == .accepted else {
                    answers[address] = nil
                    continue
                }
                if answers.count >= Self.limit { answers.removeAll(keepingCapacity: true) }
                answers[address] = Answer(resolution: resolution, expiry: expiry)
            }
        }
    }
}
