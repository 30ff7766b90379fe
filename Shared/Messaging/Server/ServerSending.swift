import NIOCore

/// Sends what peers are told, and keeps what a full socket does not take.
extension ServerCore {
    func send(
        _ frame: Frame, body: ByteBuffer = ByteBuffer(), payload: [ByteBuffer] = [], to peer: ServerPeer
    ) {
        guard let socket else { return }
        if peer.outbox.isEmpty {
            switch socket.send(route: peer.route, frame, body: body, payload: payload) {
            case .sent: return
            case .gone: return forget(peer)
            case .full: break
            }
        }
        let octets = payload.reduce(body.readableBytes) { $0 + $1.readableBytes }
        peer.outbox.append(ServerPeer.Outgoing(frame: frame, body: body, payload: payload, octets: octets))
        requestsInFlight += 1
        octetsInFlight += octets
        retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
    }

    func flushOutboxes() {
        for peer in peers.values where !peer.outbox.isEmpty { flush(peer) }
        if isDraining { checkDrained() }
    }

    private func flush(_ peer: ServerPeer) {
        guard let socket else { return }
        var sent = 0
        for message in peer.outbox {
            switch socket.send(route: peer.route, message.frame, body: message.body, payload: message.payload) {
            case .sent:
                sent += 1
                continue
            case .gone:
                return forget(peer)
            case .full:
                retry.arm(at: thread.now.advanced(by: .milliseconds(1)))
            }
            break
        }
        release(peer.outbox.prefix(sent))
        peer.outbox.removeFirst(sent)
    }

    private func release(_ messages: some Collection<ServerPeer.Outgoing>) {
        requestsInFlight -= messages.count
        octetsInFlight -= messages.reduce(0) { $0 + $1.octets }
    }

    /// The connection is gone: nobody waits for these answers any more.
    func forget(_ peer: ServerPeer) {
        guard peers[peer.route] === peer else { return }
        peers[peer.route] = nil
        lastPeer = nil
        release(peer.outbox)
        peer.outbox = []
        for call in peer.calls.values { call.stop(MessagingError(.cancelled, "the caller is gone")) }
        if isDraining { checkDrained() }
    }
}
