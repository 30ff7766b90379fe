import Contracts
import MailMessage
import NIOCore

/// One stored message of the in-memory store.
package struct MemoryMessage: Sendable {
    package var uid: UInt32 = 0
    /// The same for all copies.
    package var contentID: Int64 = 0
    /// When it came into its mailbox; 0 when that is not known.
    package var savedAt: Int64 = 0
    package var flags: UInt64 = 0
    package var modseq: UInt64 = 0
    package var date: Int64 = 0
    /// Martlet's own trace fields, then the message as received.
    package var prefix: [UInt8] = []
    package var received: [UInt8] = []
    package var headerOctets = 0
    package var envelope: [UInt8] = []
    package var bodyStructure: [UInt8] = []
    package var body: [UInt8] = []
    package var mimeIndex: [UInt8] = []

    package var octets: [UInt8] { prefix + received }
    package var size: Int { prefix.count + received.count }
}

/// A mailbox as storage keeps it: uids ascending, a modseq for each change, expunged uids remembered.
package struct MemoryMailbox: Sendable {
    package let id: Int64
    package var accountID = MemoryStore.accountID
    package var rights: [MemoryStore.RightsEntry: MailboxRights] = [:]
    package var name: String
    package let uidValidity: UInt32
    package var subscribed = false
    package var specialUse = ""
    package var keywords: [String] = []
    package var uidNext: UInt32 = 1
    package var modseq: UInt64 = 1
    package var messages: [MemoryMessage] = []
    package var vanished: [(uid: UInt32, modseq: UInt64)] = []
    package var annotations: [String: [UInt8]] = [:]
    /// The index of texts: uids and signatures of each segment.
    package var textSegments: [(uids: ByteBuffer, signatures: ByteBuffer)] = []

    package init(id: Int64, name: String, uidValidity: UInt32) {
        self.id = id
        self.name = name
        self.uidValidity = uidValidity
    }

    package func described(deletedOctets: Bool = false) -> Mailbox {
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
        if deletedOctets {
            mailbox.deletedOctets = Int64(messages.reduce(0) { $0 + ($1.flags & 8 != 0 ? $1.size : 0) })
        }
        return mailbox
    }

    /// The bits of these flags; keywords that are new are added.
    package mutating func bits(of flags: [String]) -> UInt64? {
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

    package mutating func add(_ message: MemoryMessage, at moment: Int64) -> UInt32 {
        var message = message
        modseq += 1
        message.uid = uidNext
        message.savedAt = moment
        message.modseq = modseq
        uidNext += 1
        messages.append(message)
        return message.uid
    }

    /// Returns the uids removed, all with one new modseq.
    package mutating func remove(_ uids: Set<UInt32>) -> [UInt32] {
        let gone = messages.map(\.uid).filter(uids.contains)
        guard !gone.isEmpty else { return [] }
        modseq += 1
        messages.removeAll { uids.contains($0.uid) }
        vanished += gone.map { ($0, modseq) }
        return gone
    }
}

extension MemoryMessage {
    package static func parse(_ received: [UInt8], prefix: [UInt8]) -> MemoryMessage {
        var message = MemoryMessage()
        message.prefix = prefix
        message.received = received
        if let parsed = try? MessageParser.parse(received, limits: MIMELimits()) {
            message.headerOctets = parsed.index.root.header.upperBound
            message.envelope = parsed.envelopeOctets()
            message.bodyStructure = parsed.bodyStructureOctets()
            message.body = parsed.bodyOctets()
            message.mimeIndex = parsed.index.encoded()
        }
        return message
    }
}

extension MemoryStore.State {
    package func index(of name: String, in account: Int64 = MemoryStore.accountID) -> Int? {
        mailboxes.firstIndex { $0.accountID == known(account) && $0.name == name }
    }

    package func index(id: Int64, in account: Int64) -> Int? {
        mailboxes.firstIndex { $0.accountID == known(account) && $0.id == id }
    }

    /// An account that has mailboxes here; alice's for all others.
    package func known(_ account: Int64) -> Int64 { accounts[account] == nil ? MemoryStore.accountID : account }

    package mutating func newContent() -> Int64 {
        lastContent += 1
        return lastContent
    }

    package mutating func make(
        _ name: String, _ specialUse: String, in account: Int64 = MemoryStore.accountID
    ) -> MemoryMailbox {
        var mailbox = MemoryMailbox(id: nextMailbox, name: name, uidValidity: nextValidity)
        mailbox.accountID = known(account)
        mailbox.rights = nearestAbove(name, in: account)?.rights ?? [:]
        mailbox.specialUse = specialUse
        mailbox.subscribed = subscribedWithoutMailbox[mailbox.accountID]?.remove(name) != nil
        nextMailbox += 1
        nextValidity += 1
        mailboxes.append(mailbox)
        return mailbox
    }

    package func change(_ index: Int) -> MailboxChanged {
        var change = MailboxChanged()
        change.accountID = mailboxes[index].accountID
        change.mailboxID = mailboxes[index].id
        change.highestModseq = mailboxes[index].modseq
        return change
    }
}

/// Whether a uid lies in pairs of first and last.
package func pairs(_ pairs: [UInt32], contain uid: UInt32) -> Bool {
    stride(from: 0, to: pairs.count - 1, by: 2).contains { pairs[$0] <= uid && uid <= pairs[$0 + 1] }
}

extension MemoryMessage {
    /// What a `fetch` gives of it.
    func fetched(_ request: FetchRequest) -> FetchedMessage {
        var message = FetchedMessage(uid: uid)
        message.contentID = contentID
        message.savedAt = savedAt
        message.octets = Int64(size)
        if request.rowOnly { return message }
        message.prefixOctets = Int64(prefix.count)
        message.headerOctets = Int64(headerOctets)
        message.envelope = ByteBuffer(bytes: envelope)
        message.bodyStructure = ByteBuffer(bytes: bodyStructure)
        message.body = ByteBuffer(bytes: body)
        message.mimeIndex = ByteBuffer(bytes: mimeIndex)
        message.header = ByteBuffer(bytes: octets.prefix(prefix.count + headerOctets))
        if message.octets <= request.wholeOctets { message.whole = ByteBuffer(bytes: octets) }
        return message
    }
}
