import Contracts
import Database
import Messaging
import NIOCore
import ServiceRuntime

/// The contract `Delivery`: makes dispositions durable.
struct DeliveryService: Delivery {
    let groupCommit: GroupCommit
    let commitTogether: CommitTogether
    let staging: Staging
    let settlements: Settlements
    /// For so long a receipt is kept when it is settled; a request that has been on its way for longer is refused.
    let receiptMemory: Duration

    /// A message up to this size comes inline in a commit.
    static let inlineOctets = 512 * 1024
    /// Most dispositions of one commit.
    static let dispositionLimit = 10_000
    /// Most messages that are committed together, and the most octets that come inline with them.
    static let messageLimit = 1000
    static let togetherOctets = 2 << 20

    func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply {
        guard request.messages.isEmpty else { return try await commitAll(request, payload, context) }
        guard !request.hasRemoval else { throw MessagingError(.malformed, "a removal without a message that comes") }
        guard !request.dispositions.isEmpty else { return CommitReply() }
        return try await answering {
            let message = CommittedMessage.with {
                $0.content = request.content
                $0.dispositions = request.dispositions
            }
            let commit = try await prepare(message, request.origin, payload, context, of: context.transaction)
            // What is judged by somebody's rights has a transaction of its own.
            guard !commit.dispositions.contains(where: { $0.userID != 0 }) else {
                return try await commitTogether.commit([commit], deadline: context.deadline)
            }
            return try await groupCommit.commit(commit, deadline: context.deadline)
        }
    }

    func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        try await answering {
            let (contentID, count) = try await staging.stage(octets, deadline: context.deadline)
            return StageReply.with {
                $0.contentID = contentID
                $0.octets = count
            }
        }
    }

    func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        try await answering { try await settlements.settle(request, deadline: context.deadline) }
    }

    func commitEach(
        _ request: CommitEachRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitEachReply {
        guard request.commits.count <= Self.messageLimit, payload.count <= 1 else {
            throw MessagingError(.malformed, "in succession go at most \(Self.messageLimit) messages, in one frame")
        }
        guard !request.commits.isEmpty else { return CommitEachReply() }
        return try await answering {
            var octets = payload.first ?? ByteBuffer()
            var commits: [PreparedCommit] = []
            commits.reserveCapacity(request.commits.count)
            for commit in request.commits {
                guard let transaction = TransactionID(octets: commit.transactionID), !commit.dispositions.isEmpty,
                    commit.content.stagedContentID == 0,
                    let header = Int(exactly: commit.content.headerOctets).flatMap({ octets.readSlice(length: $0) }),
                    let body = Int(exactly: commit.content.bodyOctets).flatMap({ octets.readSlice(length: $0) })
                else {
                    throw MessagingError(
                        .malformed, "each has a transaction of 16 octets, dispositions, and its octets in the frame")
                }
                var origin = request.origin
                origin.ordinal = commit.ordinal
                origin.receivedUptime = commit.receivedUptime
                let message = CommittedMessage.with {
                    $0.content = commit.content
                    $0.dispositions = commit.dispositions
                }
                let prepared = try await prepare(
                    message, origin, [ByteBuffer(), header, body], context, of: transaction)
                // Rights are judged in a transaction of their own.
                guard prepared.dispositions.allSatisfy({ $0.userID == 0 }) else {
                    throw MessagingError(.malformed, "in succession nothing goes to mailboxes of other accounts")
                }
                commits.append(prepared)
            }
            guard octets.readableBytes == 0 else { throw MessagingError(.malformed, "more payload than messages") }
            let replies = try await groupCommit.commit(each: commits, deadline: context.deadline)
            return CommitEachReply.with { $0.replies = replies }
        }
    }

    /// Several messages, all or none.
    private func commitAll(
        _ request: CommitRequest, _ payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply {
        guard request.dispositions.isEmpty, request.messages.count <= Self.messageLimit,
            payload.reduce(0, { $0 + $1.readableBytes }) <= Self.togetherOctets
        else {
            throw MessagingError(
                .malformed, "together go at most \(Self.messageLimit) messages, \(Self.togetherOctets) octets inline")
        }
        return try await answering {
            var commits: [PreparedCommit] = []
            var frames = payload[...]
            var dispositions = 0
            for message in request.messages {
                let own = frames.prefix(message.content.stagedContentID == 0 ? 3 : 1)
                frames = frames.dropFirst(own.count)
                commits.append(
                    try await prepare(
                        message, request.origin, Array(own), context, of: context.transaction,
                        firstDisposition: dispositions))
                dispositions += message.dispositions.count
            }
            guard frames.isEmpty else { throw MessagingError(.malformed, "more payload than messages") }
            guard dispositions > 0 else { return CommitReply() }
            let removal = request.hasRemoval ? try PreparedRemoval(request.removal, for: request.messages) : nil
            return try await commitTogether.commit(commits, removing: removal, deadline: context.deadline)
        }
    }

    private func prepare(
        _ request: CommittedMessage, _ how: Origin, _ payload: [ByteBuffer], _ context: CallContext,
        of transactionID: TransactionID, firstDisposition: Int = 0
    ) async throws -> PreparedCommit {
        guard let transaction = DatabaseUUID(octets: transactionID.octets),
            firstDisposition + request.dispositions.count <= Self.dispositionLimit
        else { throw MessagingError(.malformed, "a commit has at most \(Self.dispositionLimit) dispositions") }
        // A settled receipt goes after a while. Until then it tells a request that was held up on its way (in a process
        // that stood still, say) while a repetition of it was answered, that its work is done.
        let origin = PreparedOrigin(how)
        guard how.receivedAt == 0 || Moment.now.since(origin.received) < receiptMemory / 2 else {
            throw MessagingError(.deadlineExceeded, "the request has been on its way for too long")
        }
        let dispositions = try request.dispositions.enumerated().map { index, disposition in
            try PreparedDisposition(disposition, at: firstDisposition + index, of: transactionID)
        }
        let content = request.content
        let metadata = ContentMetadata(content)
        guard content.headerOctets >= 0, content.bodyOctets >= 0, content.headerOctets <= Int64(Int32.max) else {
            throw MessagingError(.malformed, "a content with a negative or too large length")
        }
        let prefix = payload.first ?? ByteBuffer()
        let (received, overflow) = content.headerOctets.addingReportingOverflow(content.bodyOctets)
        guard !overflow, received < Int64.max / 2 else { throw MessagingError(.malformed, "a content without end") }
        let size = Int64(prefix.readableBytes) + received
        if content.stagedContentID != 0 {
            let isThere = try await staging.complete(
                content.stagedContentID, prefix: prefix, headerOctets: content.headerOctets,
                bodyOctets: content.bodyOctets, metadata, deadline: context.deadline)
            guard isThere else {
                throw MessagingError(.malformed, "no content of that length was staged as \(content.stagedContentID)")
            }
            return PreparedCommit(
                transaction: transaction, origin: origin, content: nil, stagedContentID: content.stagedContentID,
                size: size, messageID: metadata.messageID, dispositions: dispositions,
                firstDisposition: firstDisposition)
        }
        guard payload.count == 3, payload[1].readableBytes == content.headerOctets,
            payload[2].readableBytes == content.bodyOctets, size <= Self.inlineOctets
        else {
            throw MessagingError(.malformed, "an inline commit has prefix, header and body of the lengths it names")
        }
        var header = payload[1]
        if prefix.readableBytes > 0 {
            header = ByteBuffer()
            header.reserveCapacity(prefix.readableBytes + payload[1].readableBytes)
            header.writeImmutableBuffer(prefix)
            header.writeImmutableBuffer(payload[1])
        }
        return PreparedCommit(
            transaction: transaction, origin: origin,
            content: .init(
                prefixOctets: Int32(prefix.readableBytes), headerOctets: Int32(content.headerOctets),
                bodyOctets: content.bodyOctets, header: header, body: payload[2], metadata: metadata),
            stagedContentID: nil, size: size, messageID: metadata.messageID, dispositions: dispositions,
            firstDisposition: firstDisposition)
    }
}
