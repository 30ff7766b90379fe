import NIOCore
import Synchronization

/// The octets of an upload, as the server's implementation pulls them.
final class UploadReader: Sendable {
    let inflow: Inflow<ByteBuffer>
    private let begin: @Sendable () -> Void
    private let hasBegun = Mutex(false)

    /// `begin` lets the client send: the first window is opened when the first chunk is asked for.
    init(inflow: Inflow<ByteBuffer>, begin: @escaping @Sendable () -> Void) {
        self.inflow = inflow
        self.begin = begin
    }

    func next() async throws(MessagingError) -> ByteBuffer? {
        let isFirst = hasBegun.withLock { hasBegun in
            defer { hasBegun = true }
            return !hasBegun
        }
        if isFirst { begin() }
        return try await inflow.next()
    }
}
