import Contracts
import Messaging
import NIOCore
import Synchronization

/// What the stubbed peers saw.
package final class PeerRecord: Sendable {
    package struct Accepted: Sendable {
        package var request: AcceptRequest
        package var message: ByteBuffer
        package var context: CallContext
    }

    private struct State {
        var accepted: [Accepted] = []
        var questions: [[String]] = []
        var saslStarts: [SaslStartRequest] = []
        var settled: [[UInt8]] = []
    }

    private let state = Mutex(State())

    package var accepted: [Accepted] { state.withLock { $0.accepted } }
    package var questions: [[String]] { state.withLock { $0.questions } }
    package var saslStarts: [SaslStartRequest] { state.withLock { $0.saslStarts } }
    /// The ids of the transactions whose clients are known to have read the reply.
    package var settled: [[UInt8]] { state.withLock { $0.settled } }

    package init() {}

    package func accept(_ accepted: Accepted) { state.withLock { $0.accepted.append(accepted) } }
    package func ask(_ addresses: [String]) { state.withLock { $0.questions.append(addresses) } }
    package func start(_ request: SaslStartRequest) { state.withLock { $0.saslStarts.append(request) } }
    package func settle(_ transactions: [[UInt8]]) { state.withLock { $0.settled += transactions } }
}

package struct RecordingDirectory: Directory {
    package let record: PeerRecord

    package init(record: PeerRecord) { self.record = record }

    package func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply {
        record.ask(request.addresses)
        var reply = ResolveReply()
        reply.resolutions = try FakePeers.resolve(request.addresses)
        return reply
    }
}

package struct RecordingAcceptance: Acceptance {
    package let record: PeerRecord
    /// Is waited for before each answer.
    package var gate: Gate?

    package init(record: PeerRecord, gate: Gate? = nil) {
        self.record = record
        self.gate = gate
    }

    package func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply
    {
        let octets = try await message.collect(upTo: 1 << 30)
        await gate?.pass()
        var reply = AcceptReply()
        reply.statuses = try FakePeers.accept(request, octets)
        reply.receipts = [
            ReceiptKey.with {
                $0.fingerprints = [request.messageDigest]
                $0.transactionID = .init(context.transaction.octets)
            }
        ]
        record.accept(.init(request: request, message: octets, context: context))
        return reply
    }
}

/// A storage that takes settlements and nothing else.
package struct RecordingSettlements: Delivery {
    package let record: PeerRecord

    package init(record: PeerRecord) { self.record = record }

    package func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply { throw MessagingError(.unknownMethod) }

    package func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        record.settle(request.settlements.flatMap { $0.receipts.map { Array($0.transactionID) } })
        return SettleReply()
    }
}

package struct RecordingSasl: Sasl {
    package let record: PeerRecord

    package init(record: PeerRecord) { self.record = record }

    package func mechanisms(_ request: SaslMechanismsRequest, _ context: CallContext) async throws
        -> SaslMechanismsReply
    {
        var reply = SaslMechanismsReply()
        reply.mechanisms = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
        return reply
    }

    package func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply {
        record.start(request)
        return try FakePeers.start(request)
    }

    package func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply {
        try FakePeers.respond(request)
    }
}

/// Something to wait at until a test opens it.
package final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>], arrivals: Int)>(
        (false, [], 0))

    package init() {}

    package func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.arrivals += 1
                if !state.isOpen { state.waiters.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    package func open() {
        let waiters = state.withLock { state in
            state.isOpen = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// How many have come here.
    package var arrivals: Int { state.withLock { $0.arrivals } }
}
