import Contracts
import Database
import Messaging
import NIOCore

/// The contract `Delivery`: makes dispositions durable.
struct DeliveryService: Delivery {
    let groupCommit: GroupCommit
    let staging: Staging

    /// A message up to this size comes inline in a commit.
    static let inlineOctets = 512 * 1024
    /// Most dispositions of one commit.
    static let dispositionLimit = 10_000

    func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply {
        guard !request.dispositions.isEmpty else { return CommitReply() }
        return try await answering {
            let commit = try await prepare(request, payload, context)
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

    private func prepare(
        _ request: CommitRequest, _ payload: [ByteBuffer], _ context: CallContext
    ) async throws -> PreparedCommit {
        guard let transaction = DatabaseUUID(octets: context.transaction.octets),
            request.dispositions.count <= Self.dispositionLimit
        else { throw MessagingError(.malformed, "a commit has at most \(Self.dispositionLimit) dispositions") }
        let dispositions = try request.dispositions.map(Self.prepare)
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
                transaction: transaction, content: nil, stagedContentID: content.stagedContentID, size: size,
                dispositions: dispositions)
        }
        guard payload.count == 3, payload[1].readableBytes == content.headerOctets,
            payload[2].readableBytes == content.bodyOctets, size <= Self.inlineOctets
        else {
            throw MessagingError(.malformed, "an inline commit has prefix, header and body of the lengths it names")
        }
        var header = ByteBuffer()
        header.reserveCapacity(prefix.readableBytes + payload[1].readableBytes)
        header.writeImmutableBuffer(prefix)
        header.writeImmutableBuffer(payload[1])
        return PreparedCommit(
            transaction: transaction,
            content: .init(
                prefixOctets: Int32(prefix.readableBytes), headerOctets: Int32(content.headerOctets),
                bodyOctets: content.bodyOctets, header: header, body: payload[2], metadata: metadata),
            stagedContentID: nil, size: size, dispositions: dispositions)
    }

    private static func prepare(_ disposition: Disposition) throws -> PreparedDisposition {
        switch disposition.action {
        case .store(let store):
            return .store(
                accountID: store.accountID,
                mailbox: store.mailboxName.isEmpty ? MailboxName.inbox : MailboxName.canonical(store.mailboxName),
                fallsBack: store.fallBackToInbox, flags: try Flags(names: store.flags),
                internalDate: Timestamp(microseconds: store.internalDate))
        case .enqueue(let enqueue):
            let domain = enqueue.forwardPath.split(separator: "@").last.map { $0.lowercased() } ?? ""
            return .enqueue(
                reversePath: enqueue.reversePath, forwardPath: enqueue.forwardPath, domain: domain,
                smtputf8: enqueue.smtputf8, binaryMIME: enqueue.binaryMime)
        case nil:
            throw MessagingError(.malformed, "a disposition without an action")
        }
    }
}
