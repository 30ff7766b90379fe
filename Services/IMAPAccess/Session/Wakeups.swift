/// What a session may wait for. What is `lasting` stays once it has happened; the others are news
/// that whoever waits takes away.
struct Wakeups: OptionSet, Sendable {
    let rawValue: UInt16

    /// Octets came from the client.
    static let input = Wakeups(rawValue: 1)
    /// The client will send no more; it may still read.
    static let ended = Wakeups(rawValue: 2)
    /// Nothing of what was waited for came in time.
    static let timedOut = Wakeups(rawValue: 4)
    /// The service is about to stop.
    static let draining = Wakeups(rawValue: 8)
    /// The selected mailbox has changed.
    static let changed = Wakeups(rawValue: 16)
    /// The channel takes output again.
    static let writable = Wakeups(rawValue: 32)
    /// The TLS handshake is done.
    static let secured = Wakeups(rawValue: 64)
    /// The connection is gone.
    static let gone = Wakeups(rawValue: 128)

    /// The octets of an upload are not wanted any more.
    static let interrupted = Wakeups(rawValue: 256)

    /// The connection is there: a session may begin before its channel does.
    static let opened = Wakeups(rawValue: 512)

    /// Mailboxes that are not selected have changed.
    static let notified = Wakeups(rawValue: 1024)

    /// A request that was in hand while more was read is answered.
    static let answered = Wakeups(rawValue: 2048)

    static let lasting: Wakeups = [.ended, .draining, .gone]
}

/// One waiter at a time, woken exactly once by the first of the events that it is interested in.
struct Wakeup {
    private var happened: Wakeups = []
    private var waiter: (interest: Wakeups, continuation: CheckedContinuation<Wakeups, Never>)?

    /// What has already happened of these; it counts as taken.
    mutating func take(_ interest: Wakeups) -> Wakeups {
        let ready = happened.intersection(interest)
        happened.subtract(ready.subtracting(.lasting))
        return ready
    }

    /// Keeps the waiter until one of these happens.
    mutating func park(_ continuation: CheckedContinuation<Wakeups, Never>, for interest: Wakeups) {
        waiter = (interest, continuation)
    }

    /// Something happened. Returns the waiter that it wakes; resume it with what is returned beside it.
    mutating func signal(_ event: Wakeups) -> (CheckedContinuation<Wakeups, Never>, Wakeups)? {
        happened.insert(event)
        guard let waiter, !happened.isDisjoint(with: waiter.interest) else { return nil }
        self.waiter = nil
        return (waiter.continuation, take(waiter.interest))
    }

    /// Forgets what has happened, for example that the time was up for something that came all the same.
    mutating func clear(_ events: Wakeups) {
        happened.subtract(events)
    }
}
