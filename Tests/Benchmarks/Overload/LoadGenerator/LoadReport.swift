import Glibc

/// What became of the messages that were offered.
struct LoadReport {
    /// How a message ended without any reply to it.
    enum Loss: Int, CaseIterable {
        /// The connection could not be made.
        case connectFailed
        /// The connection ended before the greeting.
        case beforeGreeting
        /// It ended before the end of data: the client knows that nothing was taken.
        case beforeDot
        /// It ended after the end of data: the client cannot know.
        case afterDot

        var name: String {
            switch self {
            case .connectFailed: "connect_failed"
            case .beforeGreeting: "before_greeting"
            case .beforeDot: "before_dot"
            case .afterDot: "after_dot"
            }
        }
    }

    var offered = 0
    /// Messages that reached the wire: a session was there, or a connection was begun for them.
    var tried = 0
    var accepted = 0
    var refused: [Int: Int] = [:]
    var lost = [Int](repeating: 0, count: Loss.allCases.count)
    /// Offered, and no session came free within the limit.
    var unanswered = 0
    /// Begun, and no greeting came within the limit.
    var ungreeted = 0
    /// In a session, and not answered within the limit.
    var unansweredInHand = 0
    var connections = 0
    /// Sessions without a message that the server ended.
    var idleSessionsEnded = 0
    var highestSessions = 0
    /// Microseconds from the first octet of MAIL to the last of 250, of messages accepted in the measured time.
    var latencies: [Int32] = []
    /// The same from the moment when the message was offered.
    var waits: [Int32] = []
    /// By second of the run.
    var acceptedBySecond: [Int] = []
    var refusedBySecond: [Int] = []
    /// Accepted in the measured time, which ends with the last offer.
    var acceptedInTime = 0
    var measured: Int64 = 0
    var elapsed: Int64 = 0

    private static func quantiles(_ values: [Int32]) -> String {
        let sorted = values.sorted()
        guard let highest = sorted.last else { return "null" }
        func at(_ share: Double) -> Int32 { sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
        return """
            {"p50": \(at(0.5)), "p99": \(at(0.99)), "p999": \(at(0.999)), "max": \(highest), "count": \(sorted.count)}
            """
    }

    /// User and system time of this process, in seconds.
    private static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    var json: String {
        let codes = refused.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ")
        let losses = Loss.allCases.map { "\"\($0.name)\": \(lost[$0.rawValue])" }.joined(separator: ", ")
        return """
            {"offered": \(offered), "tried": \(tried), "accepted": \(accepted), "refused": {\(codes)},
             "lost": {\(losses)}, "no_session": \(unanswered), "no_greeting": \(ungreeted),
             "no_reply": \(unansweredInHand),
             "connections": \(connections), "highest_sessions": \(highestSessions),
             "idle_sessions_ended": \(idleSessionsEnded),
             "accepted_rate": \(measured > 0 ? Double(acceptedInTime) * 1e9 / Double(measured) : 0),
             "seconds": \(Double(elapsed) / 1e9), "cpu_seconds": \(Self.cpuSeconds),
             "latency_us": \(Self.quantiles(latencies)), "offer_to_accept_us": \(Self.quantiles(waits)),
             "accepted_by_second": \(acceptedBySecond), "refused_by_second": \(refusedBySecond)}
            """
    }
}
