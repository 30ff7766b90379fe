import Cryptography
import Messaging
import NIOCore
import NIOPosix

/// The content of one message while it comes in: hashed as it comes, in memory while it is small, on disk beyond that.
///
/// It belongs to its session's event loop. At most one write is under way; what comes meanwhile gathers for the next
/// one, and once too much has gathered `isCongested` tells the session to stop reading.
final class MessageSpool {
    private let area: SpoolArea
    private let memoryOctets: Int
    private let eventLoop: any EventLoop
    private var digest = SHA256()
    /// What is not on disk.
    private var gathered = ByteBuffer()
    private var file: SpoolFile?
    private var isOnDisk = false
    private var writtenOctets = 0
    /// Content in all.
    private(set) var octets = 0
    /// A write is under way.
    private(set) var isWriting = false
    /// The disk failed; what came since is gone.
    private(set) var failure: (any Error)?
    /// Runs when a write begins.
    var onWriting: (() -> Void)?
    /// Runs on the event loop after each write.
    var onWritten: (() -> Void)?

    /// How much may wait for a write before reading stops.
    static let congestionOctets = 128 * 1024

    init(area: SpoolArea, memoryOctets: Int, eventLoop: any EventLoop) {
        self.area = area
        self.memoryOctets = memoryOctets
        self.eventLoop = eventLoop
    }

    /// Reading should stop until a write is done.
    var isCongested: Bool { isWriting && gathered.readableBytes >= Self.congestionOctets }

    /// Takes the next octets.
    func append(_ content: ByteBuffer) {
        guard failure == nil else { return }
        content.withUnsafeReadableBytes { digest.update($0) }
        octets += content.readableBytes
        if gathered.readableBytes == 0 {
            // A message that came in one piece is never copied.
            gathered = content
        } else {
            gathered.writeImmutableBuffer(content)
        }
        if octets > memoryOctets { isOnDisk = true }
        if isOnDisk, !isWriting, gathered.readableBytes >= Self.congestionOctets { write() }
    }

    /// All content has come: writes the rest of a message that is on disk. `isWriting` tells whether there is to wait.
    func flush() {
        if isOnDisk, !isWriting, failure == nil, gathered.readableBytes > 0 { write() }
    }

    /// The whole message and its SHA-256, when nothing is left to write.
    func finish() -> (message: Payload, digest: [UInt8]) {
        let message =
            if let file {
                Payload(source: SpooledMessage(file: file, octetCount: octets, threads: area.threads))
            } else {
                Payload(gathered)
            }
        return (message, digest.finish())
    }

    private func write() {
        let content = gathered
        let offset = writtenOctets
        gathered = ByteBuffer()
        isWriting = true
        onWriting?()
        area.threads.runIfActive(eventLoop: eventLoop) { [area, file] in
            let file = try file ?? SpoolFile(in: area.directory)
            try file.write(content, at: offset)
            return file
        }.assumeIsolated().whenComplete { [onWritten] result in
            self.isWriting = false
            switch result {
            case .success(let file):
                self.file = file
                self.writtenOctets = offset + content.readableBytes
            case .failure(let error):
                self.failure = error
                self.gathered = ByteBuffer()
            }
            onWritten?()
        }
    }
}
