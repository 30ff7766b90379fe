import Contracts
import Messaging
import ServiceRuntime
import Settlement
import Testing

/// What a client surely knows, as a value: no socket, no clock.
@Suite struct ClientKnowledgeTests {
    private func receipt(_ number: UInt8) -> ReceiptKey {
        ReceiptKey.with { $0.fingerprints = [.init(repeating: number, count: 32)] }
    }

    /// Asks outside the macro, which would copy the value that changes.
    private func expect(
        _ settlement: Settlement?, settles numbers: [UInt8], at location: SourceLocation = #_sourceLocation
    ) {
        let settled = settlement?.receipts.compactMap { $0.fingerprints.first?.first } ?? []
        #expect(settled == numbers, sourceLocation: location)
    }

    @Test("Nothing is settled before anything was replied")
    func nothing() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.prompted(at: .test(20))
        expect(knowledge.promptAnswered(), settles: [])
        knowledge.inputEnded(inOrder: true)
        expect(knowledge.closed(inOrder: true), settles: [])
    }

    @Test("An answer to a prompt settles what was replied before the prompt, and nothing else does in between")
    func prompt() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied([receipt(1)])
        // Whatever comes without a prompt can have been pipelined.
        expect(knowledge.promptAnswered(), settles: [])
        #expect(knowledge.isInDoubt)
        knowledge.prompted(at: .test(20))
        let settlement = knowledge.promptAnswered()
        expect(settlement, settles: [1])
        #expect(settlement.map { Array($0.connectionID) } == knowledge.connection.octets)
        expect(knowledge.promptAnswered(), settles: [])
        #expect(!knowledge.isInDoubt)
    }

    @Test("A reply that came after the prompt is not settled by its answer")
    func later() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied([receipt(1), receipt(2)])
        knowledge.prompted(at: .test(20))
        knowledge.replied([receipt(3)])
        expect(knowledge.promptAnswered(), settles: [1, 2])
        knowledge.prompted(at: .test(20))
        expect(knowledge.promptAnswered(), settles: [3])
    }

    @Test("An end in order settles all that was replied when the client said it was done")
    func end() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied([receipt(1)])
        knowledge.inputEnded(inOrder: true)
        knowledge.replied([receipt(2)])
        expect(knowledge.closed(inOrder: true), settles: [1])
        #expect(!knowledge.isInDoubt)
    }

    @Test("A prompt's answer just before the end does not settle twice")
    func both() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied([receipt(1)])
        knowledge.prompted(at: .test(20))
        knowledge.inputEnded(inOrder: true)
        expect(knowledge.promptAnswered(), settles: [1])
        knowledge.replied([receipt(2)])
        expect(knowledge.closed(inOrder: true), settles: [])
    }

    @Test(
        "An end out of order, or a reset behind an end in order, settles nothing",
        arguments: [(false, true), (true, false)])
    func disorder(heard: Bool, orderly: Bool) {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied([receipt(1)])
        knowledge.inputEnded(inOrder: heard)
        expect(knowledge.closed(inOrder: orderly), settles: [])
    }

    @Test("A connection that never said that it was done settles nothing")
    func silence() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied([receipt(1)])
        expect(knowledge.closed(inOrder: true), settles: [])
    }

    @Test("Replies are known in their order, with receipts or without, by the same two proofs")
    func order() {
        var knowledge = ClientKnowledge(at: .test(10))
        knowledge.replied()
        knowledge.replied([receipt(1)])
        #expect(knowledge.replies == 2 && knowledge.knownReplies == 0)
        knowledge.prompted(at: .test(20))
        knowledge.replied()
        _ = knowledge.promptAnswered()
        #expect(knowledge.replies == 3 && knowledge.knownReplies == 2)
        // Nothing was asked since.
        _ = knowledge.promptAnswered()
        #expect(knowledge.knownReplies == 2)
        knowledge.inputEnded(inOrder: true)
        knowledge.replied()
        var reset = knowledge
        _ = reset.closed(inOrder: false)
        #expect(reset.knownReplies == 2)
        _ = knowledge.closed(inOrder: true)
        #expect(knowledge.replies == 4 && knowledge.knownReplies == 3)
    }

    @Test("A client that never waits does not make it grow; what is forgotten is left to expire")
    func bound() {
        var knowledge = ClientKnowledge(at: .test(10))
        for _ in 0...ClientKnowledge.unreadLimit { knowledge.replied([receipt(1)]) }
        knowledge.inputEnded(inOrder: true)
        let count = knowledge.closed(inOrder: true)?.receipts.count ?? 0
        #expect(count > 0 && count <= ClientKnowledge.unreadLimit)
    }

    @Test("A message began when the last reply was sent that the client must have read before it")
    func beginning() {
        var knowledge = ClientKnowledge(at: .test(10))
        var client = ClientConnection()
        knowledge.begin(&client, at: .test(30))
        #expect(client.beganAt == 10 && client.beganUptime == 11 && client.receivedUptime == 31 && client.machine == 7)
        #expect(client.ordinal == 1 && client.denied.isEmpty)
        knowledge.prompted(at: .test(20))
        // The prompt alone proves nothing yet.
        knowledge.begin(&client, at: .test(30))
        #expect(client.beganAt == 10 && client.ordinal == 2)
        expect(knowledge.promptAnswered(), settles: [])
        let refused = TransactionID.next()
        knowledge.refused(refused)
        knowledge.begin(&client, at: .test(30))
        #expect(client.beganAt == 20 && client.ordinal == 3)
        #expect(client.denied.map { Array($0) } == [refused.octets])
        #expect(Array(client.connectionID) == knowledge.connection.octets)
    }
}

extension Moment {
    /// So many microseconds by the clock, and one more since the machine's start.
    static func test(_ microseconds: Int64) -> Self {
        Self(machine: 7, uptime: microseconds + 1, wallClock: microseconds)
    }
}
