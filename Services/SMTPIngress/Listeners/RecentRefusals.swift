import NIOCore

/// Addresses whose clients were turned away a short time ago: one that comes again at once is not told at once.
struct RecentRefusals {
    private let time: TimeAmount
    private let limit: Int
    private var last: [String: NIODeadline] = [:]

    /// `time` is how long a refusal is remembered, `limit` how many are.
    init(for time: Duration, limit: Int) {
        self.time = TimeAmount(time)
        self.limit = limit
    }

    /// A client is turned away; true when one from there was within the time.
    mutating func add(_ address: String, at now: NIODeadline = .now()) -> Bool {
        if last.count >= limit {
            last = last.filter { $0.value + time > now }
            // A crowd of this size is held back as a whole.
            guard last.count < limit else { return true }
        }
        let before = last.updateValue(now, forKey: address)
        return before.map { $0 + time > now } ?? false
    }
}
