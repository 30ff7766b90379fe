import DequeModule
import Logging
import Synchronization

/// A fixed number of connections, each lent to one task at a time.
///
/// Tasks that find none free wait in a queue of bounded length, in order, never beyond their deadline. A connection that
/// broke is made anew when it is next lent; while PostgreSQL is away every call fails soon and says so, and the first
/// one after its return succeeds. `keepAvailable()` makes the pool notice both without a call, and tells
/// `onAvailabilityChange` once each time.
public final class ConnectionPool: Sendable {
    /// Whether PostgreSQL can be reached.
    public enum Availability: Sendable {
        /// It answered last time.
        case available
        /// It did not, for this reason.
        case unavailable(DatabaseError)
    }

    private struct State {
        var leases: LeaseQueue
        /// Nil before the first attempt to connect.
        var availability: (isAvailable: Bool, since: ContinuousClock.Instant)?
        var lastFailure: (error: DatabaseError, at: ContinuousClock.Instant)?
        var waiting: [Int: CheckedContinuation<Int, any Error>] = [:]
    }

    private let connections: [DatabaseConnection]
    private let state: Mutex<State>
    private let onAvailabilityChange: @Sendable (Availability) -> Void
    /// Held while availability changes and this is told, so that what is told last is what holds.
    private let telling = Mutex(())
    /// For so long after a failed attempt the next calls fail without an attempt of their own.
    private let retryPause = Duration.milliseconds(100)

    /// A pool that connects when it is first used.
    public init(
        _ configuration: ConnectionConfiguration, size: Int, waitingLimit: Int = 1024,
        onAvailabilityChange: @escaping @Sendable (Availability) -> Void = { _ in }
    ) {
        connections = (0..<max(size, 1)).map { _ in DatabaseConnection(configuration) }
        state = Mutex(State(leases: LeaseQueue(size: connections.count, waitingLimit: waitingLimit)))
        self.onAvailabilityChange = onAvailabilityChange
    }

    /// What is known of PostgreSQL; nil before the first attempt to connect.
    public var isAvailable: Bool? { state.withLock { $0.availability?.isAvailable } }

    /// Since when it can be reached; nil while it cannot, or is not known to.
    public var availableSince: ContinuousClock.Instant? {
        state.withLock { state in state.availability.flatMap { $0.isAvailable ? $0.since : nil } }
    }

    /// Lends a connection to `body`. A transaction that `body` leaves open is rolled back.
    public func withConnection<Value: Sendable>(
        deadline: ContinuousClock.Instant, _ body: @Sendable (DatabaseConnection) async throws -> Value
    ) async throws -> Value {
        let index = try await lease(until: deadline)
        let connection = connections[index]
        do {
            try await prepare(connection)
            let value = try await body(connection)
            giveBack(index)
            return value
        } catch {
            if let error = error as? DatabaseError, error.isUnavailable { became(.unavailable(error)) }
            giveBack(index)
            throw error
        }
    }

    /// Runs one command on any connection.
    @discardableResult
    public func run(_ command: Command, deadline: ContinuousClock.Instant) async throws -> Rows {
        try await withConnection(deadline: deadline) { try await $0.run(command) }
    }

    /// Runs the commands in one round trip and one transaction on any connection.
    @discardableResult
    public func run(_ commands: [Command], deadline: ContinuousClock.Instant) async throws -> [Rows] {
        try await withConnection(deadline: deadline) { try await $0.run(commands) }
    }

    /// Asks PostgreSQL for an answer until the task is cancelled: often while it is away, now and then otherwise.
    public func keepAvailable() async {
        while !Task.isCancelled {
            let deadline = ContinuousClock.now + .seconds(2)
            do {
                try await run(Self.ping(), deadline: deadline)
            } catch {
                // A pool that is busy is alive; what is down was noted where it failed.
            }
            let pause: Duration = isAvailable == false ? .milliseconds(200) : .seconds(1)
            guard (try? await Task.sleep(for: pause)) != nil else { return }
        }
    }

    /// Closes all connections. Only when no task uses the pool any more.
    public func close() async {
        for connection in connections { await connection.close() }
    }

    private static let ping = Statement("SELECT 1")

    // MARK: - Connecting

    private func prepare(_ connection: DatabaseConnection) async throws(DatabaseError) {
        let recent = state.withLock { state -> DatabaseError? in
            guard let (error, at) = state.lastFailure, ContinuousClock.now < at + retryPause else { return nil }
            return error
        }
        if let recent { throw recent }
        do throws(DatabaseError) {
            try await connection.connect()
        } catch {
            state.withLock { $0.lastFailure = (error, .now) }
            became(.unavailable(error))
            throw error
        }
        let isNews = state.withLock { state in
            state.lastFailure = nil
            return state.availability?.isAvailable != true
        }
        if isNews { became(.available) }
    }

    private func became(_ availability: Availability) {
        let isAvailable = if case .available = availability { true } else { false }
        telling.withLock { _ in
            let isNews = state.withLock { state in
                guard state.availability?.isAvailable != isAvailable else { return false }
                state.availability = (isAvailable, .now)
                return true
            }
            if isNews { onAvailabilityChange(availability) }
        }
    }

    // MARK: - Lending

    private func lease(until deadline: ContinuousClock.Instant) async throws -> Int {
        try Task.checkCancellation()
        let (free, ticket) = try state.withLock { state -> (Int?, Int) in
            switch state.leases.requested() {
            case .lend(let index): return (index, 0)
            case .wait(let ticket): return (nil, ticket)
            case .refuse: throw DatabaseError(.poolExhausted, "too many calls wait for a connection")
            }
        }
        if let free { return free }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Task.sleep(until: deadline, clock: .continuous)
                self.giveUp(ticket, DatabaseError(.poolExhausted, "no connection came free in time"))
            }
            defer { group.cancelAll() }
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let outcome = state.withLock { state in
                        let outcome = state.leases.beganToWait(ticket)
                        if outcome == .waits { state.waiting[ticket] = continuation }
                        return outcome
                    }
                    switch outcome {
                    case .waits: break
                    case .lend(let index): continuation.resume(returning: index)
                    case .gaveUp: continuation.resume(throwing: CancellationError())
                    }
                }
            } onCancel: {
                giveUp(ticket, CancellationError())
            }
        }
    }

    private func giveBack(_ index: Int) {
        let next = state.withLock { state -> (CheckedContinuation<Int, any Error>, Int)? in
            guard let ticket = state.leases.returned(index) else { return nil }
            return state.waiting.removeValue(forKey: ticket).map { ($0, index) }
        }
        if let (continuation, index) = next { continuation.resume(returning: index) }
    }

    private func giveUp(_ ticket: Int, _ error: any Error) {
        let continuation = state.withLock { state in
            state.leases.gaveUp(ticket)
            return state.waiting.removeValue(forKey: ticket)
        }
        continuation?.resume(throwing: error)
    }
}
