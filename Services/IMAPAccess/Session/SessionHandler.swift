import Logging
import NIOCore
import TransportSecurity

/// The edge between a channel and its `Session`: hands on what comes, decides nothing.
final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: Session
    private var context: ChannelHandlerContext?

    init(_ session: Session) {
        self.session = session
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        session.assumeIsolated { $0.attach(handler) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        // A connection that is closed before it was ever active does not become inactive.
        session.assumeIsolated { $0.signal([.gone, .ended]) }
    }

    func channelActive(context: ChannelHandlerContext) {
        session.assumeIsolated { $0.signal(.opened) }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        session.assumeIsolated { $0.received(&octets) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        session.assumeIsolated { $0.readCompleted() }
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { session.assumeIsolated { $0.signal(.writable) } }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        session.assumeIsolated { session in
            session.closed()
            session.signal([.gone, .ended])
        }
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let handshake as TLSHandshakeCompleted:
            session.assumeIsolated { $0.secured(handshake) }
        case let ended as TLSInputEnded:
            session.assumeIsolated { session in
                session.inputEnded(ended)
                session.signal(ended == .reset ? [.gone, .ended] : .ended)
            }
        case let ended as TLSOutputEnded:
            session.assumeIsolated { $0.outputEnded(ended) }
        case is CompressedInputArrived:
            session.assumeIsolated { $0.signal(.input) }
            return
        case ChannelEvent.inputClosed:
            session.assumeIsolated { session in
                session.inputEnded(.closeNotify)
                session.signal(.ended)
            }
        default:
            break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        session.assumeIsolated { session in
            session.logger.debug("connection failed", metadata: ["error": "\(error)"])
            session.failed(error)
            session.signal([.gone, .ended])
        }
        context.close(promise: nil)
    }

    /// Puts the layer of COMPRESS below this handler; it does nothing before it is told to begin.
    func addCompression() throws -> NIOLoopBound<CompressionHandler> {
        guard let context else { throw ChannelError.ioOnClosedChannel }
        let compression = CompressionHandler()
        try context.pipeline.syncOperations.addHandler(compression, position: .before(self))
        return NIOLoopBound(compression, eventLoop: context.eventLoop)
    }

    /// Puts TLS below this handler, in mid-stream.
    func startTLS(_ tls: TLSContext, announcing reply: ByteBuffer, discarding input: inout ByteBuffer) throws {
        guard let context else { throw ChannelError.ioOnClosedChannel }
        try TLSHandler.startTLS(server: tls, below: context, announcing: reply, discarding: &input)
    }
}
