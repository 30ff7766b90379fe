import NIOCore
import TestSupport

@testable import IMAPAccess

extension IMAPClient {
    /// Compresses from here on, as a client does that has read the OK to COMPRESS.
    func compress() async throws { try await insert { try ClientCompression() } }

    /// Ends compression behind what was sent, as a client does behind UNAUTHENTICATE (RFC 8437, 4.1).
    /// - Parameter byFlush: the client's stream is not ended, only flushed, which sending has done.
    func endCompression(byFlush: Bool = false) async throws {
        try await channel.eventLoop.submit {
            let layer = try self.channel.pipeline.syncOperations.handler(type: ClientCompression.self)
            try layer.end(byFlush: byFlush)
        }.get()
    }

    /// Takes the layer away, when both sides have ended it.
    func removeCompression() async throws {
        try await channel.eventLoop.flatSubmit { () -> EventLoopFuture<Void> in
            do {
                let operations = self.channel.pipeline.syncOperations
                return operations.removeHandler(try operations.handler(type: ClientCompression.self))
            } catch {
                return self.channel.eventLoop.makeFailedFuture(error)
            }
        }.get()
    }
}

/// A client's side of COMPRESS, with zlib's own choice of window and memory. Each write is flushed.
final class ClientCompression: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let inflater: Inflater
    private var deflater: Deflater?
    private var context: ChannelHandlerContext?

    init() throws {
        inflater = try Inflater()
        deflater = try Deflater(.init(level: 6, windowBits: 15, memoryLevel: 8))
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        var plain = ByteBuffer()
        do {
            while try inflater.step(&octets, upTo: 65_536, to: &plain) {}
            if inflater.hasEnded { plain.writeBuffer(&octets) }
            context.fireChannelRead(wrapInboundOut(plain))
        } catch {
            context.fireErrorCaught(error)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let deflater else { return context.write(data, promise: promise) }
        var octets = ByteBuffer()
        do {
            try deflater.write(unwrapOutboundIn(data), .flush, to: &octets)
            context.write(wrapOutboundOut(octets), promise: promise)
        } catch {
            promise?.fail(error)
        }
    }

    func end(byFlush: Bool) throws {
        var octets = ByteBuffer()
        if !byFlush { try deflater?.write(ByteBuffer(), .end, to: &octets) }
        deflater = nil
        context?.writeAndFlush(wrapOutboundOut(octets), promise: nil)
    }
}

/// One client's stream, made octet for octet.
func deflated(_ texts: [String], ending: Deflater.Ending = .flush) throws -> [UInt8] {
    let deflater = try Deflater()
    var octets = ByteBuffer()
    for text in texts { try deflater.write(ByteBuffer(string: text), ending, to: &octets) }
    return Array(octets.readableBytesView)
}
