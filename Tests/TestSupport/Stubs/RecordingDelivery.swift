import Contracts
import Messaging
import NIOCore

/// A storage that remembers what it was asked, and answers as the test wishes.
package actor RecordingDelivery: Delivery {
    package struct Commit: Sendable {
        package var request: CommitRequest
        package var payload: [ByteBuffer]
        package var transaction: TransactionID
        package var idempotencyKey: TransactionID?

        package var prefix: String { payload.first.map { String(buffer: $0) } ?? "" }
    }

    package private(set) var commits: [Commit] = []
    package private(set) var successions: [Int] = []
    package private(set) var staged: [[UInt8]] = []
    private var outcomes: [Int64: CommitOutcome] = [:]
    private var failures: [MessagingError?] = []
    private var gate: CheckedContinuation<Void, Never>?
    private var isHeld = false

    package init() {}

    /// What storing for an account comes to; `done` unless said otherwise.
    package func set(_ outcome: CommitOutcome, for account: Int64) { outcomes[account] = outcome }

    /// The next commits fail so, in order; nil lets one pass.
    package func fail(_ failures: [MessagingError?]) { self.failures = failures }

    /// Commits wait until `release()`.
    package func hold() { isHeld = true }

    package func release() {
        isHeld = false
        gate?.resume()
        gate = nil
    }

    package func commit(_ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext) async throws
        -> CommitReply
    {
        commits.append(
            Commit(
                request: request, payload: payload, transaction: context.transaction,
                idempotencyKey: context.idempotencyKey))
        if isHeld { await withCheckedContinuation { gate = $0 } }
        if !failures.isEmpty, let failure = failures.removeFirst() { throw failure }
        return answer(request.dispositions + request.messages.flatMap(\.dispositions), firstUID: 1)
    }

    /// As if each had come alone; how many came together stands in `successions`.
    package func commitEach(
        _ request: CommitEachRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitEachReply {
        successions.append(request.commits.count)
        var octets = payload.first ?? ByteBuffer()
        var reply = CommitEachReply()
        for (position, commit) in request.commits.enumerated() {
            guard let header = octets.readSlice(length: Int(commit.content.headerOctets)),
                let body = octets.readSlice(length: Int(commit.content.bodyOctets)),
                let transaction = TransactionID(octets: commit.transactionID)
            else { throw MessagingError(.malformed) }
            let single = CommitRequest.with {
                $0.content = commit.content
                $0.dispositions = commit.dispositions
                $0.origin = request.origin
                $0.origin.ordinal = commit.ordinal
                $0.origin.receivedUptime = commit.receivedUptime
            }
            commits.append(
                Commit(
                    request: single, payload: [ByteBuffer(), header, body], transaction: transaction,
                    idempotencyKey: context.idempotencyKey))
            reply.replies.append(answer(commit.dispositions, firstUID: UInt32(position + 1)))
        }
        if !failures.isEmpty, let failure = failures.removeFirst() { throw failure }
        return reply
    }

    private func answer(_ dispositions: [Disposition], firstUID: UInt32) -> CommitReply {
        CommitReply.with { reply in
            reply.results = dispositions.enumerated().map { position, disposition in
                .with {
                    $0.outcome = disposition.hasStore ? outcomes[disposition.store.accountID] ?? .done : .done
                    $0.mailboxID = 7
                    $0.uidValidity = 11
                    $0.uid = firstUID + UInt32(position)
                }
            }
        }
    }

    package func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        staged.append([])
        let position = staged.count - 1
        for try await chunk in octets { staged[position] += Array(buffer: chunk) }
        return StageReply.with {
            $0.contentID = Int64(position + 100)
            $0.octets = Int64(staged[position].count)
        }
    }
}

extension Disposition {
    package var hasStore: Bool { if case .store = action { true } else { false } }
    package var hasEnqueue: Bool { if case .enqueue = action { true } else { false } }
}
