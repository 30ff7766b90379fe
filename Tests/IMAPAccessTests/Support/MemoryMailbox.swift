import Contracts
import NIOCore

/// One stored message of the in-memory store.
struct MemoryMessage: Sendable {
    var uid: UInt32 = 0
    var flags: UInt64 = 0
    var modseq: UInt64 = 0
    var date: Int64 = 0
    /// Martlet's own trace fields, then the message as received.
    var prefix: [UInt8] = []
    var received: [UInt8] = []
    var headerOctets = 0
    var envelope: [UInt8] = []
    var bodyStructure: [UInt8] = []
    var body: [UInt8] = []
    var mimeIndex: [UInt8] = []

    var octets: [UInt8] { prefix + received }
    var size: Int { prefix.count + received.count }
}

/// A mailbox as storage keeps it: uids ascending, a modseq for each change, expunged uids remembered.
struct MemoryMailbox: Sendable {
    let id: Int64
    var name: String
    let uidValidity: UInt32
    var subscribed = false
    var specialUse = ""
    var keywords: [String] = []
    var uidNext: UInt32 = 1
    var modseq: UInt64 = 1
    var messages: [MemoryMessage] = []
    var vanished: [(uid: UInt32, modseq: UInt64)] = []

    init(id: Int64, name: String, uidValidity: UInt32) {
        self.id = id
        self.name = name
        self.uidValidity = uidValidity
    }

    var described: Mailbox {
        var mailbox = Mailbox()
        mailbox.mailboxID = id
        mailbox.name = name
        mailbox.uidValidity = uidValidity
        mailbox.subscribed = subscribed
        mailbox.specialUse = specialUse
        mailbox.keywords = keywords
        mailbox.uidNext = uidNext
        mailbox.highestModseq = modseq
        mailbox.messageCount = UInt32(messages.count)
        mailbox.unseenCount = UInt32(messages.filter { $0.flags & 1 == 0 }.count)
        mailbox.deletedCount = UInt32(messages.filter { $0.flags & 8 != 0 }.count)
        mailbox.octets = Int64(messages.reduce(0) { $0 + $1.size })
        mailbox.selectable = true
        return mailbox
    }

    /// The bits of these flags; keywords that are new are added.
    mutating func bits(of flags: [String]) -> UInt64? {
        var bits: UInt64 = 0
        for flag in flags {
            switch flag.lowercased() {
            case "\\seen": bits |= 1
            case "\\answered": bits |= 2
            case "\\flagged": bits |= 4
            case "\\deleted": bits |= 8
            case "\\draft": bits |= 16
            default:
                var index = keywords.firstIndex { $0.lowercased() == flag.lowercased() }
                if index == nil {
                    guard keywords.count < 56 else { return nil }
                    keywords.append(flag)
                    index = keywords.count - 1
                }
                bits |= 1 << UInt64(8 + (index ?? 0))
            }
        }
        return bits
    }

    mutating func add(_ message: MemoryMessage) -> UInt32 {
        var message = message
        modseq += 1
        message.uid = uidNext
        message.modseq = modseq
        uidNext += 1
        messages.append(message)
        return message.uid
    }

    /// Returns the uids removed, all with one new modseq.
    mutating func remove(_ uids: Set<UInt32>) -> [UInt32] {
        let gone = messages.map(\.uid).filter(uids.contains)
        guard !gone.isEmpty else { return [] }
        modseq += 1
        messages.removeAll { uids.contains($0.uid) }
        vanished += gone.map { ($0, modseq) }
        return gone
    }
}

/// Whether a uid lies in pairs of first and last.
func pairs(_ pairs: [UInt32], contain uid: UInt32) -> Bool {
    stride(from: 0, to: pairs.count - 1, by: 2).contains { pairs[$0] <= uid && uid <= pairs[$0 + 1] }
}
