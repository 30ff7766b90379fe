import Metrics

/// What ingress counts. Labels are bounded: kinds of listeners and outcomes, never anything that a client chose.
struct IngressMetrics: Sendable {
    private let sessions: [ListenerKind: Counter]
    private let accepted: [ListenerKind: Counter]
    let openSessions = Gauge(label: "martlet_smtp_open_sessions")
    let refusedSessions = Counter(label: "martlet_smtp_sessions_refused_total")
    let refusedMessages = Counter(label: "martlet_smtp_messages_refused_total")
    let deferredMessages = Counter(label: "martlet_smtp_messages_deferred_total")
    let interruptedTransactions = Counter(label: "martlet_smtp_transactions_interrupted_total")
    let resumedTransactions = Counter(label: "martlet_smtp_transactions_resumed_total")
    let acceptedOctets = Counter(label: "martlet_smtp_message_octets_total")
    let acceptanceTime = Timer(label: "martlet_smtp_acceptance_seconds")
    let peerFailures = Counter(label: "martlet_smtp_peer_failures_total")
    let authenticationSuccesses = Counter(
        label: "martlet_smtp_authentications_total", dimensions: [("result", "success")])
    let authenticationFailures = Counter(
        label: "martlet_smtp_authentications_total", dimensions: [("result", "failure")])
    let injectedOctets = Counter(label: "martlet_smtp_starttls_injected_octets_total")

    init() {
        sessions = Self.byKind("martlet_smtp_sessions_total")
        accepted = Self.byKind("martlet_smtp_messages_accepted_total")
    }

    func sessionBegan(_ kind: ListenerKind) { sessions[kind]?.increment() }
    func messageAccepted(_ kind: ListenerKind) { accepted[kind]?.increment() }

    private static func byKind(_ label: String) -> [ListenerKind: Counter] {
        Dictionary(
            uniqueKeysWithValues: ListenerKind.allCases.map {
                ($0, Counter(label: label, dimensions: [("listener", $0.rawValue)]))
            })
    }
}
