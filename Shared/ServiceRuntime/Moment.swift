import Glibc

/// An instant, as the machine's two clocks told it.
///
/// The time of day jumps when somebody sets it; the time since the machine's start does not, and is the same for all
/// processes there. So two moments of one machine are compared by the latter, and only those of two machines by the
/// former, which is right as far as their clocks agree.
public struct Moment: Sendable, Hashable {
    /// Which start of which machine this is: drawn by the kernel at each start. 0 when it is unknown.
    public let machine: UInt64
    /// Microseconds since that start, sleep included.
    public let uptime: Int64
    /// Microseconds since 1970-01-01 UTC.
    public let wallClock: Int64

    /// A moment that was told by another process.
    public init(machine: UInt64, uptime: Int64, wallClock: Int64) {
        self.machine = machine
        self.uptime = uptime
        self.wallClock = wallClock
    }

    /// This moment.
    public static var now: Self {
        var sinceStart = timespec()
        clock_gettime(CLOCK_BOOTTIME, &sinceStart)
        return Self(
            machine: thisMachine, uptime: Int64(sinceStart.tv_sec) * 1_000_000 + Int64(sinceStart.tv_nsec) / 1_000,
            wallClock: WallClock.microseconds)
    }

    /// How long after an earlier moment this one is; negative when it is before it.
    public func since(_ earlier: Self) -> Duration {
        .microseconds(isComparable(with: earlier) ? uptime - earlier.uptime : wallClock - earlier.wallClock)
    }

    /// The moment so much later.
    public func advanced(by duration: Duration) -> Self {
        let (seconds, attoseconds) = duration.components
        let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
        return Self(machine: machine, uptime: uptime + microseconds, wallClock: wallClock + microseconds)
    }

    private func isComparable(with other: Self) -> Bool { machine == other.machine && machine != 0 }

    /// The first half of the kernel's boot id, a random UUID.
    private static let thisMachine: UInt64 = {
        let text = FileText.read("/proc/sys/kernel/random/boot_id") ?? ""
        return UInt64(text.filter { $0 != "-" }.prefix(16), radix: 16) ?? 0
    }()
}
