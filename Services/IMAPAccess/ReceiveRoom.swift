import NIOCore

/// How much room a read from a socket gets: as much as the reads before it filled.
///
/// NIO keeps the buffers of a channel at the largest size that they ever had, 64 KiB each once a message was appended, for
/// as long as the connection is there. Most sessions idle, so these buffers are made anew for each read: a channel keeps
/// the few that it began with, which are small.
struct ReceiveRoom: RecvByteBufferAllocator, Sendable {
    private var size = AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 64 << 10)

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { size.buffer(allocator: allocator) }

    /// Without a size NIO looks for no buffer that might be used again.
    func nextBufferSize() -> Int? { nil }

    /// Always true: what might be too small for the next read is not used again either.
    mutating func record(actualReadBytes: Int) -> Bool {
        _ = size.record(actualReadBytes: actualReadBytes)
        return true
    }
}
