import Contracts
import Logging
import Messaging
import ServiceLifecycle
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import Settlement

/// Storage as the sender sees it.
private final class RecordingDelivery: Delivery {
    let calls = Mutex<[SettleRequest]>([])
    let failures: Mutex<Int>

    init(failing failures: Int = 0) { self.failures = Mutex(failures) }

    func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        let fails = failures.withLock { failures in
            failures -= 1
            return failures >= 0
        }
        if fails { throw MessagingError(.unavailable) }
        calls.withLock { $0.append(request) }
        return SettleReply()
    }

    var receipts: Int { calls.withLock { $0.reduce(0) { $0 + $1.settlements.reduce(0) { $0 + $1.receipts.count } } } }
}

@Suite(.timeLimit(.minutes(1))) struct SettlementSenderTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func settlement(_ count: Int) -> Settlement {
        Settlement.with {
            $0.connectionID = .init(TransactionID.next().octets)
            $0.receipts = Array(repeating: ReceiptKey(), count: count)
        }
    }

    /// Runs a sender until `body` is done and all is sent.
    private func with(
        _ delivery: RecordingDelivery, takenIn: @escaping @Sendable () -> Moment = { .now },
        _ body: (SettlementSender) async throws -> Void
    ) async throws {
        let sender = SettlementSender(to: delivery, place: "here", takenIn: takenIn, logger: logger)
        let group = ServiceGroup(services: [sender], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await body(sender)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test("Many settlements make few calls, and none is lost at the end")
    func batches() async throws {
        let delivery = RecordingDelivery()
        try await with(delivery) { sender in
            for _ in 0..<1_000 { sender.send(settlement(5)) }
        }
        #expect(delivery.receipts == 5_000)
        #expect(delivery.calls.withLock { $0.count } <= 10)
        #expect(
            delivery.calls.withLock { calls in
                calls.allSatisfy { $0.settlements.reduce(0) { $0 + $1.receipts.count } <= SettlementSender.batch }
            })
    }

    @Test("Storage that is away for a moment hears of it afterwards")
    func retries() async throws {
        let delivery = RecordingDelivery(failing: 2)
        try await with(delivery) { $0.send(settlement(1)) }
        #expect(delivery.receipts == 1)
    }

    @Test("A process that ends while storage is away keeps what clients know until storage is back")
    func patience() async throws {
        let delivery = RecordingDelivery(failing: 12)
        try await with(delivery) { sender in
            try await eventually("a call") { delivery.failures.withLock { $0 } < 12 }
            sender.send(settlement(3))
        }
        #expect(delivery.receipts == 3)
        #expect(delivery.calls.withLock { $0.last?.progress.ended } == true)
    }

    @Test("A process that has nothing to tell does not wait at its end for a storage that is away")
    func hurry() async throws {
        let delivery = RecordingDelivery(failing: .max)
        let begun = ContinuousClock.now
        try await with(delivery) { _ in }
        #expect(ContinuousClock.now - begun < .seconds(30))
        #expect(delivery.calls.withLock { $0.isEmpty })
    }

    @Test("It says up to which moment all is told, also when there is nothing to tell; at its end it says good-bye")
    func progress() async throws {
        let delivery = RecordingDelivery()
        let moments = Mutex<[Moment]>([])
        let sender = Mutex<SettlementSender?>(nil)
        // What is handed over before the moment is given belongs to what is told up to it.
        try await with(
            delivery,
            takenIn: {
                let moment = Moment.now
                sender.withLock { $0?.send(self.settlement(1)) }
                moments.withLock { $0.append(moment) }
                return moment
            }
        ) { running in
            sender.withLock { $0 = running }
            try await eventually("three reports") { moments.withLock { $0.count } >= 3 }
        }
        let progress = delivery.calls.withLock { $0 }.map(\.progress)
        #expect(progress.allSatisfy { $0.place == "here" })
        #expect(progress.map(\.uptime) == moments.withLock { $0 }.map(\.uptime))
        #expect(progress.map(\.ended) == Array(repeating: false, count: progress.count - 1) + [true])
        #expect(delivery.receipts >= progress.count - 1)
    }

    @Test("Settlements without end are dropped, not gathered")
    func bound() async throws {
        let delivery = RecordingDelivery()
        let sender = SettlementSender(to: delivery, place: "here", takenIn: { .now }, logger: logger)
        for _ in 0..<200 { sender.send(settlement(1_000)) }
        let group = ServiceGroup(services: [sender], logger: logger)
        await group.triggerGracefulShutdown()
        try? await group.run()
        #expect(delivery.receipts <= SettlementSender.limit + 1_000)
    }
}
