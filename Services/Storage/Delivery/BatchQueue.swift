import Database
import DequeModule
import Messaging
import Synchronization

/// Requests that wait to be carried out together.
///
/// Callers `submit` and suspend; workers take `nextBatch()` and answer every entry of it. A worker that is free takes
/// what is there at once when no other worker is busy, so that one request alone never waits for company. While another
/// is busy it takes only a batch that is large already: the busy one, when it is done, will take a larger one, and a
/// large batch costs each of its members less.
final class BatchQueue<Request: Sendable, Reply: Sendable>: Sendable {
    struct Entry: Sendable {
        let request: Request
        /// How many the request counts for.
        let count: Int
        let octets: Int
        let deadline: ContinuousClock.Instant
        fileprivate let continuation: CheckedContinuation<Reply, any Error>

        func succeed(_ reply: Reply) { continuation.resume(returning: reply) }
        func fail(_ error: any Error) { continuation.resume(throwing: error) }
    }

    struct Limits: Sendable {
        /// Most requests and octets of one batch; an entry that counts for more is a batch by itself.
        var batchCount: Int
        var batchOctets: Int
        /// From so many requests on, a second worker begins while the first is busy.
        var companyCount: Int
        /// Most requests and octets that wait; beyond them callers are told that storage is busy.
        var waitingCount: Int
        var waitingOctets: Int
    }

    private struct State {
        var entries = Deque<Entry>()
        var count = 0
        var octets = 0
        var busy = 0
        var idle: [CheckedContinuation<[Entry]?, Never>] = []
        var isClosed = false
    }

    private let limits: Limits
    private let state = Mutex(State())

    init(_ limits: Limits) { self.limits = limits }

    /// Waits until the request was carried out, which counts for so many.
    func submit(
        _ request: Request, count: Int = 1, octets: Int, deadline: ContinuousClock.Instant
    ) async throws -> Reply {
        try await withCheckedThrowingContinuation { continuation in
            let entry = Entry(
                request: request, count: count, octets: octets, deadline: deadline, continuation: continuation)
            let (isTaken, start) = state.withLock { state -> (Bool, (CheckedContinuation<[Entry]?, Never>, [Entry])?) in
                guard !state.isClosed, state.count < limits.waitingCount,
                    state.octets < limits.waitingOctets
                else { return (false, nil) }
                state.entries.append(entry)
                state.count += count
                state.octets += octets
                guard isReady(state), let worker = state.idle.popLast() else { return (true, nil) }
                return (true, (worker, take(&state)))
            }
            if !isTaken { entry.fail(MessagingError(.overloaded, "storage is busy")) }
            if let (worker, batch) = start { worker.resume(returning: batch) }
        }
    }

    /// Carries out batches on the connection's own thread, where each is taken and answered without another change of
    /// thread, until the queue is closed and empty; then closes the connection.
    func work(
        on connection: isolated DatabaseConnection,
        _ carryOut: (isolated DatabaseConnection, [Entry]) async -> Void
    ) async {
        var wasBusy = false
        while let batch = await nextBatch(wasBusy: wasBusy) {
            wasBusy = true
            await carryOut(connection, batch)
        }
        connection.close()
    }

    /// What to carry out next; nil when the queue is closed and empty. `wasBusy` ends the worker's last batch.
    /// It comes back on the caller's own executor.
    func nextBatch(wasBusy: Bool, isolation: isolated (any Actor)? = #isolation) async -> [Entry]? {
        await withCheckedContinuation { continuation in
            let batch = state.withLock { state -> [Entry]?? in
                if wasBusy { state.busy -= 1 }
                if isReady(state) { return take(&state) }
                if state.isClosed && state.entries.isEmpty { return .some(nil) }
                state.idle.append(continuation)
                return nil
            }
            if let batch { continuation.resume(returning: batch) }
        }
    }

    /// Takes no more requests; workers end when what waits is done.
    func close() {
        let idle = state.withLock { state in
            state.isClosed = true
            // Who is idle here waits for company that will not come; the busy worker takes the rest.
            let idle = state.entries.isEmpty || state.busy > 0 ? state.idle : []
            if !idle.isEmpty { state.idle = [] }
            return idle
        }
        for worker in idle { worker.resume(returning: nil) }
    }

    private func isReady(_ state: State) -> Bool {
        guard !state.entries.isEmpty else { return false }
        return state.busy == 0 || state.count >= limits.companyCount || state.octets >= limits.batchOctets
    }

    private func take(_ state: inout State) -> [Entry] {
        var batch: [Entry] = []
        var count = 0
        var octets = 0
        while let entry = state.entries.first,
            batch.isEmpty
                || count + entry.count <= limits.batchCount && octets + entry.octets <= limits.batchOctets
        {
            count += entry.count
            octets += entry.octets
            batch.append(entry)
            state.entries.removeFirst()
        }
        state.count -= count
        state.octets -= octets
        state.busy += 1
        return batch
    }
}
