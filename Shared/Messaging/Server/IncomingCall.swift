import NIOCore

/// One call as a `ContractServer` sees it.
public final class IncomingCall: Sendable {
    /// The number of the method.
    public let method: UInt8
    /// Deadline, trace, key and who calls.
    public let context: CallContext
    /// The request, encoded.
    public let body: ByteBuffer
    /// The octets beside the request.
    public let payload: Payload
    private let call: ServerCall

    init(_ call: ServerCall, request: Frame.Request, context: CallContext, body: ByteBuffer, payload: Payload) {
        self.call = call
        self.method = request.method
        self.context = context
        self.body = body
        self.payload = payload
    }

    /// Sends one item of a reply stream; waits while the reader is behind, throws when it has gone.
    public func send(_ body: ByteBuffer, payload: [ByteBuffer] = []) async throws(MessagingError) {
        guard let outflow = call.outflow else { throw MessagingError(.malformed, "the caller expects no stream") }
        let octets = payload.reduce(body.readableBytes) { $0 + $1.readableBytes }
        try await outflow.take(max(octets, Credit.leastCost))
        let call = self.call
        call.core.thread.execute { call.core.send(item: body, payload: payload, of: call) }
    }
}

/// What the server keeps of a call; all but `outflow` is confined to the socket thread.
final class ServerCall: @unchecked Sendable {
    let core: ServerCore
    /// Who called; refers to the call too, until it is over.
    let peer: ServerPeer
    let number: UInt64
    /// What it adds to the octets in flight.
    let octets: Int
    /// Set when the caller takes a stream.
    let outflow: Outflow?
    /// Set while an upload may arrive.
    var inflow: Inflow<ByteBuffer>?
    var uploadRemaining: UInt64 = 0
    /// Nil once the first item of a stream has been sent: from then on the reader's pace decides.
    var deadline: ContinuousClock.Instant?
    var task: Task<Void, Never>?
    /// The outcome has been sent, or nobody wants it.
    var isAnswered = false

    init(
        _ core: ServerCore, _ peer: ServerPeer, number: UInt64, octets: Int, outflow: Outflow?,
        deadline: ContinuousClock.Instant
    ) {
        self.core = core
        self.peer = peer
        self.number = number
        self.octets = octets
        self.outflow = outflow
        self.deadline = deadline
    }

    /// Ends what the handler may be waiting for, and asks it to stop.
    func stop(_ error: MessagingError) {
        isAnswered = true
        inflow?.end(error)
        outflow?.end(error)
        task?.cancel()
    }
}

/// What the server knows of one connection; confined.
final class ServerPeer {
    let route: UInt32
    let identity: PeerIdentity?
    var calls: [UInt64: ServerCall] = [:]
    /// What a full socket did not take yet.
    var outbox: [Outgoing] = []
    /// For each contract the methods that this peer may call, as bits; filled when first asked.
    var grants: [UInt8: UInt64] = [:]
    var lastHeard: ContinuousClock.Instant

    struct Outgoing {
        let frame: Frame
        let body: ByteBuffer
        let payload: [ByteBuffer]
        let octets: Int
    }

    init(route: UInt32, identity: PeerIdentity?, now: ContinuousClock.Instant) {
        self.route = route
        self.identity = identity
        lastHeard = now
    }
}
