import Messaging
import NIOCore
import SwiftProtobuf

/// Lets swift-protobuf read from and write to a `ByteBuffer` without another copy.
struct ProtobufOctets: SwiftProtobufContiguousBytes {
    var buffer: ByteBuffer

    init(buffer: ByteBuffer) { self.buffer = buffer }

    init(repeating octet: UInt8, count: Int) {
        buffer = ByteBufferAllocator().buffer(capacity: count)
        buffer.writeRepeatingByte(octet, count: count)
    }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 { buffer = ByteBuffer(bytes: sequence) }

    var count: Int { buffer.readableBytes }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeReadableBytes(body)
    }

    mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeMutableReadableBytes(body)
    }

    static func encode(_ message: some Message) throws(MessagingError) -> ByteBuffer {
        do {
            let octets: ProtobufOctets = try message.serializedBytes()
            return octets.buffer
        } catch {
            throw MessagingError(.malformed, "\(type(of: message)) cannot be encoded: \(error)")
        }
    }

    /// Fields that this release does not know are kept aside, not refused.
    static func decode<M: Message>(_ type: M.Type, _ buffer: ByteBuffer) throws(MessagingError) -> M {
        do {
            return try M(serializedBytes: ProtobufOctets(buffer: buffer))
        } catch {
            throw MessagingError(.malformed, "\(type) cannot be decoded: \(error)")
        }
    }
}
