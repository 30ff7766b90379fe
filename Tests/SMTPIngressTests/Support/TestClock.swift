import NIOCore
import Synchronization

/// A clock that goes on when it is told to.
final class TestClock: Sendable {
    private let time = Mutex(NIODeadline.now())

    var now: NIODeadline { time.withLock { $0 } }

    func advance(by amount: TimeAmount) { time.withLock { $0 = $0 + amount } }
}
