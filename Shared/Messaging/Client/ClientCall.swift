import NIOCore

/// The answer to a unary call.
public struct PeerReply: Sendable {
    /// The reply message, encoded.
    public var body: ByteBuffer
    /// Frames beside it.
    public var payload: [ByteBuffer]
}

/// What a call asks, kept until it is over so that it can be sent again.
struct ClientRequest: Sendable {
    enum Shape: Sendable, Hashable {
        case unary
        case upload(octets: UInt64)
        case stream
    }

    let contract: ContractDescription
    let method: MethodDescription
    let body: ByteBuffer
    let frames: [ByteBuffer]
    let context: CallContext
    let shape: Shape

    var isRepeatable: Bool { method.isIdempotent || context.idempotencyKey != nil }

    func header(at now: ContinuousClock.Instant) -> Frame.Request {
        var request = Frame.Request(
            contract: contract.number, method: method.number,
            remainingMicroseconds: UInt32(clamping: (context.deadline - now).microseconds),
            transaction: context.transaction, idempotencyKey: context.idempotencyKey)
        switch shape {
        case .unary: break
        case .upload(let octets): request.uploadOctets = octets
        case .stream: request.window = UInt32(Credit.streamWindow)
        }
        return request
    }
}

/// Why one attempt came to nothing, and whether another may be made.
struct CallFailure: Error {
    enum Recovery: Hashable {
        /// It is the answer.
        case none
        /// That replica did nothing and another may take it.
        case elsewhere
        /// The connection broke: nobody knows how far it came.
        case unknown
    }

    let error: MessagingError
    let recovery: Recovery
    /// Where it was.
    let endpoint: String?

    init(_ error: MessagingError, _ recovery: Recovery = .none, endpoint: String? = nil) {
        self.error = error
        self.recovery = recovery
        self.endpoint = endpoint
    }
}

/// One attempt at a call: handed to the socket thread and confined to it, but for the flows.
final class ClientCall: @unchecked Sendable {
    enum Outcome {
        case reply(PeerReply)
        /// The first item has come, or the end of an empty stream.
        case streaming
        case failed(CallFailure)
    }

    let request: ClientRequest
    /// Replicas that refused this call already, and the last refusal.
    let excluded: Set<String>
    let refusal: MessagingError?
    /// The writer's end of an upload.
    let outflow: Outflow?

    var number: UInt64 = 0
    weak var replica: Replica?
    var inflow: Inflow<PeerReply>?
    var isSent = false
    var isCancelled = false
    /// Elements of its stream that its reader had got when that was last looked at.
    var takenBefore: Int?
    /// Nothing more can happen to it.
    var isOver = false
    /// How long to wait for a replica when there is none.
    var waitsUntil: ContinuousClock.Instant
    var deadline: ContinuousClock.Instant
    private var outcome: Outcome?
    private var continuation: UnsafeContinuation<Outcome, Never>?

    init(_ request: ClientRequest, excluded: Set<String>, refusal: MessagingError?) {
        self.request = request
        self.excluded = excluded
        self.refusal = refusal
        deadline = request.context.deadline
        waitsUntil = request.context.deadline
        outflow = if case .upload = request.shape { Outflow(window: 0) } else { nil }
    }

    /// Hands over who waits for the outcome; resumed at once when it is there.
    func await(_ continuation: UnsafeContinuation<Outcome, Never>) {
        if let outcome { continuation.resume(returning: outcome) } else { self.continuation = continuation }
    }

    /// The first outcome counts.
    func settle(_ outcome: Outcome) {
        guard self.outcome == nil else { return }
        self.outcome = outcome
        continuation.take()?.resume(returning: outcome)
    }
}
