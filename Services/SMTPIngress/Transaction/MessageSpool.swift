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
    private var marker: LineEndMarker?
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

    /// An empty one. With `marksLines` it can be cut back to the end of a line.
    init(area: SpoolArea, memoryOctets: Int, marksLines: Bool = false, eventLoop: any EventLoop) {
        self.area = area
        self.memoryOctets = memoryOctets
        self.eventLoop = eventLoop
        if marksLines { marker = LineEndMarker(octets: 0, digest: digest) }
    }

    /// One that goes on where another ended.
    convenience init(
        resuming content: SpooledContent, area: SpoolArea, memoryOctets: Int, marksLines: Bool,
        eventLoop: any EventLoop
    ) {
        self.init(area: area, memoryOctets: memoryOctets, eventLoop: eventLoop)
        digest = content.digest
        gathered = content.unwritten
        file = content.file
        isOnDisk = file != nil
        writtenOctets = content.octets - gathered.readableBytes
        octets = content.octets
        if marksLines { marker = LineEndMarker(octets: octets, digest: digest) }
    }

    /// Reading should stop until a write is done.
    var isCongested: Bool { isWriting && gathered.readableBytes >= Self.congestionOctets }

    /// Takes the next octets.
    func append(_ content: ByteBuffer) {
        guard failure == nil else { return }
        content.withUnsafeReadableBytes { content in
            if marker == nil { digest.update(content) } else { marker?.update(&digest, with: content, behind: octets) }
        }
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

    /// What can be kept, when no write is under way: all of it, or as far as lines are marked, up to the end of the last
    /// whole line. Nil when the disk failed.
    func suspend() -> SpooledContent? {
        guard failure == nil, !isWriting else { return nil }
        let octets = marker?.octets ?? self.octets
        // What of the file lies behind the end is overwritten, or never read.
        let written = min(writtenOctets, octets)
        var unwritten = ByteBuffer()
        // Copied, since a slice would keep all that was read with it.
        if let rest = gathered.getSlice(at: gathered.readerIndex, length: octets - written) {
            unwritten = ByteBuffer(bytes: rest.readableBytesView)
        }
        return SpooledContent(
            octets: octets, digest: marker?.digest ?? digest, unwritten: unwritten, file: written > 0 ? file : nil,
            diskOctets: written > 0 ? writtenOctets : 0)
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

/// Content that nobody adds to: its beginning in a file, the rest in memory.
struct SpooledContent: Sendable {
    /// In all.
    let octets: Int
    /// The digest so far; a copy goes on from there.
    let digest: SHA256
    /// What is not in the file.
    let unwritten: ByteBuffer
    let file: SpoolFile?
    /// What the file takes, which may be more than is of use.
    let diskOctets: Int

    /// Nothing yet.
    static let empty = SpooledContent(
        octets: 0, digest: SHA256(), unwritten: ByteBuffer(), file: nil, diskOctets: 0)

    /// What it takes in memory, about.
    var memoryOctets: Int { 512 + unwritten.capacity }
}

/// Where the last whole line ends, and the digest up to there: what came of a line that was cut off cannot be gone on
/// with by DATA, which begins with the beginning of a line (RFC 1845, 3).
private struct LineEndMarker {
    var octets: Int
    var digest: SHA256
    private var isBehindCR = false

    init(octets: Int, digest: SHA256) {
        self.octets = octets
        self.digest = digest
    }

    /// Hashes what comes behind so many octets, and marks the last CRLF in it.
    mutating func update(_ digest: inout SHA256, with content: UnsafeRawBufferPointer, behind before: Int) {
        guard content.count > 0 else { return }
        let end = lineEnd(of: content)
        isBehindCR = content[content.count - 1] == UInt8(ascii: "\r")
        digest.update(UnsafeRawBufferPointer(rebasing: content[..<end]))
        guard end > 0 else { return digest.update(content) }
        octets = before + end
        self.digest = digest
        digest.update(UnsafeRawBufferPointer(rebasing: content[end...]))
    }

    /// Behind the last CRLF, or 0.
    private func lineEnd(of content: UnsafeRawBufferPointer) -> Int {
        var index = content.count - 1
        while index >= 0 {
            if content[index] == UInt8(ascii: "\n"),
                index > 0 ? content[index - 1] == UInt8(ascii: "\r") : isBehindCR
            {
                return index + 1
            }
            index -= 1
        }
        return 0
    }
}
