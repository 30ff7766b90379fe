import NIOCore

/// Octets that a sender offers, readable more than once, so that a call can be sent again.
public protocol PayloadSource: Sendable {
    /// How many octets there are in all.
    var octetCount: Int { get }
    /// Between one and `limit` octets from `offset`; an empty buffer only at the end.
    func read(at offset: Int, upTo limit: Int) async throws -> ByteBuffer
}

extension ByteBuffer: PayloadSource {
    /// How many octets are readable.
    public var octetCount: Int { readableBytes }

    /// A slice, never a copy.
    public func read(at offset: Int, upTo limit: Int) async throws -> ByteBuffer {
        let length = min(limit, readableBytes - offset)
        guard offset >= 0, length > 0 else { return ByteBuffer() }
        return getSlice(at: readerIndex + offset, length: length) ?? ByteBuffer()
    }
}

/// The octets of a message beside a request: one type for who sends and who receives.
///
/// A client makes one from a buffer or from a `PayloadSource` (a spool file). A server's implementation is
/// given one too: small messages came with the request (`frames`), large ones are pulled from the client under
/// credit while they are read. Read it with `for try await chunk in payload` or `collect(upTo:)`.
public struct Payload: Sendable, AsyncSequence {
    /// What reading gives.
    public typealias Element = ByteBuffer
    /// What reading may throw.
    public typealias Failure = any Error

    /// At most so many octets travel with the request itself; more are uploaded in chunks under credit.
    public static let inlineLimit = 256 * 1024
    /// Octets of one chunk of an upload.
    public static let chunkOctets = 64 * 1024

    enum Storage: Sendable {
        case frames([ByteBuffer])
        case source(any PayloadSource)
        case unfolding(@Sendable () async throws -> ByteBuffer?)
        case upload(UploadReader)
    }

    let storage: Storage
    /// How many octets there are in all, whether they have arrived or not.
    public let octetCount: Int

    init(storage: Storage, octetCount: Int) {
        self.storage = storage
        self.octetCount = octetCount
    }

    /// No octets.
    public init() { self.init(storage: .frames([]), octetCount: 0) }

    /// Octets in memory.
    public init(_ buffer: ByteBuffer) { self.init(frames: [buffer]) }

    /// Octets in memory, in pieces.
    public init(frames: [ByteBuffer]) {
        self.init(storage: .frames(frames), octetCount: frames.reduce(0) { $0 + $1.readableBytes })
    }

    /// Octets read when they are needed, and again when the call is sent again.
    public init(source: some PayloadSource) {
        if let buffer = source as? ByteBuffer {
            self.init(buffer)
        } else {
            self.init(storage: .source(source), octetCount: source.octetCount)
        }
    }

    /// Octets that can be read once only: a call that carries them is never sent to a second replica.
    /// `next` returns nil at the end, when `octetCount` octets have been given.
    public init(octetCount: Int, unfolding next: @escaping @Sendable () async throws -> ByteBuffer?) {
        self.init(storage: .unfolding(next), octetCount: octetCount)
    }

    /// The octets, when all of them are in memory.
    public var frames: [ByteBuffer]? {
        guard case .frames(let frames) = storage else { return nil }
        return frames
    }

    /// Whether reading can begin again at the first octet.
    public var isRereadable: Bool {
        switch storage {
        case .frames, .source: true
        case .unfolding, .upload: false
        }
    }

    /// All octets in one buffer; throws `malformed` when there are more than `limit`. No copy for a single frame.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        guard octetCount <= limit else {
            throw MessagingError(.malformed, "\(octetCount) octets of payload, at most \(limit) taken")
        }
        if case .frames(let frames) = storage, frames.count == 1 { return frames[0] }
        var whole = ByteBuffer()
        whole.reserveCapacity(octetCount)
        for try await chunk in self {
            whole.writeImmutableBuffer(chunk)
            guard whole.readableBytes <= limit else {
                throw MessagingError(.malformed, "more octets of payload than announced")
            }
        }
        return whole
    }

    /// Begins to read.
    public func makeAsyncIterator() -> Iterator { Iterator(storage: storage) }

    /// Reads a payload chunk by chunk.
    public struct Iterator: AsyncIteratorProtocol {
        let storage: Storage
        var position = 0

        /// The next chunk, never empty; nil at the end.
        public mutating func next() async throws -> ByteBuffer? {
            switch storage {
            case .frames(let frames):
                while position < frames.count {
                    position += 1
                    if frames[position - 1].readableBytes > 0 { return frames[position - 1] }
                }
                return nil
            case .source(let source):
                let chunk = try await source.read(at: position, upTo: Payload.chunkOctets)
                position += chunk.readableBytes
                return chunk.readableBytes > 0 ? chunk : nil
            case .unfolding(let next):
                while let chunk = try await next() {
                    if chunk.readableBytes > 0 { return chunk }
                }
                return nil
            case .upload(let reader):
                return try await reader.next()
            }
        }
    }
}
