import Contracts
import IMAPSyntax
import Messaging
import NIOCore

/// Reads octets of one mailbox's messages from storage.
struct MessageReader: Sendable {
    let store: any MailStore
    let accountID: Int64
    let mailboxID: Int64
    let transaction: TransactionID
    let timeout: Duration

    /// A range in one buffer; nil when the message is gone. For ranges that are known to be small.
    func read(uid: UInt32, _ range: Range<Int>) async throws -> ByteBuffer? {
        var whole = ByteBuffer()
        let found = try await stream(uid: uid, range) { chunk in
            if whole.readableBytes == 0 { whole = chunk } else { whole.writeImmutableBuffer(chunk) }
        }
        return found ? whole : nil
    }

    /// Gives a range piece by piece, exactly as many octets as it has; false when the message is gone. When storage
    /// goes away after the client has been `promised` the octets, the rest is asked for again as long as a call may take:
    /// an answer that has begun cannot be taken back.
    func stream(
        uid: UInt32, _ range: Range<Int>, promised: Bool = false, isolation: isolated (any Actor)? = #isolation,
        _ take: (ByteBuffer) async throws -> Void
    ) async throws -> Bool {
        var next = range.lowerBound
        var lastProgress = ContinuousClock.now
        while next < range.upperBound {
            let before = next
            do {
                guard try await streamOnce(uid: uid, &next, range.upperBound, take) else {
                    if next == range.lowerBound { return false }
                    throw MessagingError(.failed, "the message vanished while it was read")
                }
            } catch let error as MessagingError where error.isTemporary && error.code != .cancelled {
                if next > before { lastProgress = .now }
                if promised, lastProgress.duration(to: .now) < timeout {
                    try await Task.sleep(for: .milliseconds(100))
                    continue
                }
                throw error
            }
            lastProgress = .now
        }
        return true
    }

    /// Gives what storage keeps ready of messages, as far as they are still there: a request for each batch of them.
    func items(
        uids: [UInt32], _ choose: (inout FetchRequest) -> Void,
        isolation: isolated (any Actor)? = #isolation,
        _ take: (FetchItem, [ByteBuffer]) throws -> Void
    ) async throws {
        var start = 0
        while start < uids.count {
            try Task.checkCancellation()
            let batch = NumberSet(uids[start..<min(start + Self.itemBatch, uids.count)])
            start += Self.itemBatch
            var request = FetchRequest()
            request.accountID = accountID
            request.mailboxID = mailboxID
            request.uids = batch.ranges.flatMap { [$0.lowerBound, $0.upperBound] }
            choose(&request)
            let context = CallContext(transaction: transaction, timeout: timeout)
            for try await (item, payload) in try await store.fetch(request, context) { try take(item, payload) }
        }
    }

    /// Messages of one request for what storage keeps ready.
    private static var itemBatch: Int { 1024 }

    private func streamOnce(
        uid: UInt32, _ next: inout Int, _ end: Int, isolation: isolated (any Actor)? = #isolation,
        _ take: (ByteBuffer) async throws -> Void
    ) async throws -> Bool {
        var request = FetchOctetsRequest()
        request.accountID = accountID
        request.mailboxID = mailboxID
        request.uid = uid
        request.offset = Int64(next)
        request.length = Int64(end - next)
        let context = CallContext(transaction: transaction, timeout: .seconds(24 * 3600))
        var isFirst = true
        for try await (item, payload) in try await store.fetchOctets(request, context) {
            if isFirst, !item.found { return false }
            isFirst = false
            for frame in payload where frame.readableBytes > 0 {
                let wanted = min(frame.readableBytes, end - next)
                guard wanted > 0, let piece = frame.getSlice(at: frame.readerIndex, length: wanted) else { return true }
                next += wanted
                try await take(piece)
            }
        }
        guard next == end else { throw MessagingError(.failed, "storage gave too few octets of a message") }
        return true
    }
}
