import COpenSSL
import NIOCore

/// The ciphertext between OpenSSL and the channel. OpenSSL reads and writes it through a BIO whose memory are these two
/// `ByteBuffer`s, so that octets from the socket are decrypted where they lie and encrypted ones go out as they are.
final class CiphertextBuffers {
    /// From the socket, not yet taken by OpenSSL.
    private(set) var inbound = ByteBuffer()

    /// From OpenSSL, not yet handed to the channel.
    private var outbound = ByteBuffer()

    func receive(_ octets: ByteBuffer) {
        if inbound.readableBytes == 0 {
            inbound = octets
        } else {
            inbound.writeImmutableBuffer(octets)
        }
    }

    /// Makes room at once for all that the next encryption will produce.
    func reserveOutbound(_ count: Int, allocator: ByteBufferAllocator) {
        if outbound.capacity == 0 {
            outbound = allocator.buffer(capacity: count)
        } else {
            outbound.reserveCapacity(minimumWritableBytes: count)
        }
    }

    var outboundCount: Int { outbound.readableBytes }

    func takeOutbound() -> ByteBuffer? {
        guard outbound.readableBytes > 0 else { return nil }
        let taken = outbound
        outbound = ByteBuffer()
        return taken
    }

    fileprivate func append(_ octets: UnsafeRawBufferPointer) {
        outbound.writeBytes(octets)
    }

    fileprivate func move(into target: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(target.count, inbound.readableBytes)
        guard count > 0 else { return 0 }
        inbound.readWithUnsafeReadableBytes { source in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
            return count
        }
        // An idle connection holds no buffer.
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        return count
    }
}

/// The BIO over `CiphertextBuffers`. It never blocks: it takes whatever is written, and a read that finds nothing asks
/// to be retried.
enum CiphertextBIO {
    /// A new BIO, owned by the caller. It does not keep `buffers` alive: whoever owns the BIO does.
    static func make(over buffers: CiphertextBuffers) -> OpaquePointer? {
        guard let method = Method.shared.pointer, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(buffers).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    /// The table of functions, made once and never freed.
    private struct Method: @unchecked Sendable {
        static let shared = Method()

        let pointer: OpaquePointer?

        init() {
            let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
            guard let method = BIO_meth_new(type, "ByteBuffer") else {
                pointer = nil
                return
            }
            BIO_meth_set_write(method, bioWrite)
            BIO_meth_set_read(method, bioRead)
            BIO_meth_set_ctrl(method, bioControl)
            pointer = method
        }
    }
}

private func buffers(of bio: OpaquePointer) -> CiphertextBuffers? {
    guard let data = BIO_get_data(bio) else { return nil }
    return Unmanaged<CiphertextBuffers>.fromOpaque(data).takeUnretainedValue()
}

private func bioWrite(_ bio: OpaquePointer?, _ octets: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let bio, let octets, count > 0, let buffers = buffers(of: bio) else { return 0 }
    COpenSSL_BIO_clear_retry_flags(bio)
    buffers.append(UnsafeRawBufferPointer(start: octets, count: Int(count)))
    return count
}

private func bioRead(_ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
    guard let bio, let target, count > 0, let buffers = buffers(of: bio) else { return 0 }
    COpenSSL_BIO_clear_retry_flags(bio)
    let moved = buffers.move(into: UnsafeMutableRawBufferPointer(start: target, count: Int(count)))
    if moved == 0 {
        COpenSSL_BIO_set_retry_read(bio)
        return -1
    }
    return Int32(truncatingIfNeeded: moved)
}

private func bioControl(
    _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
    command == BIO_CTRL_FLUSH ? 1 : 0
}
