import IMAPSyntax
import Metrics

/// What the process counts. Dimensions are bounded: command names are the parser's own.
enum SessionMetrics {
    static let sessionsStarted = Counter(label: "martlet_imap_sessions_total")
    static let sessionsRefused = Counter(label: "martlet_imap_sessions_refused_total")
    static let sessions = Meter(label: "martlet_imap_sessions")
    static let badCommands = Counter(label: "martlet_imap_bad_commands_total")
    static let loginFailures = Counter(label: "martlet_imap_login_failures_total")
    static let logins = Counter(label: "martlet_imap_logins_total")

    /// A command ended with this condition.
    static func count(_ command: String, _ condition: StatusCondition) {
        Counter(
            label: "martlet_imap_commands_total", dimensions: [("command", command), ("status", condition.rawValue)]
        ).increment()
    }
}
