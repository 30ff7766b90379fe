import Metrics

/// What content processing counts.
struct ContentMetrics: Sendable {
    /// Messages committed, whatever became of their copies.
    let messages = Counter(label: "martlet_content_messages_total")
    /// Messages of IMAP APPEND.
    let appended = Counter(label: "martlet_content_appended_total")
    /// Messages refused for good.
    let refused = Counter(label: "martlet_content_refused_total")
    /// Messages that could not be made durable now.
    let deferred = Counter(label: "martlet_content_deferred_total")
    /// Messages turned away because too much was in hand.
    let overloaded = Counter(label: "martlet_content_overloaded_total")
    /// Copies queued because their recipient could not take them.
    let postponedCopies = Counter(label: "martlet_content_postponed_copies_total")
}
