import NIOCore

/// What uploads and reply streams do between the beginning and the end of a call.
extension ServerCore {
    func upload(_ octets: Int, window: Int, of call: ServerCall) -> Payload {
        let grant: @Sendable (Int) -> Void = { [thread] octets in
            thread.execute { call.core.grant(octets, to: call) }
        }
        let inflow = Inflow<ByteBuffer>(window: max(window, 1), grant: grant)
        call.inflow = inflow
        call.uploadRemaining = UInt64(octets)
        let reader = UploadReader(inflow: inflow) { grant(max(window, 1)) }
        return Payload(storage: .upload(reader), octetCount: octets)
    }

    func grant(_ octets: Int, to call: ServerCall) {
        guard !call.isAnswered else { return }
        send(Frame(kind: .credit(UInt32(clamping: octets)), call: call.number), to: call.peer)
    }

    func receive(chunk frames: [ByteBuffer], isLast: Bool, of call: ServerCall, _ peer: ServerPeer) {
        guard let inflow = call.inflow, !call.isAnswered else { return }
        for frame in frames where frame.readableBytes > 0 {
            guard UInt64(frame.readableBytes) <= call.uploadRemaining, inflow.push(frame, cost: frame.readableBytes)
            else { return fail(call, MessagingError(.malformed, "an upload beyond its credit or length"), peer) }
            call.uploadRemaining -= UInt64(frame.readableBytes)
        }
        guard isLast else { return }
        guard call.uploadRemaining == 0 else {
            return fail(call, MessagingError(.malformed, "an upload shorter than announced"), peer)
        }
        inflow.end()
    }

    func send(item body: ByteBuffer, payload: [ByteBuffer], of call: ServerCall) {
        guard !call.isAnswered else { return }
        call.deadline = nil
        send(Frame(kind: .item, call: call.number), body: body, payload: payload, to: call.peer)
    }
}
