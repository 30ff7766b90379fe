import CZlib
import NIOCore

/// What went wrong with a compressed stream.
enum CompressionError: Error, Sendable, Equatable {
    /// The client's octets are no DEFLATE stream; zlib's own word for it.
    case notDeflate(String)
    /// The client ended its stream, and more was expected of it.
    case ended
    /// zlib got no memory.
    case noMemory
}

/// Compresses what is sent: raw DEFLATE (RFC 1951; RFC 4978, 4), without zlib's header and checksum.
///
/// Owns its `z_stream`, at one address for life, since zlib's state points back to it. Belongs to one event loop.
///
/// A stream of its own may follow another one's flush on the same connection: it refers to nothing before itself, and
/// the reader does not notice.
final class Deflater {
    /// What follows the octets.
    enum Ending {
        /// More octets, perhaps; zlib keeps what it has not written yet.
        case none
        /// All octets so far can be read now.
        case flush
        /// The stream ends, so that what follows is known not to be part of it.
        case end
    }

    /// What zlib may spend on a stream. The window and the level of memory are smaller than zlib's own choice (15 and 8,
    /// which takes 268 KB): most answers are short lines that repeat one another. The reader needs to know
    /// nothing of this.
    struct Effort: Sendable {
        /// 1 is the fastest, 9 the smallest. RFC 4978, 4 advises 1 to 5.
        var level: Int32 = 3
        /// How far back a repetition is found: 2 to this power of octets.
        var windowBits: Int32 = 13
        /// 1 to 9. With 13 bits and level 6 a stream takes 64 KiB and 6 KB for zlib's state.
        var memoryLevel: Int32 = 6
    }

    private let stream: UnsafeMutablePointer<z_stream>

    /// Octets of output that are asked for at a time.
    private static let stepOctets = 8 * 1024

    init(_ effort: Effort = Effort()) throws(CompressionError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, effort.level, Z_DEFLATED, -effort.windowBits, effort.memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            throw .noMemory
        }
        self.stream = stream
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Adds octets, and appends to `output` what has become of them so far.
    func write(_ octets: ByteBuffer, _ ending: Ending, to output: inout ByteBuffer) throws(CompressionError) {
        let flush =
            switch ending {
            case .none: Z_NO_FLUSH
            case .flush: Z_SYNC_FLUSH
            case .end: Z_FINISH
            }
        let status = octets.withUnsafeReadableBytes { input in
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: input.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(clamping: input.count)
            defer {
                stream.pointee.next_in = nil
                stream.pointee.avail_in = 0
            }
            return run(flush, to: &output)
        }
        // A step that had nothing left to do is no failure.
        guard status == Z_OK || status == Z_BUF_ERROR || status == Z_STREAM_END else { throw .noMemory }
    }

    private func run(_ flush: Int32, to output: inout ByteBuffer) -> Int32 {
        var status = Z_OK
        repeat {
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.stepOctets) { space in
                stream.pointee.next_out = space.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = UInt32(clamping: space.count)
                let offered = stream.pointee.avail_out
                status = deflate(stream, flush)
                return Int(offered - stream.pointee.avail_out)
            }
        } while status == Z_OK && stream.pointee.avail_out == 0
        stream.pointee.next_out = nil
        return status
    }
}
