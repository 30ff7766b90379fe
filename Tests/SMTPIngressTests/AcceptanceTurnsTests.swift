import Synchronization
import TestSupport
import Testing

@testable import SMTPIngress

@Suite(.timeLimit(.minutes(1))) struct AcceptanceTurnsTests {
    /// What was handed over in which order, and whether two were at once.
    private final class HandOvers: Sendable {
        let turns = AcceptanceTurns(limit: 1)
        let gate = Gate()
        private let state = Mutex<(order: [String], inHand: Int, mostInHand: Int)>(([], 0, 0))

        var order: [String] { state.withLock { $0.order } }
        var mostInHand: Int { state.withLock { $0.mostInHand } }

        func handOver(_ name: String, from address: String) async {
            await turns.take(address) {
                state.withLock { state in
                    state.inHand += 1
                    state.mostInHand = max(state.mostInHand, state.inHand)
                }
                await gate.pass()
                state.withLock { state in
                    state.order.append(name)
                    state.inHand -= 1
                }
            }
        }
    }

    @Test("Addresses take turns, each with what it finished first, and no more is in hand than may be")
    func turns() async throws {
        let handOvers = HandOvers()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await handOvers.handOver("first", from: "busy") }
            try await eventually("the first to be handed over") { handOvers.gate.arrivals > 0 }
            let waiting = [
                ("a1", "busy"), ("a2", "busy"), ("a3", "busy"), ("b1", "quiet"), ("c1", "other"), ("b2", "quiet"),
            ]
            for (count, (name, address)) in waiting.enumerated() {
                group.addTask { await handOvers.handOver(name, from: address) }
                try await eventually("the next to wait") { handOvers.turns.waitingCount != count }
            }
            handOvers.gate.open()
            try await group.waitForAll()
        }
        #expect(handOvers.order == ["first", "a1", "b1", "c1", "a2", "b2", "a3"])
        #expect(handOvers.mostInHand == 1)
        #expect(handOvers.turns.waitingCount == 0)
    }

    @Test("A hand-over that fails gives its turn to the next")
    func failure() async throws {
        struct Failure: Error {}
        let turns = AcceptanceTurns(limit: 1)
        for _ in 0..<3 {
            await #expect(throws: Failure.self) { try await turns.take("a") { throw Failure() } }
        }
        #expect(await turns.take("b") { true })
    }

    @Test("More clients than turns are all answered")
    func service() async throws {
        var limits = Limits()
        limits.acceptances = 2
        let ingress = try await Ingress.start(limits: limits)
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    let client = try await ingress.greeted()
                    try await client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
                    _ = try await client.codes(3)
                    try await client.send("Subject: x\r\n\r\nbody\r\n.\r\n")
                    let code = try await client.code()
                    await client.close()
                    return code
                }
            }
            for try await code in group { #expect(code == "250 2.0.0") }
        }
        #expect(ingress.record.accepted.count == 20)
        await ingress.stop()
    }
}
