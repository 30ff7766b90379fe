import Logging
import NIOCore

/// How a call begins and ends.
extension ServerCore {
    func receive(_ message: ArrivedMessage) {
        var body = message.first
        // What cannot be read has no call that could be answered: it is dropped, and the sender's deadline tells it.
        guard let (frame, length) = try? body.withUnsafeReadableBytes({ try Frame.decode($0) }) else {
            logger.debug("a frame that cannot be read was dropped")
            return
        }
        body.moveReaderIndex(forwardBy: length)
        let peer = peer(of: message)
        switch frame.kind {
        case .request(let request):
            begin(request, frame.call, body, message.rest, peer)
        case .chunk(let isLast):
            guard let call = peer.calls[frame.call] else { return }
            receive(chunk: message.rest, isLast: isLast, of: call, peer)
        case .credit(let octets):
            peer.calls[frame.call]?.outflow?.grant(Int(octets))
        case .cancel:
            peer.calls[frame.call]?.stop(MessagingError(.cancelled, "the caller gave up"))
        case .reply, .failure, .item, .end, .draining, .ping, .subscribed:
            break
        }
    }

    private func peer(of message: ArrivedMessage) -> ServerPeer {
        if let lastPeer, lastPeer.route == message.route {
            lastPeer.lastHeard = thread.now
            return lastPeer
        }
        if let peer = peers[message.route] {
            peer.lastHeard = thread.now
            lastPeer = peer
            return peer
        }
        let identity = message.user.map(PeerIdentity.init(service:))
        let peer = ServerPeer(route: message.route, identity: identity, now: thread.now)
        peers[message.route] = peer
        sweep.arm(at: thread.now.advanced(by: .seconds(1)))
        return peer
    }

    private func begin(
        _ request: Frame.Request, _ number: UInt64, _ body: ByteBuffer, _ frames: [ByteBuffer], _ peer: ServerPeer
    ) {
        func refuse(_ code: MessagingError.Code, _ text: String) {
            // Whoever asks without end and reads no answer loses nothing when it gets none.
            guard peer.outbox.count < Self.refusalLimit else { return }
            send(Frame(kind: .failure(code, notBegun: true), call: number), body: ByteBuffer(string: text), to: peer)
        }
        guard peer.calls[number] == nil else { return }
        guard let server = contracts[request.contract] else {
            return refuse(.unknownMethod, "contract \(request.contract) is not served here")
        }
        guard permits(peer, contract: request.contract, method: request.method) else {
            warnOfDenial(request, server.contract, peer)
            return refuse(.denied, "\(server.contract.name) method \(request.method)")
        }
        guard !isDraining else { return refuse(.draining, "this replica is about to leave") }
        guard request.remainingMicroseconds > 0 else { return refuse(.deadlineExceeded, "on arrival") }
        let upload = request.uploadOctets.map { Int(clamping: $0) }
        let window = min(upload ?? 0, Credit.uploadWindow)
        let octets = frames.reduce(body.readableBytes + window) { $0 + $1.readableBytes }
        guard requestsInFlight < limits.requestsInFlight, octetsInFlight + octets <= limits.octetsInFlight else {
            return refuse(.overloaded, "\(requestsInFlight) calls and \(octetsInFlight) octets in hand")
        }
        let deadline = thread.now.advanced(by: .microseconds(Int64(request.remainingMicroseconds)))
        let call = ServerCall(
            self, peer, number: number, octets: octets,
            outflow: request.window.map { Outflow(window: min(Int($0), Credit.streamWindow)) }, deadline: deadline)
        peer.calls[number] = call
        requestsInFlight += 1
        octetsInFlight += octets
        deadlines.arm(at: deadline)
        let payload = upload.map { self.upload($0, window: window, of: call) } ?? Payload(frames: frames)
        let incoming = IncomingCall(
            call, request: request,
            context: CallContext(
                transaction: request.transaction, deadline: deadline, idempotencyKey: request.idempotencyKey,
                caller: peer.identity),
            body: body, payload: payload)
        run(server, incoming, call)
    }

    /// The task belongs to the call: it is cancelled with it, and the call is in hand until it has returned.
    private func run(_ server: any ContractServer, _ incoming: IncomingCall, _ call: ServerCall) {
        switch placement {
        case .onSocketThread:
            // Runs at once as far as it gets without waiting, which is mostly all the way.
            call.task = Task.immediate(executorPreference: thread) { await Self.handle(server, incoming, call) }
        case .concurrent:
            call.task = Task { await Self.handle(server, incoming, call) }
        }
    }

    private static func handle(_ server: any ContractServer, _ incoming: IncomingCall, _ call: ServerCall) async {
        let outcome: Result<CallResult, MessagingError>
        do {
            outcome = .success(try await server.handle(incoming))
        } catch let error as MessagingError {
            outcome = .failure(error)
        } catch is CancellationError {
            outcome = .failure(MessagingError(.cancelled))
        } catch {
            outcome = .failure(MessagingError(.failed, "\(error)"))
        }
        call.core.thread.execute { call.core.finish(call, outcome) }
    }

    func finish(_ call: ServerCall, _ outcome: Result<CallResult, MessagingError>) {
        requestsInFlight -= 1
        octetsInFlight -= call.octets
        call.task = nil
        call.inflow?.end(MessagingError(.cancelled, "the call is over"))
        let peer = call.peer
        peer.calls[call.number] = nil
        if !call.isAnswered {
            call.isAnswered = true
            switch outcome {
            case .success(.reply(let body, let payload)):
                send(Frame(kind: .reply, call: call.number), body: body, payload: payload, to: peer)
            case .success(.end):
                send(Frame(kind: .end, call: call.number), to: peer)
            case .failure(let error):
                send(
                    Frame(kind: .failure(error.code, notBegun: false), call: call.number),
                    body: ByteBuffer(string: error.text), to: peer)
            }
        }
        if isDraining { checkDrained() }
    }

    func fail(_ call: ServerCall, _ error: MessagingError, _ peer: ServerPeer) {
        call.stop(error)
        send(
            Frame(kind: .failure(error.code, notBegun: false), call: call.number),
            body: ByteBuffer(string: error.text), to: peer)
    }
}
