import NIOCore
import ServiceRuntime
import Synchronization

/// How far event loops have come with taking in what reaches their sockets.
///
/// Each loop notes the time in a task of its own again and again. Between two such tasks it has looked at its sockets,
/// so that at the second one all that had arrived before the first is taken in. Nobody waits for a loop here: one that is
/// shut down, or stands still, only gets no further.
public final class EventLoopTurns: Sendable {
    private struct Loop {
        var before: Moment
        var latest: Moment
    }

    private let loops: Mutex<[Loop]>

    /// How often a loop notes the time.
    static let interval = TimeAmount.milliseconds(100)

    /// Watches the loops of the group until they are shut down.
    public init(_ group: any EventLoopGroup) {
        let all = Array(group.makeIterator())
        let now = Moment.now
        loops = Mutex(Array(repeating: Loop(before: now, latest: now), count: all.count))
        for (index, loop) in all.enumerated() {
            loop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.interval) { [weak self] task in
                guard let self else { return task.cancel() }
                loops.withLock { loops in
                    loops[index].before = loops[index].latest
                    loops[index].latest = .now
                }
            }
        }
    }

    /// All that had arrived at this moment is taken in.
    public var takenIn: Moment {
        loops.withLock { loops in
            loops.map(\.before).min { $0.since($1) < .zero } ?? .now
        }
    }
}
