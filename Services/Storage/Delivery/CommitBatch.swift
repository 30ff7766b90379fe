import Contracts
import Database
import Messaging
import NIOCore

/// One message to commit, checked and in the form of the database.
struct PreparedCommit: Sendable {
    let transaction: DatabaseUUID
    /// Nil when the content was staged and its row is complete.
    let content: Content?
    /// The staged content, or nil until a batch gives the new one its id.
    let stagedContentID: Int64?
    /// Octets of the stored message: what each mailbox and each quota counts.
    let size: Int64
    let dispositions: [PreparedDisposition]

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
            + dispositions.count * 128
    }
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

enum PreparedDisposition: Sendable {
    case store(accountID: Int64, mailbox: String, fallsBack: Bool, flags: Flags, internalDate: Timestamp)
    case enqueue(reversePath: String, forwardPath: String, domain: String, smtputf8: Bool, binaryMIME: Bool)
}

/// Several messages as the columns that the statements of a group commit take, and the way back from the rows that
/// they return to one reply for each message.
struct CommitBatch: Sendable {
    let commands: [Command]
    private let commits: [PreparedCommit]
    /// Where the rows of `CommitStatements.store` stand among the results; nil when nothing is to be stored.
    private let storeResult: Int?

    /// The batch; each message without staged content takes the next of `contentIDs`.
    init(_ commits: [PreparedCommit], contentIDs: [Int64]) {
        self.commits = commits
        var contents = ContentColumns()
        var stores = StoreColumns()
        var entries = QueueColumns()
        var unused = contentIDs[...]
        for commit in commits {
            let contentID: Int64
            if let staged = commit.stagedContentID {
                contentID = staged
            } else if let content = commit.content, let next = unused.popFirst() {
                contentID = next
                contents.append(next, content)
            } else {
                continue
            }
            for (index, disposition) in commit.dispositions.enumerated() {
                let place = (commit.transaction, Int16(clamping: index), contentID)
                switch disposition {
                case .store(let accountID, let mailbox, let fallsBack, let flags, let internalDate):
                    stores.append(place, accountID, mailbox, fallsBack, flags, internalDate, commit.size)
                case .enqueue(let reversePath, let forwardPath, let domain, let smtputf8, let binaryMIME):
                    entries.append(place, reversePath, forwardPath, domain, smtputf8, binaryMIME)
                }
            }
        }
        var commands: [Command] = []
        if !contents.identifiers.isEmpty { commands.append(contents.command) }
        if !entries.contentIDs.isEmpty { commands.append(entries.command) }
        if stores.accountIDs.isEmpty {
            storeResult = nil
        } else {
            commands.append(CommitStatements.lockAccounts(Array(Set(stores.accountIDs))))
            if let keywords = stores.keywordCommand { commands.append(keywords) }
            storeResult = commands.count
            commands.append(stores.command)
        }
        self.commands = commands
    }

    /// One reply for each message, and the changes to announce.
    func replies(_ results: [Rows]) throws(DatabaseError) -> ([CommitReply], [MailboxChanged]) {
        var rows = (storeResult.map { Array(results[$0]) } ?? [])[...]
        var changes: [MailboxKey: Int64] = [:]
        var replies: [CommitReply] = []
        replies.reserveCapacity(commits.count)
        for commit in commits {
            var reply = CommitReply()
            for disposition in commit.dispositions {
                var result = CommitReply.Result()
                switch disposition {
                case .enqueue:
                    result.outcome = .done
                case .store:
                    guard let row = rows.popFirst() else {
                        throw DatabaseError(.badResult, "fewer results than messages")
                    }
                    let (accountID, outcome, mailboxID, uidValidity, uid, modseq) = try row.decode(
                        Int64.self, Int.self, Int64?.self, Int64?.self, Int64?.self, Int64?.self)
                    result.outcome = CommitOutcome(rawValue: outcome) ?? .unspecified
                    if let mailboxID, let uidValidity, let uid, let modseq {
                        result.mailboxID = mailboxID
                        result.uidValidity = UInt32(clamping: uidValidity)
                        result.uid = UInt32(clamping: uid)
                        result.modseq = UInt64(clamping: modseq)
                        let key = MailboxKey(accountID: accountID, mailboxID: mailboxID)
                        changes[key] = max(changes[key] ?? 0, modseq)
                    }
                }
                reply.results.append(result)
            }
            replies.append(reply)
        }
        return (replies, changes.map { MailboxChanged($0.key, modseq: $0.value) })
    }
}

/// One mailbox of one account.
struct MailboxKey: Sendable, Hashable {
    let accountID: Int64
    let mailboxID: Int64
}

extension MailboxChanged {
    init(_ key: MailboxKey, modseq: Int64, hierarchy: Bool = false) {
        self.init()
        accountID = key.accountID
        mailboxID = key.mailboxID
        highestModseq = UInt64(clamping: modseq)
        self.hierarchy = hierarchy
    }
}

private struct ContentColumns {
    var identifiers: [Int64] = []
    var contents: [PreparedCommit.Content] = []

    mutating func append(_ identifier: Int64, _ content: PreparedCommit.Content) {
        identifiers.append(identifier)
        contents.append(content)
    }

    var command: Command {
        CommitStatements.insertContents(
            identifiers, contents.map { $0.prefixOctets }, contents.map { $0.headerOctets },
            contents.map { $0.bodyOctets }, contents.map { $0.metadata.sentAt }, contents.map { $0.metadata.digest },
            contents.map { $0.metadata.messageID }, contents.map { $0.metadata.mimeIndex },
            contents.map { $0.metadata.envelope }, contents.map { $0.metadata.bodyStructure },
            contents.map { $0.metadata.bodySummary }, contents.map { $0.header }, contents.map { $0.body })
    }
}

private struct StoreColumns {
    var accountIDs: [Int64] = []
    var transactions: [DatabaseUUID] = []
    var dispositions: [Int16] = []
    var contentIDs: [Int64] = []
    var mailboxes: [String] = []
    var fallBacks: [Bool] = []
    var flags: [Flags] = []
    var internalDates: [Timestamp] = []
    var sizes: [Int64] = []

    mutating func append(
        _ place: (DatabaseUUID, Int16, Int64), _ accountID: Int64, _ mailbox: String, _ fallsBack: Bool,
        _ flags: Flags, _ internalDate: Timestamp, _ size: Int64
    ) {
        transactions.append(place.0)
        dispositions.append(place.1)
        contentIDs.append(place.2)
        accountIDs.append(accountID)
        mailboxes.append(mailbox)
        fallBacks.append(fallsBack)
        self.flags.append(flags)
        internalDates.append(internalDate)
        sizes.append(size)
    }

    var command: Command {
        CommitStatements.store(
            accountIDs, transactions, dispositions, contentIDs, mailboxes, fallBacks, flags.map { $0.bits },
            flags.map { $0.keywordList }, internalDates, sizes)
    }

    var keywordCommand: Command? {
        let places = flags.indices.filter { !flags[$0].keywords.isEmpty }
        guard !places.isEmpty else { return nil }
        return CommitStatements.addKeywords(
            places.map { accountIDs[$0] }, places.map { mailboxes[$0] }, places.map { fallBacks[$0] },
            places.map { flags[$0].keywordList }, Int32(Flags.keywordLimit))
    }
}

private struct QueueColumns {
    var transactions: [DatabaseUUID] = []
    var dispositions: [Int16] = []
    var contentIDs: [Int64] = []
    var reversePaths: [String] = []
    var forwardPaths: [String] = []
    var domains: [String] = []
    var smtputf8: [Bool] = []
    var binaryMIME: [Bool] = []

    mutating func append(
        _ place: (DatabaseUUID, Int16, Int64), _ reversePath: String, _ forwardPath: String, _ domain: String,
        _ smtputf8: Bool, _ binaryMIME: Bool
    ) {
        transactions.append(place.0)
        dispositions.append(place.1)
        contentIDs.append(place.2)
        reversePaths.append(reversePath)
        forwardPaths.append(forwardPath)
        domains.append(domain)
        self.smtputf8.append(smtputf8)
        self.binaryMIME.append(binaryMIME)
    }

    var command: Command {
        CommitStatements.enqueue(
            transactions, dispositions, contentIDs, reversePaths, forwardPaths, domains, smtputf8, binaryMIME)
    }
}
