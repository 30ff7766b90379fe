import NIOCore
import Testing

@testable import IMAPAccess

/// A connection that idles gives back what it once needed to read.
@Suite struct ReceiveRoomTests {
    /// The room of so many reads, each of which is filled.
    private func full(_ reads: Int, _ pool: inout NIOPooledRecvBufferAllocator) -> [Int] {
        (0..<reads).map { _ in
            let (buffer, count) = pool.buffer(allocator: ByteBufferAllocator()) { buffer in
                let room = buffer.writableBytes
                buffer.writeRepeatingByte(0, count: room)
                return room
            }
            pool.record(actualReadBytes: count)
            #expect(buffer.readableBytes == count)
            return count
        }
    }

    @Test("Room grows while it is filled, and is not kept")
    func growsAndIsNotKept() {
        var pool = NIOPooledRecvBufferAllocator(capacity: 4, recvAllocator: ReceiveRoom())
        let rooms = full(12, &pool)
        #expect(rooms.first == 512)
        #expect(rooms.last == 64 << 10)
        // NIO keeps the first four that it makes, and no others.
        #expect(pool.count <= 4)
        #expect(rooms.prefix(4).reduce(0, +) <= 8192)
        // Small reads get less again.
        for _ in 0..<40 {
            _ = pool.buffer(allocator: ByteBufferAllocator()) { $0.writeString("a NOOP\r\n") }
            pool.record(actualReadBytes: 8)
        }
        let last = full(1, &pool)
        #expect(last == [512])
    }

    @Test("What was read stays what it was when more is read")
    func doesNotOverwrite() {
        var pool = NIOPooledRecvBufferAllocator(capacity: 1, recvAllocator: ReceiveRoom())
        var kept: [ByteBuffer] = []
        for number in 0..<10 {
            let (buffer, _) = pool.buffer(allocator: ByteBufferAllocator()) { $0.writeString("\(number)") }
            pool.record(actualReadBytes: 1)
            kept.append(buffer)
        }
        #expect(kept.map { String(buffer: $0) } == (0..<10).map(String.init))
    }
}
