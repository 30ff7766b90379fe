import Glibc
import NIOCore
import Synchronization

/// Lets the event loops do nothing while `body` runs and until `time` has passed, as when their process is stopped. What
/// was to be done by then is due at once when they go on, before they have looked at their sockets.
public func standStill(
    _ loops: any EventLoopGroup, for time: Duration, isolation: isolated (any Actor)? = #isolation,
    while body: () async throws -> Void
) async throws {
    let all = Array(loops.makeIterator())
    let standing = Mutex(0)
    let isOver = Mutex(false)
    let stops = all.map { loop in
        loop.submit {
            let end = NIODeadline.now() + TimeAmount(time)
            standing.withLock { $0 += 1 }
            // The thread rests meanwhile: other tests need the machine's cores.
            while !isOver.withLock({ $0 }) || NIODeadline.now() < end { usleep(1_000) }
        }
    }
    defer { isOver.withLock { $0 = true } }
    try await eventually("the loops to stand still") { standing.withLock { $0 } == all.count }
    try await body()
    isOver.withLock { $0 = true }
    for stop in stops { try await stop.get() }
}
