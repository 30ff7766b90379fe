import Atomics
import NIOCore

/// Calls a service: one socket for each replica, the one with the fewest calls in flight is asked.
///
/// A call that a replica refused because it is overloaded or leaving goes to another one. A call whose replica died is
/// sent again when it is idempotent or carries a key, and its payload can be read again; otherwise the caller gets
/// `unavailable`. All of that within the call's deadline.
public final class PeerClient: Sendable {
    private let context: MessagingContext
    private let core: PeerCore
    /// The service's name.
    public let service: String

    /// Connects in the background; never waits. `patience` is how long calls wait for a replica while none is there,
    /// counted from when the last one left.
    public init(
        _ context: MessagingContext, service: String, replicas: ReplicaSource, serverKey: CurvePublicKey?,
        patience: Duration = .seconds(1)
    ) {
        let core = PeerCore(
            context, service: service, source: replicas, serverKey: serverKey, patience: patience)
        self.context = context
        self.core = core
        self.service = service
        context.thread.execute { core.start() }
    }

    deinit {
        let core = self.core
        context.thread.execute { core.close() }
    }

    /// Whether a replica is connected and takes calls.
    public var isAvailable: Bool { readyReplicas > 0 }

    /// How many replicas are connected and take calls.
    public var readyReplicas: Int { core.readyGauge.load(ordering: .relaxed) }

    /// Closes the connections; calls that wait fail as unavailable.
    public func close() async { await context.thread.perform { [core] in core.close() } }

    /// One message, and perhaps some frames, for one answer.
    public func call(
        _ contract: ContractDescription, _ method: MethodDescription, body: ByteBuffer, frames: [ByteBuffer] = [],
        context: CallContext
    ) async throws(MessagingError) -> PeerReply {
        try check(frames)
        let request = ClientRequest(
            contract: contract, method: method, body: body, frames: frames, context: context, shape: .unary)
        var attempts = Attempts(request)
        while true {
            switch await outcome(of: attempts.next()) {
            case .reply(let reply): return reply
            case .streaming: throw MessagingError(.malformed, "\(service) answered \(method.name) with a stream")
            case .failed(let failure): try attempts.consider(failure)
            }
        }
    }

    /// One message and any number of octets for one answer. Small payloads travel with the request, unless their octets are
    /// made while they are read: then the request goes ahead of them.
    public func upload(
        _ contract: ContractDescription, _ method: MethodDescription, body: ByteBuffer, octets: Payload,
        context: CallContext
    ) async throws -> PeerReply {
        if octets.octetCount <= Payload.inlineLimit, octets.isRereadable || octets.octetCount == 0 {
            return try await call(
                contract, method, body: body, frames: try await octets.inlineFrames(), context: context)
        }
        let request = ClientRequest(
            contract: contract, method: method, body: body, frames: [], context: context,
            shape: .upload(octets: UInt64(octets.octetCount)))
        var attempts = Attempts(request)
        while true {
            let call = attempts.next()
            hand { [core] in core.begin(call) }
            let hasRead = try await write(octets, to: call)
            switch await outcome(of: call) {
            case .reply(let reply): return reply
            case .streaming: throw MessagingError(.malformed, "\(service) answered \(method.name) with a stream")
            case .failed(let failure):
                try attempts.consider(failure, mayRepeat: octets.isRereadable || !hasRead)
            }
        }
    }

    /// One message for a stream of answers. Returns when the first item is there, or throws what prevented it.
    public func stream(
        _ contract: ContractDescription, _ method: MethodDescription, body: ByteBuffer, context: CallContext
    ) async throws(MessagingError) -> PeerStream {
        let request = ClientRequest(
            contract: contract, method: method, body: body, frames: [], context: context, shape: .stream)
        var attempts = Attempts(request)
        while true {
            let call = attempts.next()
            switch await outcome(of: call) {
            case .reply: throw MessagingError(.malformed, "\(service) answered \(method.name) with one message")
            case .streaming: return PeerStream(call, core)
            case .failed(let failure): try attempts.consider(failure)
            }
        }
    }

    // MARK: One attempt

    private func hand(_ action: @escaping @Sendable () -> Void) { context.thread.execute(action) }

    /// Begins the call, unless an upload has done so, and waits for what comes of it.
    private func outcome(of call: ClientCall) async -> ClientCall.Outcome {
        let core = self.core
        let thread = context.thread
        let hasBegun = call.outflow != nil
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                thread.execute {
                    call.await(continuation)
                    if !hasBegun { core.begin(call) }
                }
            }
        } onCancel: {
            thread.execute { core.cancel(call) }
        }
    }

    /// Writes the chunks as the server grants them; stops early when the call is over. True when any were read.
    private func write(_ octets: Payload, to call: ClientCall) async throws -> Bool {
        guard let outflow = call.outflow else { return false }
        let core = self.core
        var rest = octets.octetCount
        var chunks = octets.makeAsyncIterator()
        var hasRead = false
        do {
            while rest > 0 {
                // Credit first: nothing is read before the server has room for it.
                var credit = try await outflow.take(upTo: Payload.chunkOctets)
                hasRead = true
                guard var chunk = try await chunks.next(), chunk.readableBytes <= rest else {
                    throw MessagingError(.malformed, "the payload is not as long as it says")
                }
                while chunk.readableBytes > 0 {
                    if credit == 0 { credit = try await outflow.take(upTo: Payload.chunkOctets) }
                    guard let part = chunk.readSlice(length: min(credit, chunk.readableBytes)) else { break }
                    credit -= part.readableBytes
                    rest -= part.readableBytes
                    let isLast = rest == 0
                    hand { core.send(chunk: part, isLast: isLast, of: call) }
                }
                outflow.giveBack(credit)
            }
        } catch is MessagingError where outflow.hasEnded {
            // The call is over, and its outcome says why.
        } catch {
            hand { core.cancel(call) }
            throw error
        }
        return hasRead
    }

    private func check(_ frames: [ByteBuffer]) throws(MessagingError) {
        let limit = context.options.frameLimit
        guard frames.allSatisfy({ $0.readableBytes <= limit }) else {
            throw MessagingError(.malformed, "a payload frame is larger than \(limit) octets")
        }
    }
}

/// The attempts at one call: where it was refused, and how often it was lost.
private struct Attempts {
    private let request: ClientRequest
    private var excluded: Set<String> = []
    private var refusal: MessagingError?
    private var losses = 0

    /// A request that kills each replica that takes it must not kill them all.
    private static let lossLimit = 3

    init(_ request: ClientRequest) { self.request = request }

    func next() -> ClientCall { ClientCall(request, excluded: excluded, refusal: refusal) }

    /// Returns when the call may be tried again; throws when the failure is the answer.
    mutating func consider(_ failure: CallFailure, mayRepeat: Bool = true) throws(MessagingError) {
        guard mayRepeat, !Task.isCancelled else { throw failure.error }
        switch failure.recovery {
        case .none:
            throw failure.error
        case .elsewhere:
            if failure.error.code == .overloaded, let endpoint = failure.endpoint { excluded.insert(endpoint) }
            if failure.error.code != .unavailable { refusal = failure.error }
        case .unknown:
            losses += 1
            refusal = failure.error
            guard request.isRepeatable, losses < Self.lossLimit else { throw failure.error }
        }
    }
}

extension Payload {
    /// All octets as frames, as many as were announced.
    fileprivate func inlineFrames() async throws -> [ByteBuffer] {
        if let frames { return frames }
        var frames: [ByteBuffer] = []
        var count = 0
        for try await chunk in self {
            count += chunk.readableBytes
            guard count <= octetCount else { break }
            frames.append(chunk)
        }
        guard count == octetCount else {
            throw MessagingError(.malformed, "the payload is not as long as it says")
        }
        return frames
    }
}
