import NIOCore

/// Octets came from the client and wait in the `CompressionHandler`, which gives them out when it is asked.
struct CompressedInputArrived: Sendable {}

/// The layer of COMPRESS (RFC 4978) in a channel: stands above TLS and below the session, from the first COMPRESS of a
/// connection on. Before it begins, and after it has ended (RFC 8437, 4.1), octets pass as they are.
///
/// Invariants:
/// - What is written is compressed at once, and sent at the channel's flush, with one flush of the stream however many
///   writes it holds. A write's promise completes when the octets that its own became are sent.
/// - What comes stays compressed in `pending` until the session asks for a piece, which is of `pieceOctets` at most and
///   does not reach beyond a flush of the client's: so no bomb grows, however much it holds. Reading stops while
///   `pending` is full; beyond `pendingOctets` there is at most what one turn of the event loop had read already.
/// - The streams are freed when compression ends, and with the channel.
///
/// A session that is compressed costs about 111 KB more than one that is not: 40 for what comes, 71 for what goes. The
/// latter are given back while it idles (`rest()`).
final class CompressionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Input {
        case plain
        case compressed(Inflater)
        /// The session wants no more of it; what the client still has to say of its stream is passed over, then octets
        /// pass as they are.
        case ending(Inflater)
        /// Whatever comes is dropped.
        case discarded
    }

    private enum Output {
        case plain
        /// Nil until something is written: an idle session needs none.
        case compressed(Deflater?)
    }

    /// Octets of one piece that is given to the session.
    static let pieceOctets = 16 * 1024
    /// Octets that may wait compressed; reading stops at this many.
    static let pendingOctets = 64 * 1024

    private var context: ChannelHandlerContext?
    private var input = Input.plain
    private var output = Output.plain
    private var pending = ByteBuffer()
    private var readingIsPaused = false
    /// Compressed, and not handed on.
    private var unsent = ByteBuffer()
    /// Something was written that its reader cannot read before a flush.
    private var needsFlush = false
    private var promises: [EventLoopPromise<Void>] = []

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        release()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        release()
        context.fireChannelInactive()
    }

    private func release() {
        input = .discarded
        output = .plain
        pending = ByteBuffer()
        unsent = ByteBuffer()
        needsFlush = false
        let promises = promises
        self.promises = []
        for promise in promises { promise.fail(ChannelError.ioOnClosedChannel) }
    }

    // MARK: What the session asks for

    /// Whether octets wait that the session has not got.
    var hasPending: Bool { pending.readableBytes > 0 }

    /// The streams of both directions, made before the command is answered: it fails when there is no memory.
    struct Streams {
        fileprivate let inflater: Inflater
        fileprivate let deflater: Deflater

        init() throws(CompressionError) {
            inflater = try Inflater()
            deflater = try Deflater()
        }
    }

    /// Compresses from here on; what was written before is on its way as it is.
    /// - Parameter unread: octets that have come behind COMPRESS: they are the beginning of the client's stream.
    func begin(_ streams: Streams, with unread: ByteBuffer) {
        input = .compressed(streams.inflater)
        output = .compressed(streams.deflater)
        keep(unread)
    }

    /// The next piece of what the client has sent; nil when there is none yet.
    func next() throws(CompressionError) -> ByteBuffer? {
        guard case .compressed(let inflater) = input else { return nil }
        if inflater.hasEnded { throw .ended }
        var piece = ByteBuffer()
        while try inflater.step(&pending, upTo: Self.pieceOctets - piece.readableBytes, to: &piece) {
            if piece.readableBytes > 0, inflater.isAtFlush { break }
        }
        resumeReading()
        return piece.readableBytes > 0 ? piece : nil
    }

    /// The session idles: what is sent next begins a stream of its own.
    func rest() {
        if case .compressed = output, !needsFlush { output = .compressed(nil) }
    }

    /// Ends compression behind what was written (RFC 8437, 4.1): sends it, and the end of the stream, by which the client
    /// knows where it ends whatever it has read ahead. Octets of the client's pass as they are from where its own stream
    /// ends.
    func end() {
        guard let context else { return }
        if case .compressed(let deflater) = output {
            do {
                try (deflater ?? Deflater()).write(ByteBuffer(), .end, to: &unsent)
                needsFlush = false
                send(context)
            } catch {
                fail(context, error)
            }
            output = .plain
        }
        if case .compressed(let inflater) = input {
            input = .ending(inflater)
            passOver(context)
        }
    }

    /// Drops what waits, and all that comes.
    func discardInput() {
        guard !isPlain else { return }
        input = .discarded
        pending = ByteBuffer()
        resumeReading()
    }

    private var isPlain: Bool { if case .plain = input { true } else { false } }

    // MARK: Input

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch input {
        case .plain:
            context.fireChannelRead(data)
        case .compressed:
            keep(unwrapInboundIn(data))
            context.fireUserInboundEventTriggered(CompressedInputArrived())
        case .ending:
            keep(unwrapInboundIn(data))
            passOver(context)
        case .discarded:
            break
        }
    }

    private func keep(_ octets: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = octets
        } else {
            pending.discardReadBytes()
            pending.writeImmutableBuffer(octets)
        }
        guard !readingIsPaused, pending.readableBytes >= Self.pendingOctets else { return }
        readingIsPaused = true
        try? context?.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    private func resumeReading() {
        guard readingIsPaused, pending.readableBytes < Self.pendingOctets / 2 else { return }
        readingIsPaused = false
        try? context?.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    /// Looks for the end of the client's stream. It says nothing in it any more; but it may have ended it by a flush, by
    /// ending the stream, or by both, the latter as an empty last block, whose first octet begins no command.
    private func passOver(_ context: ChannelHandlerContext) {
        guard case .ending(let inflater) = input else { return }
        do {
            while let octet = pending.getInteger(at: pending.readerIndex, as: UInt8.self) {
                if inflater.hasEnded || (inflater.isAtFlush && octet != Self.emptyLastBlock) {
                    input = .plain
                    let rest = pending
                    pending = ByteBuffer()
                    resumeReading()
                    return context.fireChannelRead(wrapInboundOut(rest))
                }
                var piece = ByteBuffer()
                _ = try inflater.step(&pending, upTo: 1, to: &piece)
                guard piece.readableBytes == 0 else { throw CompressionError.notDeflate("octets behind the end") }
            }
            resumeReading()
        } catch {
            fail(context, error)
        }
    }

    private static let emptyLastBlock: UInt8 = 0x03

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        release()
        context.fireErrorCaught(error)
    }

    // MARK: Output

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .compressed(let current) = output else { return context.write(data, promise: promise) }
        do {
            let deflater: Deflater
            if let current {
                deflater = current
            } else {
                deflater = try Deflater()
                output = .compressed(deflater)
            }
            if let promise { promises.append(promise) }
            try deflater.write(unwrapOutboundIn(data), .none, to: &unsent)
            needsFlush = true
        } catch {
            // A promise that waits is failed with the others.
            if case .compressed(nil) = output { promise?.fail(error) }
            fail(context, error)
        }
    }

    func flush(context: ChannelHandlerContext) {
        guard needsFlush, case .compressed(let deflater?) = output else { return context.flush() }
        needsFlush = false
        do {
            try deflater.write(ByteBuffer(), .flush, to: &unsent)
            send(context)
        } catch {
            fail(context, error)
        }
    }

    private func send(_ context: ChannelHandlerContext) {
        let octets = unsent
        unsent = ByteBuffer()
        var sent: EventLoopPromise<Void>?
        if !promises.isEmpty {
            let promise = context.eventLoop.makePromise(of: Void.self)
            for waiting in promises { promise.futureResult.cascade(to: waiting) }
            promises = []
            sent = promise
        }
        context.writeAndFlush(wrapOutboundOut(octets), promise: sent)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        // Behind the last write nothing else may keep it back.
        if mode == .output { flush(context: context) }
        context.close(mode: mode, promise: promise)
    }
}
