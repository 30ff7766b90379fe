import Dispatch
import Synchronization

/// Writes log lines for threads that must not wait for whoever reads the log.
///
/// A line is written at once when none was written just before; those that come within the next moment are written
/// together. Each write wakes the supervisor, which takes as long over it as a service over a login, and blocks while
/// the supervisor's disk does: an event loop that wrote its own lines would hold up all its sessions.
///
/// What a killed process had not written is lost, a moment of its log at most.
final class LogWriter: Sendable {
    private struct State {
        var lines: [UInt8] = []
        var lost = 0
        var isDue = false
        var earliest = DispatchTime(uptimeNanoseconds: 0)
    }

    /// Octets written at once, unless one line is longer: what a pipe takes whole (POSIX, PIPE_BUF), so that lines of
    /// several processes on one pipe do not mix.
    private static let portion = 4_096

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "log")
    private let room: Int
    private let pause: DispatchTimeInterval
    private let sink: @Sendable (Slice<UnsafeRawBufferPointer>) -> Void
    private let onLoss: @Sendable (Int) -> Void

    /// Makes a writer.
    /// - Parameters:
    ///   - room: octets of lines that may wait; those beyond are lost and counted.
    ///   - pause: time from one write to the next.
    ///   - sink: takes whole lines; it may block.
    ///   - onLoss: is told how many lines were lost since it was told last, once there is room again.
    init(
        room: Int = 1 << 20, pause: DispatchTimeInterval = .milliseconds(25),
        sink: @escaping @Sendable (Slice<UnsafeRawBufferPointer>) -> Void = LogOutput.writeToStandardError,
        onLoss: @escaping @Sendable (Int) -> Void
    ) {
        self.room = room
        self.pause = pause
        self.sink = sink
        self.onLoss = onLoss
    }

    /// An output that hands its lines to this writer.
    var output: LogOutput { LogOutput { [self] in accept($0) } }

    /// Returns when all lines so far are written, and how many were lost; for the end of a process.
    func flush() {
        queue.sync {
            writeAll()
            // What `onLoss` has to say of it.
            writeAll()
        }
    }

    private func accept(_ line: borrowing [UInt8]) {
        let due: DispatchTime? = state.withLock { state in
            guard state.lines.count + line.count <= room else {
                state.lost += 1
                return nil
            }
            state.lines.append(contentsOf: copy line)
            if state.isDue { return nil }
            state.isDue = true
            return state.earliest
        }
        if let due { queue.asyncAfter(deadline: max(due, .now())) { [self] in writeAll() } }
    }

    private func writeAll() {
        let (lines, lost) = state.withLock { state in
            defer { state = State(earliest: .now() + pause) }
            return (state.lines, state.lost)
        }
        lines.withUnsafeBytes { octets in
            var rest = octets[...]
            while !rest.isEmpty {
                let lineFeed = UInt8(ascii: "\n")
                let end =
                    rest.prefix(Self.portion).lastIndex(of: lineFeed) ?? rest.firstIndex(of: lineFeed)
                    ?? rest.index(before: rest.endIndex)
                sink(rest[...end])
                rest = rest[rest.index(after: end)...]
            }
        }
        if lost > 0 { onLoss(lost) }
    }
}
