import Glibc

/// The time of day, for trace fields.
enum WallClock {
    /// Microseconds since 1970-01-01 UTC.
    static var microseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
