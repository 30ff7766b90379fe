import Contracts
import Cryptography
import Database
import Messaging
import NIOCore
import ServiceRuntime

/// One message to commit, checked and in the form of the database.
struct PreparedCommit: Sendable {
    let transaction: DatabaseUUID
    var origin: PreparedOrigin
    /// Nil when the content was staged and its row is complete.
    let content: Content?
    /// The staged content, or nil until a batch gives the new one its id.
    let stagedContentID: Int64?
    /// Octets of the stored message: what each mailbox and each quota counts.
    let size: Int64
    let messageID: String
    let dispositions: [PreparedDisposition]
    /// Where the first of them stands among those of all messages that are committed together.
    var firstDisposition = 0
    /// A receipt of another connection stands for this delivery. False at first: a settlement may be on its way.
    var absorbsRepetitions = false

    /// The row of `mail.contents`.
    struct Content: Sendable {
        let prefixOctets: Int32
        let headerOctets: Int32
        let bodyOctets: Int64
        let header: ByteBuffer
        let body: ByteBuffer
        let metadata: ContentMetadata
    }

    /// What the batch's bound of octets counts.
    var octets: Int {
        (content.map { $0.header.readableBytes + $0.body.readableBytes + $0.metadata.octets } ?? 0)
            + dispositions.count * 256
    }
}

/// How a message came, for receipts and the ledger.
struct PreparedOrigin: Sendable {
    let entrance: Int16
    let clientAddress: String
    let identity: String?
    let reversePath: String
    /// Nil for a message that no client's connection brought.
    var connection: DatabaseUUID?
    let ordinal: Int32
    /// When the last reply was sent that the client must have read before it sent this message.
    let began: Moment
    /// When the message was whole.
    let received: Moment
    /// The ids of transactions that the connection's client was told to have failed, one behind the other.
    let denied: ByteBuffer

    init(_ origin: Origin) {
        entrance = Int16(clamping: origin.entrance.rawValue)
        clientAddress = origin.clientAddress.withoutNull
        identity = origin.identity.isEmpty ? nil : origin.identity.withoutNull
        reversePath = origin.reversePath.withoutNull
        connection = DatabaseUUID(octets: origin.connectionID)
        ordinal = Int32(clamping: origin.ordinal)
        began = Moment(machine: origin.machine, uptime: origin.beganUptime, wallClock: origin.beganAt)
        received = Moment(machine: origin.machine, uptime: origin.receivedUptime, wallClock: origin.receivedAt)
        denied = origin.denied.reduce(into: ByteBuffer()) { if $1.count == 16 { $0.writeBytes($1) } }
    }
}

/// What is to be done with one copy.
struct PreparedDisposition: Sendable {
    enum Action: Sendable {
        case store(mailbox: String, fallsBack: Bool, flags: Flags, internalDate: Timestamp)
        case enqueue(reversePath: String, domain: String, smtputf8: Bool, binaryMIME: Bool)
    }

    let action: Action
    /// Whose copy; 0 for one that leaves for another server.
    let accountID: Int64
    /// Who puts it into a mailbox that is not his own; 0 for the account itself and for deliveries.
    let userID: Int64
    /// What a repetition is known by: one for each forward-path that leads here, never empty.
    let fingerprints: [ByteBuffer]
    let forwardPath: String

    /// SHA-256's octets.
    static let fingerprintOctets = 32

    /// Checks a disposition; throws when its caller cannot have meant it.
    init(_ disposition: Disposition, at index: Int, of transaction: TransactionID) throws {
        switch disposition.action {
        case .store(let store):
            accountID = store.accountID
            userID = store.userID == store.accountID ? 0 : store.userID
            action = .store(
                mailbox: store.mailboxName.isEmpty ? MailboxName.inbox : MailboxName.canonical(store.mailboxName),
                fallsBack: store.fallBackToInbox, flags: try Flags(names: store.flags),
                internalDate: Timestamp(microseconds: store.internalDate))
            forwardPath = disposition.forwardPath
        case .enqueue(let enqueue):
            accountID = enqueue.accountID
            userID = 0
            action = .enqueue(
                reversePath: enqueue.reversePath,
                domain: enqueue.forwardPath.split(separator: "@").last.map { $0.lowercased() } ?? "",
                smtputf8: enqueue.smtputf8, binaryMIME: enqueue.binaryMime)
            forwardPath = enqueue.forwardPath
        case nil:
            throw MessagingError(.malformed, "a disposition without an action")
        }
        guard accountID >= 0, disposition.fingerprints.allSatisfy({ $0.count == Self.fingerprintOctets }) else {
            throw MessagingError(.malformed, "a disposition with a fingerprint or an account that cannot be")
        }
        if disposition.fingerprints.isEmpty {
            // Nothing but the request itself can repeat it.
            var octets = transaction.octets
            withUnsafeBytes(of: UInt32(index).bigEndian) { octets.append(contentsOf: $0) }
            fingerprints = [ByteBuffer(bytes: SHA256.hash(octets))]
        } else {
            fingerprints = disposition.fingerprints.map { ByteBuffer(bytes: $0) }
        }
    }

    /// Nil for a copy that is not stored here.
    var mailbox: String? { if case .store(let mailbox, _, _, _) = action { mailbox } else { nil } }
    var fallsBack: Bool { if case .store(_, let fallsBack, _, _) = action { fallsBack } else { false } }
}

extension String {
    /// PostgreSQL's text has no U+0000; what is only remembered does without.
    var withoutNull: String { utf8.contains(0) ? filter { $0 != "\0" } : self }
}

/// What content processing found out about a message.
struct ContentMetadata: Sendable {
    let sentAt: Timestamp?
    let digest: ByteBuffer
    let messageID: String
    let mimeIndex: ByteBuffer
    let envelope: ByteBuffer
    let bodyStructure: ByteBuffer
    let bodySummary: ByteBuffer

    init(_ content: MessageContent) {
        sentAt = content.sentDate == 0 ? nil : Timestamp(microseconds: content.sentDate)
        digest = ByteBuffer(bytes: content.digest)
        // A text of PostgreSQL has no U+0000.
        messageID = content.messageID.contains("\0") ? "" : content.messageID
        mimeIndex = ByteBuffer(bytes: content.mimeIndex)
        envelope = ByteBuffer(bytes: content.envelope)
        bodyStructure = ByteBuffer(bytes: content.bodyStructure)
        bodySummary = ByteBuffer(bytes: content.body)
    }

    var octets: Int {
        mimeIndex.readableBytes + envelope.readableBytes + bodyStructure.readableBytes + bodySummary.readableBytes
    }
}
