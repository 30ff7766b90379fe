import Glibc
import Messaging
import NIOCore
import NIOPosix

/// Linux's O_TMPFILE, which Glibc's module does not show (it is a macro of two others): a file without a name.
private let openUnnamed = 0o20000000 | O_DIRECTORY

/// Where messages that are too large for memory are kept until they have been handed over.
struct SpoolArea: Sendable {
    /// The folder; its file system should have room for the largest messages of all sessions.
    let directory: String
    /// Threads that may block on the disk.
    let threads: NIOThreadPool
}

/// A system call that failed.
struct SystemCallError: Error, Sendable, CustomStringConvertible {
    let call: String
    let number: CInt

    init(_ call: String) {
        self.call = call
        number = errno
    }

    var description: String { "\(call): \(String(cString: strerror(number)))" }
}

/// One message on disk, in a file without a name: it is gone when the process is, however that ends.
///
/// It is written by one session in order, and read when all is written. Both happen on the area's threads.
final class SpoolFile: Sendable {
    private let descriptor: CInt

    /// Makes the file.
    init(in directory: String) throws {
        var descriptor = open(directory, openUnnamed | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor < 0, errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT {
            // File systems without O_TMPFILE, and a folder that is not there yet.
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw SystemCallError("mkdir \(directory)") }
            var path = Array("\(directory)/spool-XXXXXX".utf8CString)
            descriptor = mkstemp(&path)
            if descriptor >= 0 {
                unlink(path)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            }
        }
        guard descriptor >= 0 else { throw SystemCallError("open a file in \(directory)") }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Writes all of the octets at an offset. It blocks.
    func write(_ content: ByteBuffer, at offset: Int) throws {
        try content.withUnsafeReadableBytes { octets in
            var written = 0
            while written < octets.count, let base = octets.baseAddress {
                let count = pwrite(descriptor, base + written, octets.count - written, off_t(offset + written))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw SystemCallError("write to the spool")
                }
                written += count
            }
        }
    }

    /// Up to `limit` octets from an offset; none at the end. It blocks.
    func read(at offset: Int, upTo limit: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: limit)
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { octets in
            while true {
                let count = pread(descriptor, octets.baseAddress, limit, off_t(offset))
                if count >= 0 { return count }
                if errno != EINTR { throw SystemCallError("read from the spool") }
            }
        }
        return buffer
    }
}

/// A message on disk as it is handed over: it can be read again when the call must be sent again.
struct SpooledMessage: PayloadSource {
    let file: SpoolFile
    let octetCount: Int
    let threads: NIOThreadPool

    func read(at offset: Int, upTo limit: Int) async throws -> ByteBuffer {
        let count = min(limit, octetCount - offset)
        guard count > 0 else { return ByteBuffer() }
        return try await threads.runIfActive { try file.read(at: offset, upTo: count) }
    }
}
