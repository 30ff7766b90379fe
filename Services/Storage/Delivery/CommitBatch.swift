import Contracts
import Database
import NIOCore
import ServiceRuntime

/// Several messages as the columns that the statements of a group commit take, and the way back from the rows that
/// they return to one reply for each message.
struct CommitBatch: Sendable {
    let commands: [Command]
    private let commits: [PreparedCommit]
    /// The dispositions in the order of the statement.
    private let places: [Place]

    /// One disposition of one message.
    private struct Place: Sendable {
        let commit: Int
        let disposition: Int
        let contentID: Int64
    }

    /// The batch; each message without staged content takes the next of `contentIDs`. No two messages of a batch may be
    /// the same delivery: `CommitRounds` sees to it.
    init(_ commits: [PreparedCommit], contentIDs: [Int64]) {
        self.commits = commits
        var contents = ContentColumns()
        var places: [Place] = []
        var unused = contentIDs[...]
        for (index, commit) in commits.enumerated() {
            let contentID: Int64
            if let staged = commit.stagedContentID {
                contentID = staged
            } else if let content = commit.content, let next = unused.popFirst() {
                contentID = next
                contents.append(next, content)
            } else {
                continue
            }
            for disposition in commit.dispositions.indices {
                places.append(Place(commit: index, disposition: disposition, contentID: contentID))
            }
        }
        // Those of one account together, and within it those of one mailbox; else in the order in which they came.
        if places.count > 1 {
            let keys = places.map { commits[$0.commit].dispositions[$0.disposition] }
            places = places.indices.sorted { left, right in
                let (one, other) = (keys[left], keys[right])
                if one.accountID != other.accountID { return one.accountID < other.accountID }
                let (oneBox, otherBox) = (one.mailbox ?? "", other.mailbox ?? "")
                if oneBox != otherBox { return oneBox < otherBox }
                if one.fallsBack != other.fallsBack { return other.fallsBack }
                return left < right
            }.map { places[$0] }
        }
        self.places = places
        var commands: [Command] = []
        commands += contents.commands
        commands.append(Self.command(commits, places))
        self.commands = commands
    }

    private static func command(_ commits: [PreparedCommit], _ places: [Place]) -> Command {
        var columns = DispositionColumns(count: places.count)
        for place in places {
            let commit = commits[place.commit]
            columns.append(
                commit, commit.dispositions[place.disposition], index: commit.firstDisposition + place.disposition,
                contentID: place.contentID)
        }
        return columns.command
    }

    /// What became of a message.
    struct Outcome: Sendable {
        var reply: CommitReply
        /// A receipt of another connection may stand for one of its dispositions, which was therefore not done.
        var isInDoubt = false
    }

    /// One outcome for each message, and the changes to announce.
    func outcomes(_ results: [Rows]) throws(DatabaseError) -> (outcomes: [Outcome], changes: [MailboxChanged]) {
        var outcomes = commits.map { commit in
            var reply = CommitReply()
            reply.results = Array(repeating: CommitReply.Result(), count: commit.dispositions.count)
            return Outcome(reply: reply)
        }
        guard let rows = results.last, rows.count == places.count else {
            throw DatabaseError(.badResult, "\(results.last?.count ?? 0) results for \(places.count) dispositions")
        }
        var changes: [MailboxKey: Int64] = [:]
        for row in rows {
            let (position, outcome, mailboxID, uidValidity, uid, modseq, copyID) = try row.decode(
                Int.self, Int.self, Int64?.self, Int64?.self, Int64?.self, Int64?.self, DatabaseUUID?.self)
            guard places.indices.contains(position - 1) else {
                throw DatabaseError(.badResult, "a result for a disposition that was not asked for")
            }
            let place = places[position - 1]
            let disposition = commits[place.commit].dispositions[place.disposition]
            var result = CommitReply.Result()
            if outcome == Self.inDoubt {
                outcomes[place.commit].isInDoubt = true
            } else {
                result.outcome = CommitOutcome(rawValue: outcome) ?? .unspecified
            }
            if let mailboxID, let uidValidity, let uid, let modseq {
                result.mailboxID = mailboxID
                result.uidValidity = UInt32(clamping: uidValidity)
                result.uid = UInt32(clamping: uid)
                result.modseq = UInt64(clamping: modseq)
                let key = MailboxKey(accountID: disposition.accountID, mailboxID: mailboxID)
                changes[key] = max(changes[key] ?? 0, modseq)
            }
            if result.outcome == .done {
                let transaction = commits[place.commit].transaction
                result.receipt.accountID = disposition.accountID
                result.receipt.fingerprints = disposition.fingerprints.map { .init($0.readableBytesView) }
                result.receipt.transactionID = .init(transaction.octets)
                result.copyID = .init((copyID ?? transaction).octets)
            }
            outcomes[place.commit].reply.results[place.disposition] = result
        }
        return (outcomes, changes.map { MailboxChanged($0.key, modseq: $0.value) })
    }

    /// The function's own word for a disposition that was left undone for now.
    private static let inDoubt = 6
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
    private var identifiers: [Int64] = []
    private var contents: [PreparedCommit.Content] = []
    private var large: [Command] = []

    /// A body from this size on goes in a statement of its own.
    private static let largeOctets = 16 * 1024

    mutating func append(_ identifier: Int64, _ content: PreparedCommit.Content) {
        guard content.body.readableBytes < Self.largeOctets else {
            large.append(
                CommitStatements.insertLargeContent(
                    identifier, content.prefixOctets, content.headerOctets, content.bodyOctets,
                    content.metadata.sentAt, content.metadata.digest, content.metadata.messageID,
                    content.metadata.mimeIndex, content.metadata.envelope, content.metadata.bodyStructure,
                    content.metadata.bodySummary, content.header, content.body))
            return
        }
        identifiers.append(identifier)
        contents.append(content)
    }

    var commands: [Command] { identifiers.isEmpty ? large : [command] + large }

    private var command: Command {
        // One by one: each is encoded by code that is specialised for its type.
        var parameters = Parameters()
        parameters.append(identifiers)
        parameters.append(contents.map { $0.prefixOctets })
        parameters.append(contents.map { $0.headerOctets })
        parameters.append(contents.map { $0.bodyOctets })
        parameters.append(contents.map { $0.metadata.sentAt })
        parameters.append(contents.map { $0.metadata.digest })
        parameters.append(contents.map { $0.metadata.messageID })
        parameters.append(contents.map { $0.metadata.mimeIndex })
        parameters.append(contents.map { $0.metadata.envelope })
        parameters.append(contents.map { $0.metadata.bodyStructure })
        parameters.append(contents.map { $0.metadata.bodySummary })
        parameters.append(contents.map { $0.header })
        parameters.append(contents.map { $0.body })
        return CommitStatements.insertContents.with(parameters)
    }
}

private struct DispositionColumns {
    private var accountIDs: [Int64] = []
    private var fingerprints: [ByteBuffer] = []
    private var otherFingerprints: [ByteBuffer] = []
    private var transactions: [DatabaseUUID] = []
    private var connections: [DatabaseUUID?] = []
    private var ordinals: [Int32] = []
    private var began: [Moment] = []
    private var received: [Moment] = []
    private var denied: [ByteBuffer] = []
    private var absorbs: [Bool] = []
    private var dispositions: [Int16] = []
    private var contentIDs: [Int64] = []
    private var sizes: [Int64] = []
    private var mailboxes: [String?] = []
    private var fallBacks: [Bool] = []
    private var flags: [Int64] = []
    private var keywords: [String] = []
    private var internalDates: [Timestamp?] = []
    private var domains: [String?] = []
    private var smtputf8: [Bool] = []
    private var binaryMIME: [Bool] = []
    private var entrances: [Int16] = []
    private var clients: [String] = []
    private var identities: [String?] = []
    private var reversePaths: [String] = []
    private var forwardPaths: [String] = []
    private var messageIDs: [String] = []

    init(count: Int) {
        accountIDs.reserveCapacity(count)
        fingerprints.reserveCapacity(count)
        transactions.reserveCapacity(count)
    }

    mutating func append(
        _ commit: PreparedCommit, _ disposition: PreparedDisposition, index: Int, contentID: Int64
    ) {
        accountIDs.append(disposition.accountID)
        fingerprints.append(disposition.fingerprints[0])
        otherFingerprints.append(
            disposition.fingerprints.dropFirst().reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) })
        transactions.append(commit.transaction)
        connections.append(commit.origin.connection)
        ordinals.append(commit.origin.ordinal)
        began.append(commit.origin.began)
        received.append(commit.origin.received)
        denied.append(commit.origin.denied)
        absorbs.append(commit.absorbsRepetitions)
        dispositions.append(Int16(clamping: index))
        contentIDs.append(contentID)
        sizes.append(commit.size)
        entrances.append(commit.origin.entrance)
        clients.append(commit.origin.clientAddress)
        identities.append(commit.origin.identity)
        forwardPaths.append(disposition.forwardPath)
        messageIDs.append(commit.messageID)
        switch disposition.action {
        case .store(let mailbox, let fallsBack, let flags, let internalDate):
            mailboxes.append(mailbox)
            fallBacks.append(fallsBack)
            self.flags.append(flags.bits)
            keywords.append(flags.keywordList)
            internalDates.append(internalDate)
            domains.append(nil)
            smtputf8.append(false)
            binaryMIME.append(false)
            reversePaths.append(commit.origin.reversePath)
        case .enqueue(let reversePath, let domain, let needsUTF8, let isBinary):
            mailboxes.append(nil)
            fallBacks.append(false)
            flags.append(0)
            keywords.append("")
            internalDates.append(nil)
            domains.append(domain)
            smtputf8.append(needsUTF8)
            binaryMIME.append(isBinary)
            reversePaths.append(reversePath)
        }
    }

    var command: Command {
        var parameters = Parameters()
        parameters.append(accountIDs)
        parameters.append(fingerprints)
        parameters.append(otherFingerprints)
        parameters.append(transactions)
        parameters.append(connections)
        parameters.append(ordinals)
        parameters.append(began.map { $0.wallClock })
        parameters.append(received.map { $0.wallClock })
        parameters.append(denied)
        parameters.append(absorbs)
        parameters.append(dispositions)
        parameters.append(contentIDs)
        parameters.append(sizes)
        parameters.append(mailboxes)
        parameters.append(fallBacks)
        parameters.append(flags)
        parameters.append(keywords)
        parameters.append(internalDates)
        parameters.append(domains)
        parameters.append(smtputf8)
        parameters.append(binaryMIME)
        parameters.append(entrances)
        parameters.append(clients)
        parameters.append(identities)
        parameters.append(reversePaths)
        parameters.append(forwardPaths)
        parameters.append(messageIDs)
        parameters.append(began.map { Int64(bitPattern: $0.machine) })
        parameters.append(began.map { $0.uptime })
        parameters.append(received.map { $0.uptime })
        return CommitStatements.commit.with(parameters)
    }
}
