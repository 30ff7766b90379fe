import Contracts
import IMAPSyntax
import Messaging
import NIOCore

/// Reads octets of one mailbox's messages from storage.
///
/// What has begun to give something is gone on with when storage goes away and comes back, be it killed or restarted: see
/// `Perseverance`. Nothing is given twice.
struct MessageReader: Sendable {
    let store: any MailStore
    let cache: MessageCache
    let accountID: Int64
    let mailboxID: Int64
    let transaction: TransactionID
    let timeout: Duration
    /// Whether its command has given something already.
    var hasBegun = false

    /// A range in one buffer; nil when the message is gone. For ranges that are known to be small.
    func read(uid: UInt32, _ range: Range<Int>) async throws -> ByteBuffer? {
        var whole = ByteBuffer()
        let found = try await stream(uid: uid, range) { chunk in
            if whole.readableBytes == 0 { whole = chunk } else { whole.writeImmutableBuffer(chunk) }
        }
        return found ? whole : nil
    }

    /// Octets that came with the message, else read by themselves; nil when the message is gone.
    func octets(_ range: Range<Int>, of message: FetchedMessage) async throws -> ByteBuffer? {
        if let octets = message.octets(range) { return octets }
        return try await read(uid: message.uid, range)
    }

    /// Gives a range piece by piece, exactly as many octets as it has; false when the message is gone. When storage
    /// goes away after the client has been `promised` the octets, the rest is asked for again as long as a call may take:
    /// an answer that has begun cannot be taken back.
    func stream(
        uid: UInt32, _ range: Range<Int>, promised: Bool = false, isolation: isolated (any Actor)? = #isolation,
        _ take: (ByteBuffer) async throws -> Void
    ) async throws -> Bool {
        var next = range.lowerBound
        var perseverance = Perseverance(hasBegun: promised, limit: timeout)
        while next < range.upperBound {
            let before = next
            do {
                guard try await streamOnce(uid: uid, &next, range.upperBound, take) else {
                    if next == range.lowerBound { return false }
                    throw MessagingError(.failed, "the message vanished while it was read")
                }
            } catch let error as MessagingError where promised {
                try await perseverance.pause(after: error, progressed: next > before)
            }
        }
        return true
    }

    /// Gives messages in ascending uid order with what is chosen of them, as far as they are still there. What is known
    /// here already is not asked for; what is read is kept unless it is read in passing only.
    func messages(
        uids: [UInt32], patience: Duration? = nil, inPassing: Bool = false, _ choose: (inout FetchRequest) -> Void,
        isolation: isolated (any Actor)? = #isolation, _ take: (FetchedMessage) async throws -> Void
    ) async throws {
        var request = FetchRequest()
        request.accountID = accountID
        request.mailboxID = mailboxID
        choose(&request)
        var perseverance = Perseverance(hasBegun: hasBegun, limit: timeout)
        var missing: [UInt32] = []
        let kinds = request.kinds
        var room = inPassing ? 0 : cache.commandRoom
        for start in stride(from: 0, to: uids.count, by: Self.batchCount) {
            let batch = uids[start..<min(start + Self.batchCount, uids.count)]
            let known = cache.messages(batch, in: mailboxID, request)
            if known == nil { missing += batch }
            if !missing.isEmpty, known != nil || missing.count >= Self.requestCount {
                try await ask(missing, request, patience, &room, &perseverance, take)
                missing.removeAll()
            }
            for kept in known ?? [] {
                room -= kept.cost(of: kinds)
                try await persevering(kept.message(for: request), &perseverance, take)
                perseverance.hasBegun = true
            }
        }
        if !missing.isEmpty { try await ask(missing, request, patience, &room, &perseverance, take) }
    }

    /// Does with a value what asks storage, again and again while that is away, if the reader has begun.
    func persevering<Value: Sendable>(
        _ value: Value, isolation: isolated (any Actor)? = #isolation, _ body: (Value) async throws -> Void
    ) async throws {
        var perseverance = Perseverance(hasBegun: hasBegun, limit: timeout)
        try await persevering(value, &perseverance, body)
    }

    /// The value is handed through: a closure around `body` would not be isolated as the caller is, and change threads.
    private func persevering<Value: Sendable>(
        _ value: Value, _ perseverance: inout Perseverance, isolation: isolated (any Actor)? = #isolation,
        _ body: (Value) async throws -> Void
    ) async throws {
        var hasFailed = false
        while true {
            do {
                return try await body(value)
            } catch let error as MessagingError {
                // Not at its beginning: the clock is not looked at for each message.
                if !hasFailed { perseverance.progressed() }
                hasFailed = true
                try await perseverance.pause(after: error)
            }
        }
    }

    /// Messages that are looked up together.
    private static var batchCount: Int { 256 }
    /// Messages of one request, whose deadline holds for all of them.
    private static var requestCount: Int { 8192 }

    private func ask(
        _ uids: [UInt32], _ request: FetchRequest, _ patience: Duration?, _ room: inout Int,
        _ perseverance: inout Perseverance, isolation: isolated (any Actor)? = #isolation,
        _ take: (FetchedMessage) async throws -> Void
    ) async throws {
        var request = request
        // What was taken last; what is behind it is asked for again.
        var last: UInt32 = 0
        perseverance.progressed()
        while true {
            let before = last
            request.uids = NumberSet(last == 0 ? uids : uids.filter { $0 > last }).pairs
            if request.uids.isEmpty { return }
            let context = CallContext(transaction: transaction, timeout: patience ?? timeout)
            do {
                for try await (page, payload) in try await store.fetch(request, context) {
                    try Task.checkCancellation()
                    let messages = try page.messages(payload)
                    cache.keep(messages, in: mailboxID, request, &room)
                    for message in messages {
                        try await take(message)
                        last = message.uid
                    }
                }
                perseverance.hasBegun = perseverance.hasBegun || last > 0
                return
            } catch let error as MessagingError {
                // The stream is let go of before the pause: a replica that leaves waits for its end.
                try await perseverance.pause(after: error, progressed: last > before)
            }
        }
    }

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

/// How long something that has begun waits for storage to come back. What gave nothing yet fails at once: its command is
/// refused, and comes again.
private struct Perseverance {
    var hasBegun: Bool
    /// Without progress.
    let limit: Duration
    private var lastProgress = ContinuousClock.now

    /// Between two tries.
    private static var pause: Duration { .milliseconds(100) }

    init(hasBegun: Bool, limit: Duration) {
        self.hasBegun = hasBegun
        self.limit = limit
    }

    mutating func progressed() { lastProgress = .now }

    /// Returns when it may be tried again; throws the failure when it may not.
    mutating func pause(
        after failure: MessagingError, progressed: Bool = false, isolation: isolated (any Actor)? = #isolation
    ) async throws {
        if progressed {
            hasBegun = true
            lastProgress = .now
        }
        guard failure.isTemporary, failure.code != .cancelled, hasBegun,
            lastProgress.duration(to: .now) < limit
        else { throw failure }
        try await Task.sleep(for: Self.pause)
    }
}
