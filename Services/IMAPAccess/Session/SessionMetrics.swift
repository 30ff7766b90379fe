import IMAPSyntax
import Metrics
import Synchronization

/// What the process counts. Dimensions are bounded: command names are the parser's own.
enum SessionMetrics {
    static let sessionsStarted = Counter(label: "martlet_imap_sessions_total")
    static let sessionsRefused = Counter(label: "martlet_imap_sessions_refused_total")
    static let sessions = Meter(label: "martlet_imap_sessions")
    static let badCommands = Counter(label: "martlet_imap_bad_commands_total")
    static let loginFailures = Counter(label: "martlet_imap_login_failures_total")
    static let logins = Counter(label: "martlet_imap_logins_total")

    private struct Ending: Hashable {
        var command: String
        var condition: StatusCondition
    }

    /// Made once each: to find a counter by its label takes longer than many a command.
    private static let endings = Mutex<[Ending: Counter]>([:])

    /// A command ended with this condition.
    static func count(_ command: String, _ condition: StatusCondition) {
        let ending = Ending(command: command, condition: condition)
        let counter = endings.withLock { endings in
            if let known = endings[ending] { return known }
            let counter = Counter(
                label: "martlet_imap_commands_total",
                dimensions: [("command", command), ("status", condition.rawValue)])
            endings[ending] = counter
            return counter
        }
        counter.increment()
    }
}
