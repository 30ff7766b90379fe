import Contracts
import Database
import Messaging
import ServiceRuntime

/// How far the processes that talk to clients have got with telling what these surely know.
///
/// A receipt that is not settled stands for a repetition only when its settlement cannot be on its way: when every such
/// process has said, after the repetition came, that all it knew is told. A process that says nothing for long is taken
/// for dead; what it knew died with it. The time in which PostgreSQL could not be reached does not count: nobody could say
/// anything.
actor Settlers {
    private let pool: ConnectionPool
    private let silence: Duration
    private var heard: [String: Word] = [:]
    private var reading: Task<Bool, Never>?
    /// When PostgreSQL was asked for what `heard` says.
    private var asked = ContinuousClock.now
    private var lookedAt = ContinuousClock.now - pause

    /// What a place said last, and since when it has said nothing else.
    struct Word {
        var moment: Moment
        var since: ContinuousClock.Instant

        /// Whether it may have something to tell of the moment that it has not told, and is not silent for too long.
        ///
        /// A process of another machine is waited for no longer than a silent one, from when it was asked for: by a clock
        /// that is behind it would never come so far, and the client would never get its reply.
        /// - Parameter reached: since when PostgreSQL can be reached.
        func isAwaited(
            of moment: Moment, askedAt asked: ContinuousClock.Instant, reached: ContinuousClock.Instant,
            now: ContinuousClock.Instant, silence: Duration
        ) -> Bool {
            guard self.moment.since(moment) < .zero else { return false }
            let since = self.moment.machine == moment.machine ? since : min(since, asked)
            return now - max(since, reached) < silence
        }
    }

    /// How long it is at least from one look to the next.
    static let pause = Duration.milliseconds(100)

    init(pool: ConnectionPool, silence: Duration) {
        self.pool = pool
        self.silence = silence
    }

    private static let advance = Statement(
        """
        INSERT INTO mail.settlers AS s (place, machine, settled_uptime, settled_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (place) DO UPDATE SET machine = excluded.machine, settled_uptime = excluded.settled_uptime,
            settled_at = excluded.settled_at, reported_at = now()
        """)
    private static let leave = Statement("DELETE FROM mail.settlers WHERE place = $1")
    private static let read = Statement("SELECT place, machine, settled_uptime, settled_at FROM mail.settlers")

    /// Writes down what a process says, in the transaction of the settlements that belong to it.
    static func note(_ progress: SettlerProgress) -> Command {
        let place = progress.place.withoutNull
        return progress.ended
            ? leave(place)
            : advance(place, Int64(bitPattern: progress.machine), progress.uptime, progress.at)
    }

    /// Returns when all that any of them knew at the moment is settled. Throws when that is not known by the deadline.
    func allTold(of moment: Moment, deadline: ContinuousClock.Instant) async throws {
        let begun = ContinuousClock.now
        while true {
            guard ContinuousClock.now < deadline else {
                throw MessagingError(.deadlineExceeded, "it is not known in time whether this is a repetition")
            }
            let isCurrent = await look()
            // How long somebody was silent shows only up to the question: this process may have stood still since.
            let reached = pool.availableSince ?? asked
            let isWaiting = heard.values.contains {
                $0.isAwaited(of: moment, askedAt: begun, reached: reached, now: asked, silence: silence)
            }
            if isCurrent, !isWaiting { return }
        }
    }

    /// Reads what they say, all who ask together and not too often; false when it could not be read.
    private func look() async -> Bool {
        if let reading { return await reading.value }
        let task = Task {
            try? await Task.sleep(until: lookedAt + Self.pause, clock: .continuous)
            let isCurrent = await readAll()
            lookedAt = .now
            reading = nil
            return isCurrent
        }
        reading = task
        return await task.value
    }

    private func readAll() async -> Bool {
        let question = ContinuousClock.now
        guard let rows = try? await pool.run(Self.read(), deadline: .now + .seconds(2)),
            let said = try? rows.decode(String.self, Int64.self, Int64.self, Int64.self)
        else { return false }
        let answer = ContinuousClock.now
        var current: [String: Word] = [:]
        for (place, machine, uptime, wallClock) in said {
            let moment = Moment(machine: UInt64(bitPattern: machine), uptime: uptime, wallClock: wallClock)
            current[place] = Word(moment: moment, since: answer)
            if let before = heard[place], before.moment == moment { current[place] = before }
        }
        heard = current
        asked = question
        return true
    }
}
