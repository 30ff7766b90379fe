import Contracts
import Logging
import Messaging
import Metrics
import ServiceLifecycle
import ServiceRuntime
import Synchronization

/// Tells storage in batches which deliveries are settled, and how far this process has got with telling: soon, but never
/// while a client waits.
///
/// Whoever finds a receipt that is not settled can then tell whether its settlement may still be on its way: not when this
/// process has said later that all is told. List it before the service whose sessions use it, so that it ends after them.
public final class SettlementSender: Service {
    private struct State {
        var pending: [Settlement] = []
        var receipts = 0
    }

    private let state = Mutex(State())
    private let delivery: any Delivery
    private let place: String
    private let takenIn: @Sendable () -> Moment
    private let logger: Logger
    private let dropped = Counter(label: "martlet_settlements_dropped_total")

    /// Receipts that wait at most.
    static let limit = 100_000
    /// Receipts of one call.
    static let batch = 2_000
    /// How often storage is told.
    static let interval = Duration.milliseconds(250)
    /// How often a call is tried that storage refuses, and at the end of the process one that settles nothing.
    static let attempts = 5

    /// A sender to storage. `place` is the process's place. What follows from all that had reached the process's sockets
    /// at `takenIn()` was handed to `send(_:)`.
    public init(to delivery: any Delivery, place: String, takenIn: @escaping @Sendable () -> Moment, logger: Logger) {
        self.delivery = delivery
        self.place = place
        self.takenIn = takenIn
        self.logger = logger
    }

    /// Takes a settlement; never waits. Beyond the limit it is dropped and counted, and its receipts expire.
    public func send(_ settlement: Settlement) {
        let isTaken = state.withLock { state in
            guard state.receipts < Self.limit else { return false }
            state.pending.append(settlement)
            state.receipts += settlement.receipts.count
            return true
        }
        if !isTaken { dropped.increment(by: settlement.receipts.count) }
    }

    /// Tells until the shutdown, and then what there still is.
    public func run() async throws {
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            await report()
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
        }
        // Whatever came while the last report was on its way is told too.
        await report()
    }

    /// Tells all that there is, and as of which moment that was all.
    private func report() async {
        let moment = takenIn()
        let isEnd = Task.isShuttingDownGracefully
        var requests = take()
        requests[requests.count - 1].progress = .with {
            $0.place = place
            $0.machine = moment.machine
            $0.uptime = moment.uptime
            $0.at = moment.wallClock
            $0.ended = isEnd
        }
        for request in requests { await tell(request) }
    }

    /// What is pending, in calls of bounded size; at least one, which may be empty.
    private func take() -> [SettleRequest] {
        let pending = state.withLock { state in
            defer { state = State() }
            return state.pending
        }
        var requests = [SettleRequest()]
        var count = 0
        for settlement in pending {
            if count > 0, count + settlement.receipts.count > Self.batch {
                requests.append(SettleRequest())
                count = 0
            }
            requests[requests.count - 1].settlements.append(settlement)
            count += settlement.receipts.count
        }
        return requests
    }

    /// Tries until storage has heard it. While storage is away no mail comes in either, so that what waits stays small.
    private func tell(_ request: SettleRequest) async {
        var attempts = 0
        while true {
            do {
                _ = try await delivery.settle(request, CallContext(timeout: .seconds(10)))
                return
            } catch {
                logger.debug("settlements not told", metadata: ["error": "\(error)"])
                attempts += 1
                let isTemporary = (error as? MessagingError)?.isTemporary ?? false
                // The process ends without its last word if need be, but not without what clients know: for that it
                // waits until its supervisor, or the limit of its draining, cuts it off.
                let isPatient = isTemporary && !(request.settlements.isEmpty && Task.isShuttingDownGracefully)
                if Task.isCancelled || !isPatient && attempts >= Self.attempts { break }
                try? await Task.sleep(for: min(.milliseconds(50) * (1 << min(attempts, 5)), .seconds(1)))
            }
        }
        dropped.increment(by: request.settlements.reduce(0) { $0 + $1.receipts.count })
        guard !request.settlements.isEmpty else { return }
        logger.notice(
            "settlements given up, their receipts will expire",
            metadata: ["connections": "\(request.settlements.count)"])
    }
}
