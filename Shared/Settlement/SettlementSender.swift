import Contracts
import Logging
import Messaging
import Metrics
import ServiceLifecycle
import Synchronization

/// Tells storage in batches which deliveries are settled: soon, but never while a client waits.
///
/// List it before the service whose sessions use it, so that it ends after them. What cannot be told within some tries
/// is dropped and counted; its receipts expire.
public final class SettlementSender: Service {
    private struct State {
        var pending: [Settlement] = []
        var receipts = 0
        var waiter: CheckedContinuation<Void, Never>?
        var isClosed = false
    }

    private let state = Mutex(State())
    private let delivery: any Delivery
    private let logger: Logger
    private let dropped = Counter(label: "martlet_settlements_dropped_total")

    /// Receipts that wait at most.
    static let limit = 100_000
    /// Receipts of one call.
    static let batch = 2_000
    /// How often a call is tried.
    static let attempts = 60
    /// How long a settlement waits for company.
    static let gathering = Duration.milliseconds(50)

    /// A sender to storage.
    public init(to delivery: any Delivery, logger: Logger) {
        self.delivery = delivery
        self.logger = logger
    }

    /// Takes a settlement; never waits.
    public func send(_ settlement: Settlement) {
        let (isTaken, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard state.receipts < Self.limit else { return (false, nil) }
            state.pending.append(settlement)
            state.receipts += settlement.receipts.count
            return (true, state.waiter.take())
        }
        if !isTaken { dropped.increment(by: settlement.receipts.count) }
        waiter?.resume()
    }

    /// Sends until the shutdown, and what there is then.
    public func run() async throws {
        await withGracefulShutdownHandler {
            while await wait() {
                try? await Task.sleep(for: Self.gathering)
                while let request = take() { await tell(request) }
            }
        } onGracefulShutdown: {
            let waiter = self.state.withLock { state in
                state.isClosed = true
                return state.waiter.take()
            }
            waiter?.resume()
        }
    }

    /// Returns when there is something to send; false at the end.
    private func wait() async -> Bool {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isReady = state.withLock { state in
                if !state.pending.isEmpty || state.isClosed { return true }
                state.waiter = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLock { !$0.pending.isEmpty || !$0.isClosed }
    }

    private func take() -> SettleRequest? {
        state.withLock { state in
            guard !state.pending.isEmpty else { return nil }
            var count = 0
            var taken = 0
            for settlement in state.pending {
                if taken > 0, count + settlement.receipts.count > Self.batch { break }
                count += settlement.receipts.count
                taken += 1
            }
            var request = SettleRequest()
            request.settlements = Array(state.pending.prefix(taken))
            state.pending.removeFirst(taken)
            state.receipts -= count
            return request
        }
    }

    /// Tries again as long as storage may come back soon: what waits meanwhile is bounded by `limit`.
    private func tell(_ request: SettleRequest) async {
        for attempt in 0..<Self.attempts {
            do {
                _ = try await delivery.settle(request, CallContext(timeout: .seconds(10)))
                return
            } catch {
                logger.debug("settlements not told", metadata: ["error": "\(error)"])
                // At the end of the process nobody waits for long.
                if attempt >= 3, state.withLock({ $0.isClosed }) { break }
                try? await Task.sleep(for: min(.milliseconds(50) * (1 << min(attempt, 5)), .seconds(1)))
            }
        }
        dropped.increment(by: request.settlements.reduce(0) { $0 + $1.receipts.count })
        logger.notice(
            "settlements given up, their receipts will expire",
            metadata: ["connections": "\(request.settlements.count)"])
    }
}
