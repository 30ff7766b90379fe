import NIOCore

/// Accepts no connection while as many as may be are being turned away: the kernel keeps the others in its queue, and
/// when that is full lets them knock again by themselves. What a crowd at the door costs is bounded so.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let registry: SessionRegistry
    private var context: ChannelHandlerContext?
    private var isWaiting = false

    init(_ registry: SessionRegistry) {
        self.registry = registry
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        registry.accepted(unwrapInboundIn(data))
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        guard !isWaiting else { return }
        let eventLoop = context.eventLoop
        let gate = NIOLoopBound(self, eventLoop: eventLoop)
        isWaiting = !registry.mayAccept { eventLoop.execute { gate.value.goOn() } }
        if !isWaiting { context.read() }
    }

    private func goOn() {
        isWaiting = false
        if let context { read(context: context) }
    }
}
