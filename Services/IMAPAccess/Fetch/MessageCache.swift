import Contracts
import NIOCore
import Synchronization

/// A message as it was read. By reference: a table of these is made anew when it grows, and who looks at many does not
/// take hold of each of their buffers.
final class KeptMessage: Sendable {
    private let message: FetchedMessage
    /// About how many octets it occupies.
    let cost: Int

    fileprivate init(_ message: FetchedMessage) {
        self.message = message
        cost = message.cost(of: FetchedMessage.kinds)
    }

    /// About how much of that is for what is asked for.
    func cost(of kinds: [FetchColumnKind]) -> Int { message.cost(of: kinds) }

    /// The message with what was asked for.
    func message(for request: FetchRequest) -> FetchedMessage {
        guard request.header, message.header == nil else { return message }
        var message = message
        message.header = message.headerOfWhole
        return message
    }

    fileprivate func merged(into newer: FetchedMessage) -> FetchedMessage { newer.merged(with: message) }

    fileprivate func knows(_ kinds: [FetchColumnKind], _ request: FetchRequest) -> Bool {
        kinds.allSatisfy { message.knows($0, request) }
    }
}

/// What was read of messages a while ago, near the sessions that read: a message in a mailbox never changes.
final class MessageCache: Sendable {
    private struct Key: Hashable {
        var mailboxID: Int64
        var uid: UInt32
    }

    private let entries: Mutex<Generations<Key, KeptMessage>>
    private let isOff: Bool
    /// Octets of a message beside its contents.
    fileprivate static let entryCost = 384
    /// Octets that one command may keep, those that it finds here counted: one that looks at more than there is room for
    /// would push out with what comes last what came first, and find nothing when it comes again.
    let commandRoom: Int
    /// A message that is larger is not kept whole.
    private static let wholeOctets = 64 * 1024

    /// A cache of about so many octets; 0 for none.
    init(octets: Int) {
        entries = Mutex(Generations(limit: octets))
        isOff = octets == 0
        commandRoom = octets / 2
    }

    /// All of these messages with what is asked for of them; nil unless all that is known.
    func messages(_ uids: some Collection<UInt32>, in mailboxID: Int64, _ request: FetchRequest) -> [KeptMessage]? {
        let kinds = request.kinds
        guard !isOff, !request.rowOnly else { return nil }
        return entries.withLock { entries in
            var messages: [KeptMessage] = []
            messages.reserveCapacity(uids.count)
            for uid in uids {
                guard let kept = entries.find(Key(mailboxID: mailboxID, uid: uid)), kept.knows(kinds, request) else {
                    return nil
                }
                messages.append(kept)
            }
            return messages
        }
    }

    /// Keeps what was read as long as there is `room`, which gets less by it. The octets are copied: those of a page are
    /// parts of one large buffer.
    func keep(_ messages: [FetchedMessage], in mailboxID: Int64, _ request: FetchRequest, _ room: inout Int) {
        guard room > 0, !request.rowOnly else { return }
        let kinds = request.kinds
        var copies: [FetchedMessage] = []
        for message in messages where room > 0 {
            let copy = message.copied(upTo: Self.wholeOctets)
            room -= copy.cost(of: kinds)
            copies.append(copy)
        }
        entries.withLock { entries in
            for copy in copies {
                let key = Key(mailboxID: mailboxID, uid: copy.uid)
                let kept = KeptMessage(entries.find(key)?.merged(into: copy) ?? copy)
                entries.put(kept, key, cost: kept.cost)
            }
        }
    }
}

extension FetchedMessage {
    fileprivate static let kinds: [FetchColumnKind] = [.envelope, .bodyStructure, .body, .mimeIndex, .header, .whole]

    /// About how many octets it occupies in the cache: a buffer's room is a power of two.
    fileprivate func cost(of kinds: [FetchColumnKind]) -> Int {
        let octets = kinds.reduce(0) { $0 + (self[$1]?.readableBytes ?? 0) }
        return MessageCache.entryCost + (octets > 1 ? 1 << (Int.bitWidth - (octets - 1).leadingZeroBitCount) : octets)
    }

    /// Whether this is known of the message as it was asked for; the header is also in the whole message.
    fileprivate func knows(_ kind: FetchColumnKind, _ request: FetchRequest) -> Bool {
        switch kind {
        case .whole: whole != nil || octets > request.wholeOctets
        case .header: header != nil || headerOfWhole != nil
        case .envelope, .bodyStructure, .body, .mimeIndex, .unspecified, .UNRECOGNIZED: self[kind] != nil
        }
    }

    fileprivate var headerOfWhole: ByteBuffer? {
        whole.flatMap { $0.getSlice(at: $0.readerIndex, length: Int(prefixOctets + headerOctets)) }
    }

    /// A copy in one buffer of its own, without what is too large.
    fileprivate func copied(upTo limit: Int) -> FetchedMessage {
        var copy = self
        if octets > limit { copy.whole = nil }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(Self.kinds.reduce(0) { $0 + (copy[$1]?.readableBytes ?? 0) })
        for kind in Self.kinds {
            guard let entry = copy[kind] else { continue }
            let start = buffer.writerIndex
            buffer.writeImmutableBuffer(entry)
            copy[kind] = buffer.getSlice(at: start, length: entry.readableBytes)
        }
        return copy
    }

    /// With what another read has found of the same message.
    fileprivate func merged(with other: FetchedMessage) -> FetchedMessage {
        var merged = self
        for kind in Self.kinds where merged[kind] == nil { merged[kind] = other[kind] }
        return merged
    }
}
