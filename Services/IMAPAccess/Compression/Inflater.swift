import CZlib
import NIOCore

/// Takes a client's raw DEFLATE stream apart (RFC 1951; RFC 4978, 4), in steps of bounded size.
///
/// Its window is the largest, since the client chooses how far back it refers: 32 KiB, and 7 KB for zlib's state. Owns
/// its `z_stream`, at one address for life. Belongs to one event loop.
///
/// Where the client flushed, an empty block stands, which ends with a whole octet. Steps end there, so that what a client
/// says by an octet of another kind behind a flush (RFC 8437, 4.1) is never taken for a part of the stream.
final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>
    private var blockOctets = 0
    /// All blocks so far are complete, and the last of them was a flush; so it is before the first one, too.
    private(set) var isAtFlush = true
    /// The client has ended its stream.
    private(set) var hasEnded = false

    init() throws(CompressionError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            stream.deallocate()
            throw .noMemory
        }
        self.stream = stream
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Uses up octets of `input` and appends at most `limit` to `output`, until a block ends, or either is exhausted.
    /// - Returns: whether another step may do more with the same input.
    func step(
        _ input: inout ByteBuffer, upTo limit: Int, to output: inout ByteBuffer
    ) throws(CompressionError) -> Bool {
        guard !hasEnded, limit > 0 else { return false }
        var status = Z_OK
        var produced = 0
        let left = input.withUnsafeReadableBytes { octets -> Int in
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: octets.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(clamping: octets.count)
            produced = output.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { space in
                stream.pointee.next_out = space.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_out = UInt32(clamping: min(space.count, limit))
                let offered = stream.pointee.avail_out
                status = inflate(stream, Z_BLOCK)
                return Int(offered - stream.pointee.avail_out)
            }
            stream.pointee.next_in = nil
            stream.pointee.next_out = nil
            return Int(stream.pointee.avail_in)
        }
        let used = input.readableBytes - left
        input.moveReaderIndex(forwardBy: used)
        if used > 0 || produced > 0 { isAtFlush = false }
        blockOctets += produced
        switch status {
        case Z_STREAM_END:
            hasEnded = true
            return false
        case Z_OK:
            // zlib's flags: 128 at the end of a block, 64 in the last one, and the bits of an octet that are left over.
            let state = stream.pointee.data_type
            if state & 128 != 0 {
                isAtFlush = blockOctets == 0 && state & 7 == 0
                blockOctets = 0
                // Behind the last block zlib has one more thing to say, without input.
                return state & 64 != 0 || input.readableBytes > 0
            }
            return input.readableBytes > 0 && produced < limit
        case Z_BUF_ERROR:
            return false
        case Z_MEM_ERROR:
            throw .noMemory
        default:
            throw .notDeflate(stream.pointee.msg.map { String(cString: $0) } ?? "\(status)")
        }
    }
}
