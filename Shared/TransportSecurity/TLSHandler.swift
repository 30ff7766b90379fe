import NIOCore

/// Encrypts a channel. Stands first in the pipeline (next to the socket), from the beginning for implicit TLS
/// (RFC 8314, 3), or from the moment at which `startTLS` puts it there.
///
/// Invariants:
/// - Plaintext that is written waits in `queue` until it is flushed, the handshake is done and the channel is writable;
///   then it is encrypted in steps, so that no more than a step of ciphertext is in memory beyond the channel's own
///   high-water mark, however large a write is. A write's promise succeeds when its ciphertext was written.
/// - Ciphertext that comes is decrypted at once, because reading was somebody's demand. Only what comes behind the
///   last octet of the handshake waits for the owner's `read()` when it reads by hand: there the demand was ours.
/// - After a failure, or after the owner closed, nothing goes either way.
public final class TLSHandler: ChannelDuplexHandler {
    /// Ciphertext.
    public typealias InboundIn = ByteBuffer
    /// Plaintext.
    public typealias InboundOut = ByteBuffer
    /// Plaintext.
    public typealias OutboundIn = ByteBuffer
    /// Ciphertext.
    public typealias OutboundOut = ByteBuffer

    enum Role {
        case server(TLSContext)
        case client(TLSContext, serverName: String?)
    }

    private enum Phase {
        /// The channel is not active yet.
        case waiting
        case handshaking(TLSSession)
        case open(TLSSession)
        /// Failed or closed by the owner.
        case closed
    }

    private enum Output {
        case open
        /// The owner closed it; close_notify follows the last flushed write.
        case closing(EventLoopPromise<Void>?)
        case closed
    }

    private let role: Role
    private let mayStartInMidStream: Bool
    private var phase = Phase.waiting
    private var output = Output.open
    private var queue = PlaintextQueue()

    private var inputEnded = false
    private var transportBroke = false

    /// The owner asked to read and got nothing yet.
    private var readWanted = false
    /// Something was delivered since the last end of a read cycle.
    private var delivered = false
    /// Ciphertext that came with the handshake's end waits for the owner to read.
    private var holdsCiphertext = false

    private var isEncrypting = false
    private var writabilityChanged = false

    /// How much plaintext becomes ciphertext before it is handed on.
    private static let encryptionStep = 64 << 10

    /// Implicit TLS on an accepted connection. Add it in the child channel initializer.
    public convenience init(server context: TLSContext) {
        self.init(.server(context), mayStartInMidStream: false)
    }

    /// Implicit TLS on a connection to a server. Add it in the channel initializer.
    /// - Parameter serverName: a host name, sent as SNI and compared with the certificate, or an address, only compared.
    public convenience init(client context: TLSContext, serverName: String?) {
        self.init(.client(context, serverName: serverName), mayStartInMidStream: false)
    }

    init(_ role: Role, mayStartInMidStream: Bool) {
        self.role = role
        self.mayStartInMidStream = mayStartInMidStream
    }

    // MARK: Life

    /// Begins the handshake if the connection is there.
    public func handlerAdded(context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        if mayStartInMidStream {
            begin(context)
        } else {
            fail(context, TLSError(code: .addedInMidStream, reason: "use TLSHandler.startTLS"))
        }
    }

    /// Fails what was not written.
    public func handlerRemoved(context: ChannelHandlerContext) {
        phase = .closed
        failQueue(ChannelError.ioOnClosedChannel)
    }

    /// Begins the handshake.
    public func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        if case .waiting = phase { begin(context) }
    }

    /// Tells how the connection ended.
    public func channelInactive(context: ChannelHandlerContext) {
        if case .open(let session) = phase { deliver(context, session) }
        transportInputEnded(context)
        phase = .closed
        failQueue(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    /// The transport broke, if it was the socket that failed.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError {
            transportBroke = true
            // Before the error, because the owner may close upon that.
            if case .open = phase { endInput(context, .reset) }
        }
        context.fireErrorCaught(error)
    }

    /// The transport's end of input is TLS's only if close_notify came before.
    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        if case .open(let session) = phase { deliver(context, session) }
        // After close_notify the owner knows it already.
        guard !inputEnded else { return }
        transportInputEnded(context)
        context.fireUserInboundEventTriggered(event)
    }

    private func begin(_ context: ChannelHandlerContext) {
        do {
            let session =
                switch role {
                case .server(let tls): try TLSSession(server: tls)
                case .client(let tls, let serverName): try TLSSession(client: tls, serverName: serverName)
                }
            phase = .handshaking(session)
            shakeHands(context, session)
            if case .handshaking = phase { context.read() }
        } catch {
            fail(context, error)
        }
    }

    private func shakeHands(_ context: ChannelHandlerContext, _ session: TLSSession) {
        switch session.handshake() {
        case .needsInput:
            send(context, session)
        case .completed:
            phase = .open(session)
            send(context, session)
            holdsCiphertext = !readWanted && !readsByItself(context)
            context.fireUserInboundEventTriggered(session.summary())
            encrypt(context)
        case .failed(let reason):
            fail(context, TLSError(code: .handshakeFailed, reason: reason))
        }
    }

    private func readsByItself(_ context: ChannelHandlerContext) -> Bool {
        (try? context.channel.syncOptions?.getOption(.autoRead)) ?? true
    }

    /// Reports a failure, tells the peer by an alert, and closes.
    private func fail(_ context: ChannelHandlerContext, _ error: TLSError) {
        let before = phase
        phase = .closed
        switch before {
        case .handshaking(let session):
            send(context, session)
        case .open(let session):
            send(context, session)
            endInput(context, .truncated)
        case .waiting:
            break
        case .closed:
            return
        }
        failQueue(error)
        context.fireErrorCaught(error)
        context.close(mode: .all, promise: nil)
    }

    private func failQueue(_ error: any Error) {
        for promise in queue.removeAll() { promise.fail(error) }
        if case .closing(let promise) = output {
            output = .closed
            promise?.fail(error)
        }
    }

    /// Hands on what OpenSSL wants to say by itself: handshake, alerts, tickets, key updates.
    private func send(
        _ context: ChannelHandlerContext, _ session: TLSSession, _ promise: EventLoopPromise<Void>? = nil
    ) {
        guard let ciphertext = session.ciphertext.takeOutbound() else {
            promise?.succeed()
            return
        }
        context.writeAndFlush(wrapOutboundOut(ciphertext), promise: promise)
    }

    // MARK: Input

    /// Takes ciphertext.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let ciphertext = unwrapInboundIn(data)
        switch phase {
        case .waiting, .closed:
            break
        case .handshaking(let session):
            session.ciphertext.receive(ciphertext)
            shakeHands(context, session)
            if !holdsCiphertext, case .open = phase { deliver(context, session) }
        case .open(let session):
            guard !inputEnded else { return }
            session.ciphertext.receive(ciphertext)
            deliver(context, session)
        }
    }

    /// Reads on while the owner's demand, or the handshake's, is not met.
    public func channelReadComplete(context: ChannelHandlerContext) {
        let isUnmet: Bool
        switch phase {
        case .handshaking: isUnmet = true
        case .open: isUnmet = readWanted && !delivered
        case .waiting, .closed: isUnmet = false
        }
        if delivered { readWanted = false }
        delivered = false
        context.fireChannelReadComplete()
        if isUnmet { context.read() }
    }

    /// The owner's demand.
    public func read(context: ChannelHandlerContext) {
        readWanted = true
        if holdsCiphertext, case .open(let session) = phase {
            deliver(context, session)
            if delivered {
                delivered = false
                readWanted = false
                context.fireChannelReadComplete()
                return
            }
        }
        context.read()
    }

    /// Decrypts what came and passes it on.
    private func deliver(_ context: ChannelHandlerContext, _ session: TLSSession) {
        holdsCiphertext = false
        guard !inputEnded else { return }
        var plaintext = ByteBuffer()
        let outcome = session.decrypt(into: &plaintext)
        switch outcome {
        case .drained, .closeNotify: send(context, session)
        case .failed: break  // `fail` sends the alert.
        }
        if plaintext.readableBytes > 0 {
            delivered = true
            context.fireChannelRead(wrapInboundOut(plaintext))
        }
        switch outcome {
        case .drained:
            break
        case .closeNotify:
            closeNotifyReceived(context)
        case .failed(let reason):
            fail(context, TLSError(code: .protocolViolation, reason: reason))
        }
    }

    private func closeNotifyReceived(_ context: ChannelHandlerContext) {
        endInput(context, .closeNotify)
        guard case .open = phase else { return }
        if (try? context.channel.syncOptions?.getOption(.allowRemoteHalfClosure)) ?? false {
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        } else {
            close(context: context, mode: .all, promise: nil)
        }
    }

    private func transportInputEnded(_ context: ChannelHandlerContext) {
        switch phase {
        case .waiting, .closed: break
        case .open: endInput(context, transportBroke ? .reset : .truncated)
        case .handshaking:
            fail(context, TLSError(code: .handshakeInterrupted, reason: transportBroke ? "connection reset" : ""))
        }
    }

    private func endInput(_ context: ChannelHandlerContext, _ end: TLSInputEnded) {
        guard !inputEnded else { return }
        inputEnded = true
        context.fireUserInboundEventTriggered(end)
    }

    // MARK: Output

    /// Takes plaintext.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .closed = phase {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch output {
        case .open: queue.append(unwrapOutboundIn(data), promise: promise)
        case .closing, .closed: promise?.fail(ChannelError.outputClosed)
        }
    }

    /// Encrypts what was written.
    public func flush(context: ChannelHandlerContext) {
        queue.flush()
        encrypt(context)
    }

    /// Encrypts what waited for the socket; the owner hears of it when the state is settled.
    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        writabilityChanged = true
        encrypt(context)
    }

    private func encrypt(_ context: ChannelHandlerContext) {
        // What happens during a write or flush must not start a second loop: this one looks again when it is done.
        guard !isEncrypting else { return }
        isEncrypting = true
        while case .open(let session) = phase, queue.hasFlushed, context.channel.isWritable {
            let (promise, failure) = queue.encrypt(
                upTo: Self.encryptionStep, with: session, allocator: context.channel.allocator)
            if let failure {
                let error = TLSError(code: .internalFailure, reason: failure)
                promise?.fail(error)
                fail(context, error)
                break
            }
            if let ciphertext = session.ciphertext.takeOutbound() {
                context.write(wrapOutboundOut(ciphertext), promise: promise)
            } else {
                promise?.succeed()  // Writes of no octets.
            }
            if !queue.hasFlushed || !context.channel.isWritable { context.flush() }
        }
        isEncrypting = false
        if writabilityChanged {
            writabilityChanged = false
            context.fireChannelWritabilityChanged()
        }
        finishOutput(context)
    }

    /// Says farewell and closes. Like a socket it drops what the peer has no room for: to be sure of a write, close when
    /// its promise succeeds, or close the output only.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (mode, phase) {
        case (.input, _), (_, .closed), (_, .waiting):
            context.close(mode: mode, promise: promise)
        case (.output, _):
            guard case .open = output else {
                promise?.fail(ChannelError.outputClosed)
                return
            }
            output = .closing(promise)
            queue.flush()
            encrypt(context)
        case (.all, .handshaking):
            phase = .closed
            failQueue(ChannelError.ioOnClosedChannel)
            context.close(mode: .all, promise: promise)
        case (.all, .open(let session)):
            phase = .closed
            session.sendCloseNotify()
            send(context, session)
            failQueue(ChannelError.ioOnClosedChannel)
            context.close(mode: .all, promise: promise)
        }
    }

    private func finishOutput(_ context: ChannelHandlerContext) {
        guard case .closing(let promise) = output, case .open(let session) = phase, !queue.hasFlushed else { return }
        output = .closed
        session.sendCloseNotify()
        let octets = session.ciphertext.outboundCount
        // A transport that does not take it was reset, perhaps behind the peer's own close_notify: nothing else would tell.
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenFailure { context.fireErrorCaught($0) }
        send(context, session, sent)
        context.fireUserInboundEventTriggered(TLSOutputEnded(octets: octets))
        context.close(mode: .output, promise: promise)
    }
}
