import NIOCore

/// Reads the PROXY header of a connection from a trusted proxy. Stands first in the pipeline, before TLS.
///
/// Invariants: until the header is whole nothing passes upwards, so that what stands above begins with a connection that
/// is just open; then the session is put on top, the channel becomes active for all of it, and the octets behind the
/// header follow. The handler takes itself away when that is done. At most `ProxyHeader.octetLimit` octets, and what came
/// with the last of them, are kept.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum Phase {
        /// The channel is not active yet.
        case idle
        case waiting(Scheduled<Void>)
        /// The session has begun: everything passes.
        case open
        /// Refused: nothing passes any more.
        case closed
    }

    private let gate: ProxyGate
    private let proxy: SocketAddress
    private let begin: (ConnectionOrigin) throws -> Void
    private var phase = Phase.idle
    private var input = ByteBuffer()

    init(gate: ProxyGate, proxy: SocketAddress, begin: @escaping (ConnectionOrigin) throws -> Void) {
        self.gate = gate
        self.proxy = proxy
        self.begin = begin
    }

    func channelActive(context: ChannelHandlerContext) {
        guard gate.enter() else {
            phase = .closed
            gate.refused(proxy, .tooMany)
            return context.close(promise: nil)
        }
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        phase = .waiting(
            context.eventLoop.scheduleTask(in: TimeAmount(gate.patience)) {
                let (handler, context) = loopBound.value
                handler.refuse(context, .timedOut)
            })
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch phase {
        case .open: context.fireChannelRead(data)
        case .idle, .closed: break
        case .waiting(let timer):
            var incoming = unwrapInboundIn(data)
            if input.readableBytes == 0 { input = incoming } else { input.writeBuffer(&incoming) }
            switch ProxyHeader.next(&input) {
            case .needMore: break
            case .malformed(let malformation): refuse(context, .malformed(malformation))
            case .header(let header):
                timer.cancel()
                gate.leave()
                open(context, ConnectionOrigin(proxy: proxy, header: header))
            }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch phase {
        case .open: context.fireChannelReadComplete()
        case .waiting: context.read()
        case .idle, .closed: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch (phase, event as? ChannelEvent) {
        case (.waiting, .inputClosed): refuse(context, .ended)
        case (.closed, _): break
        case (.idle, _), (.waiting, _), (.open, _): context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch phase {
        case .open: context.fireErrorCaught(error)
        case .idle, .waiting, .closed: refuse(context, .failed(error))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch phase {
        case .open: context.fireChannelInactive()
        case .idle, .waiting, .closed: refuse(context, .ended)
        }
    }

    private func open(_ context: ChannelHandlerContext, _ origin: ConnectionOrigin) {
        phase = .open
        let rest = input
        input = ByteBuffer()
        do {
            try begin(origin)
        } catch {
            phase = .closed
            gate.refused(proxy, .failed(error))
            return context.close(promise: nil)
        }
        context.fireChannelActive()
        if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    /// Closes a connection that is no session yet, once.
    private func refuse(_ context: ChannelHandlerContext, _ refusal: ProxyRefusal) {
        guard case .waiting(let timer) = phase else { return }
        phase = .closed
        timer.cancel()
        input = ByteBuffer()
        gate.leave()
        gate.refused(proxy, refusal)
        context.close(promise: nil)
    }
}
