import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import NIOCore

/// The messages of one APPEND while its command comes: octets of the client, kept in memory, and where the octets lie that
/// storage has already (RFC 4469).
struct GatheredMessages: Sendable {
    private(set) var messages: [AppendedMessage] = []
    /// The octets of all messages, one behind the other; those behind the last stored ones are in `tail`.
    private var pieces: [GatheredPiece] = []
    private var tail = ByteBuffer()
    /// Octets that are kept in memory.
    private(set) var octetsInMemory = 0
    /// The octets of all messages.
    private(set) var octetCount = 0
    /// A header has octets beyond US-ASCII.
    private(set) var has8BitHeader = false
    private var header = AppendedHeader()

    /// Octets of the message in hand.
    var messageOctets: Int { Int(clamping: messages.last?.messageOctets ?? 0) }

    /// Nothing of the messages is with storage.
    var isInMemory: Bool { pieces.isEmpty }

    /// The next message follows. Its octets are counted as they come.
    mutating func begin(_ message: AppendedMessage, announcing octets: Int) {
        var message = message
        message.messageOctets = 0
        messages.append(message)
        header = AppendedHeader()
        if isInMemory { tail.reserveCapacity(tail.readableBytes + octets) }
    }

    /// The next octets of the message in hand, from the client.
    mutating func append(_ octets: ByteBuffer) {
        count(octets.readableBytes)
        octetsInMemory += octets.readableBytes
        look(at: octets)
        tail.writeImmutableBuffer(octets)
    }

    /// The next octets of the message in hand are these of a stored one.
    mutating func append(_ section: StoredSection) {
        guard !section.range.isEmpty else { return }
        if tail.readableBytes > 0 { pieces.append(.octets(tail)) }
        tail = ByteBuffer()
        count(section.range.count)
        pieces.append(.stored(section))
    }

    /// Octets that come next are part of a header, as far as can be said.
    var isInHeader: Bool { !header.isDecided }

    /// Looks for octets beyond US-ASCII in what comes next of a header.
    mutating func look(at octets: ByteBuffer) {
        header.take(octets)
        has8BitHeader = has8BitHeader || header.has8Bit
    }

    private mutating func count(_ octets: Int) {
        octetCount += octets
        guard let last = messages.indices.last else { return }
        messages[last].messageOctets += Int64(octets)
    }

    /// All octets, when all of them are in memory.
    var octets: ByteBuffer? { isInMemory ? tail : nil }

    /// The mailboxes that octets are still to be read from, each with a URL that names it.
    var sources: [MailboxKey: String] {
        pieces.reduce(into: [:]) { sources, piece in
            if case .stored(let section) = piece { sources[section.mailbox] = section.url }
        }
    }

    /// All octets, to be read from storage where they are there.
    func source(from reader: StoredSectionReader) -> GatheredOctets {
        GatheredOctets(tail.readableBytes > 0 ? pieces + [.octets(tail)] : pieces, octetCount: octetCount, reader)
    }
}

/// Octets of an APPEND that follow one another.
enum GatheredPiece: Sendable {
    case octets(ByteBuffer)
    case stored(StoredSection)

    var octetCount: Int {
        switch self {
        case .octets(let octets): octets.readableBytes
        case .stored(let section): section.range.count
        }
    }
}

/// Octets of a stored message that a URL names.
struct StoredSection: Sendable {
    var mailbox: MailboxKey
    var uid: UInt32
    var range: Range<Int>
    /// As the client wrote it.
    var url: String
}

/// Reads octets of stored messages that URLs name, on behalf of one command.
struct StoredSectionReader: Sendable {
    let store: any MailStore
    let transaction: TransactionID
    let timeout: Duration

    /// A reader of one mailbox. What a URL names has to be there now, so that nothing is taken from a cache.
    func mailbox(_ mailbox: MailboxKey) -> MessageReader {
        MessageReader(
            store: store, cache: MessageCache(octets: 0), accountID: mailbox.accountID, mailboxID: mailbox.mailboxID,
            transaction: transaction, timeout: timeout)
    }

    /// What is known of a message; nil when it is not there.
    func message(_ uid: UInt32, in key: MailboxKey) async throws -> StoredMessage? {
        var found: StoredMessage?
        try await mailbox(key).messages(uids: [uid], { $0.mimeIndex = true }) { message in
            found = try StoredMessage(message)
        }
        return found
    }

    /// The octets of a message that a URL names: where they lie, or, where fields are chosen from a header, themselves. Nil
    /// when there is no such part.
    func piece(
        _ part: IMAPURLMessage, of message: StoredMessage, uid: UInt32, in key: MailboxKey, url: String
    ) async throws -> GatheredPiece? {
        guard let range = message.range(of: part.section) else { return nil }
        var section = StoredSection(mailbox: key, uid: uid, range: range, url: url)
        guard let fields = part.section.text?.chosenFields else {
            section.range = range.clamped(to: part.partial?.range)
            return .stored(section)
        }
        // They are chosen in memory: a header is never larger than its limit.
        let header = range.isEmpty ? ByteBuffer() : try await read(section, 0..<range.count)
        return .octets(header.chosen(fields).clamped(to: part.partial?.range))
    }

    /// A part of a section, not empty and known to be small. A message that is gone makes the URL a bad one.
    func read(_ section: StoredSection, _ part: Range<Int>) async throws -> ByteBuffer {
        let range = section.range.lowerBound + part.lowerBound..<section.range.lowerBound + part.upperBound
        guard let octets = try await mailbox(section.mailbox).read(uid: section.uid, range) else {
            throw Refusal(.no, .badURL(section.url), "The message is not there any more")
        }
        return octets
    }
}

/// The octets of an APPEND as content processing takes them: read from storage when they are wanted, and again when the
/// call is sent again. Of what is with storage no more than a window is here.
actor GatheredOctets: PayloadSource {
    nonisolated let octetCount: Int
    private let pieces: [(offset: Int, piece: GatheredPiece)]
    private let reader: StoredSectionReader
    /// What was read last: of which piece, from which of its octets on.
    private var window: (index: Int, offset: Int, octets: ByteBuffer)?

    /// Octets that are asked for at once.
    private static let windowOctets = 256 * 1024

    init(_ pieces: [GatheredPiece], octetCount: Int, _ reader: StoredSectionReader) {
        var located: [(offset: Int, piece: GatheredPiece)] = []
        var offset = 0
        for piece in pieces {
            located.append((offset, piece))
            offset += piece.octetCount
        }
        self.pieces = located
        self.octetCount = octetCount
        self.reader = reader
    }

    /// Goes on over the end of a piece, so that many small ones make no more chunks than a large one.
    func read(at offset: Int, upTo limit: Int) async throws -> ByteBuffer {
        var octets = ByteBuffer()
        while octets.readableBytes < limit, offset + octets.readableBytes < octetCount {
            let next = try await piece(at: offset + octets.readableBytes, upTo: limit - octets.readableBytes)
            guard next.readableBytes > 0 else { break }
            if octets.readableBytes == 0 { octets = next } else { octets.writeImmutableBuffer(next) }
        }
        return octets
    }

    /// All octets, when they are few.
    func all() async throws -> ByteBuffer { try await read(at: 0, upTo: octetCount) }

    /// Octets of the one piece that lies there.
    private func piece(at position: Int, upTo limit: Int) async throws -> ByteBuffer {
        guard let index = pieces.lastIndex(where: { $0.offset <= position }) else { return ByteBuffer() }
        let (start, piece) = pieces[index]
        let offset = position - start
        let count = min(limit, piece.octetCount - offset)
        switch piece {
        case .octets(let octets):
            return octets.getSlice(at: octets.readerIndex + offset, length: count) ?? ByteBuffer()
        case .stored(let section):
            if window?.index != index || !contains(offset) {
                let end = min(offset + Self.windowOctets, section.range.count)
                let octets = try await reader.read(section, offset..<end)
                window = (index, offset, octets)
            }
            guard let window, contains(offset) else { return ByteBuffer() }
            let from = offset - window.offset
            let length = min(count, window.octets.readableBytes - from)
            return window.octets.getSlice(at: window.octets.readerIndex + from, length: length) ?? ByteBuffer()
        }
    }

    private func contains(_ offset: Int) -> Bool {
        guard let window else { return false }
        return (window.offset..<window.offset + window.octets.readableBytes).contains(offset)
    }
}
