import Contracts
import Foundation
import Messaging
import NIOCore
import Synchronization

/// Storage and content processing in memory, faithful to the contracts: what a change does to uids, modseqs, counts and
/// history is what MailStore.proto says. Faults can be switched on.
package final class MemoryStore: MailStore, Acceptance, Delivery, Sendable {
    package struct State {
        package var mailboxes: [MemoryMailbox] = []
        package var subscribedWithoutMailbox: [Int64: Set<String>] = [:]
        /// Who has mailboxes here.
        package var accounts = MemoryStore.accounts
        package var nextMailbox: Int64 = 1
        package var nextValidity: UInt32 = 1000
        package var lastContent: Int64 = 0
        /// The store's clock, microseconds since 1970: noon of 10 January 2024 until a test moves it.
        package var now: Int64 = 1_704_888_000_000_000
        /// Thrown by every call while it is set.
        package var fault: MessagingError?
        /// Thrown by the calls of these names.
        package var faults: [String: MessagingError] = [:]
        /// Octets that fetchOctets gives before it fails once.
        package var failAfterOctets: Int?
        /// Reads of messages, calls and pages and pieces of them, before storage is away for `readsThatFail` more; nil for
        /// never.
        package var readsBeforeOutage: Int?
        package var readsThatFail = 0
        /// The largest message that was taken; beyond it OVERQUOTA.
        package var quota = Int.max
        /// What is noted of the account itself.
        package var annotations: [String: [UInt8]] = [:]
        /// What is said to be allowed; 0 for no limit.
        package var octetsLimit: Int64 = 0
        package var messagesLimit: Int64 = 0
        package var calls: [String: Int] = [:]
        /// From where on the last caller of `view` knew nothing.
        package var lastChangedSince: UInt64 = 0
        package var octetsInFlight = 0
        /// By mailbox; how many there ever were tells one key from another.
        package var urlKeys: [Int64: UInt8] = [:]
        package var lastURLKey: UInt8 = 0
        package var abandonedUploads = 0
        /// Who appended, one message after another.
        package var appendClients: [ClientConnection] = []
        /// The most messages, and octets, that were appended one behind the other with one call.
        package var longestSuccession = 0
        package var largestSuccession = 0
        /// The connections that messages were appended by, and which of their receipts are settled; that may be told twice.
        package var connections: Set<Data> = []
        package var settledReceipts: Set<ReceiptKey> = []
    }

    package let state = Mutex(State())
    /// Copies that wait until they are let go; nil while none has to.
    let held = Mutex<[CheckedContinuation<Void, Never>]?>(nil)
    /// What messages that are appended one behind the other with one call wait for, once they have all come.
    package let beforeAppending = Mutex<(@Sendable () async throws -> Void)?>(nil)
    /// Told of each change, after it.
    package let changed = Mutex<(@Sendable (MailboxChanged) -> Void)?>(nil)
    package static let accountID: Int64 = 7
    package static let prefix = Array("Received: by martlet.test; Mon, 1 Jan 2024 00:00:00 +0000\r\n".utf8)

    package init() {
        for (name, use) in [("INBOX", ""), ("Sent", "\\Sent"), ("Trash", "\\Trash")] {
            _ = state.withLock { $0.make(name, use) }
        }
    }

    // MARK: For tests

    /// Stores a message directly, as a delivery does.
    @discardableResult
    package func deliver(
        _ text: String, to name: String = "INBOX", flags: [String] = [], date: Int64 = 1_704_067_200_000_000
    )
        -> UInt32
    {
        let message = MemoryMessage.parse(Array(text.utf8), prefix: Self.prefix)
        let (uid, change) = state.withLock { state -> (UInt32, MailboxChanged?) in
            guard let index = state.index(of: name) else { return (0, nil) }
            var stored = message
            stored.date = date
            stored.flags = state.mailboxes[index].bits(of: flags) ?? 0
            stored.contentID = state.newContent()
            return (state.mailboxes[index].add(stored, at: state.now), state.change(index))
        }
        publish(change)
        return uid
    }

    package func messages(in name: String = "INBOX") -> [MemoryMessage] {
        state.withLock { state in state.index(of: name).map { state.mailboxes[$0].messages } ?? [] }
    }

    /// Lets a day pass.
    package func passDay() { state.withLock { $0.now += 86_400_000_000 } }

    /// Makes all messages ones from before it was kept when they were saved.
    package func forgetSaveDates() {
        state.withLock { state in
            for index in state.mailboxes.indices {
                for position in state.mailboxes[index].messages.indices {
                    state.mailboxes[index].messages[position].savedAt = 0
                }
            }
        }
    }

    package func setFault(_ fault: MessagingError?) { state.withLock { $0.fault = fault } }

    package func calls(_ name: String) -> Int { state.withLock { $0.calls[name] ?? 0 } }

    func publish(_ change: MailboxChanged?) {
        guard let change, let changed = changed.withLock({ $0 }) else { return }
        changed(change)
    }

    /// A read of messages begins or goes on; throws while storage is away.
    func read() throws {
        try state.withLock { state in
            guard let left = state.readsBeforeOutage else { return }
            if left > 0 {
                state.readsBeforeOutage = left - 1
            } else if state.readsThatFail > 0 {
                state.readsThatFail -= 1
                throw MessagingError(.unavailable, "storage is away")
            } else {
                state.readsBeforeOutage = nil
            }
        }
    }

    /// Runs a call: counts it, fails it while a fault is on, publishes what it changed.
    func call<Reply>(_ name: String, _ body: (inout State) throws -> (Reply, MailboxChanged?)) throws -> Reply {
        let (reply, change) = try state.withLock { state in
            state.calls[name, default: 0] += 1
            if let fault = state.fault ?? state.faults[name] { throw fault }
            return try body(&state)
        }
        publish(change)
        return reply
    }

    // MARK: MailStore

    package func view(_ request: ViewRequest, _ context: CallContext) async throws -> ReplyStream<ViewItem> {
        try call("view") { state in
            state.lastChangedSince = request.changedSince
            let index: Int? =
                switch request.which {
                case .mailboxID(let id): state.index(id: id, in: request.accountID)
                case .mailboxName(let name): state.index(of: name, in: request.accountID)
                case nil: nil
                }
            var item = ViewItem()
            guard let index else {
                item.outcome = .noSuchMailbox
                return (ReplyStream(item), nil)
            }
            let mailbox = state.mailboxes[index]
            item.outcome = .done
            item.mailbox = mailbox.described(deletedOctets: request.deletedOctets)
            let rows = mailbox.messages.filter { !request.vanishedOnly && $0.modseq > request.changedSince }
            item.count = UInt32(rows.count)
            if request.changedSince > 0 {
                item.vanished = mailbox.vanished.filter { $0.modseq > request.changedSince }.flatMap {
                    [$0.uid, $0.uid]
                }
            }
            var frames = [ByteBuffer](repeating: ByteBuffer(), count: 5)
            for row in rows {
                frames[0].writeInteger(row.uid, endianness: .little)
                frames[1].writeInteger(row.flags, endianness: .little)
                frames[2].writeInteger(row.modseq, endianness: .little)
                frames[3].writeInteger(row.date, endianness: .little)
                frames[4].writeInteger(UInt32(row.size), endianness: .little)
            }
            return (ReplyStream(item, payload: rows.isEmpty ? [] : frames), nil)
        }
    }

    package func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchPage> {
        try read()
        let pages = try call("fetch") { state in
            let found =
                state.index(id: request.mailboxID, in: request.accountID)
                .map { state.mailboxes[$0].messages } ?? []
            let wanted = found.filter { pairs(request.uids, contain: $0.uid) }
            state.calls["fetched messages", default: 0] += wanted.count
            // A few to a page, so that answers span pages.
            let pages = stride(from: 0, to: wanted.count, by: 3).map { start in
                let messages = wanted[start..<min(start + 3, wanted.count)].map { $0.fetched(request) }
                let (page, payload) = FetchPage.page(of: messages, request.kinds)
                return (item: page, payload: payload)
            }
            return (pages, nil)
        }
        return ReplyStream(writing: { writer in
            for (page, payload) in pages {
                try self.read()
                try await writer.send(page, payload: payload)
            }
        })
    }

    package func fetchOctets(
        _ request: FetchOctetsRequest, _ context: CallContext
    ) async throws -> ReplyStream<FetchOctetsItem> {
        try read()
        let octets = try call("fetchOctets") { state in
            let mailbox = state.index(id: request.mailboxID, in: request.accountID).map { state.mailboxes[$0] }
            return (mailbox?.messages.first { $0.uid == request.uid }?.octets, nil)
        }
        var item = FetchOctetsItem()
        item.found = octets != nil
        item.totalOctets = Int64(octets?.count ?? 0)
        let first = item
        let start = min(Int(request.offset), octets?.count ?? 0)
        let length = request.length == 0 ? Int.max : Int(request.length)
        let slice = Array((octets ?? []).dropFirst(start).prefix(length))
        return ReplyStream(writing: { writer in
            try await writer.send(first)
            var position = 0
            while position < slice.count {
                try self.read()
                let end = min(position + 65_536, slice.count)
                let breaks = self.state.withLock { state in
                    guard let left = state.failAfterOctets else { return false }
                    state.failAfterOctets = left > end - position ? left - (end - position) : nil
                    return left <= end - position
                }
                if breaks { throw MessagingError(.unavailable, "storage went away") }
                try await writer.send(FetchOctetsItem(), payload: [ByteBuffer(bytes: slice[position..<end])])
                position = end
            }
        })
    }

    // MARK: Acceptance

    package func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply
    {
        throw MessagingError(.unknownMethod)
    }

    package func append(_ request: AppendRequest, message: Payload, _ context: CallContext) async throws -> AppendReply
    {
        _ = try call("append") { _ in ((), nil) }
        var octets: [UInt8] = []
        do {
            for try await chunk in message { octets += chunk.readableBytesView }
        } catch {
            state.withLock { $0.abandonedUploads += 1 }
            throw error
        }
        guard request.messages.isEmpty, !request.hasReplaced else {
            return try appendTogether(request, octets, context)
        }
        return try appendOne(request, octets, context.transaction)
    }

    /// Several, each for itself.
    package func appendEach(
        _ request: AppendEachRequest, messages: Payload, _ context: CallContext
    ) async throws -> AppendEachReply {
        _ = try call("appendEach") { _ in ((), nil) }
        var octets: [UInt8] = []
        for try await chunk in messages { octets += chunk.readableBytesView }
        if let hold = beforeAppending.withLock({ $0 }) { try await hold() }
        state.withLock { state in
            state.longestSuccession = max(state.longestSuccession, request.appends.count)
            state.largestSuccession = max(state.largestSuccession, octets.count)
        }
        var rest = octets[...]
        var reply = AppendEachReply()
        for append in request.appends {
            let own = rest.prefix(Int(append.message.messageOctets))
            rest = rest.dropFirst(own.count)
            guard let transaction = TransactionID(octets: append.transactionID) else {
                throw MessagingError(.malformed, "a transaction without a name")
            }
            let single = AppendRequest.with {
                $0.accountID = request.accountID
                $0.mailboxName = request.mailboxName
                $0.client = request.client
                $0.client.ordinal = append.ordinal
                $0.client.receivedUptime = append.receivedUptime
                $0.flags = append.message.flags
                $0.internalDate = append.message.internalDate
                $0.messageOctets = append.message.messageOctets
            }
            reply.replies.append(try appendOne(single, Array(own), transaction))
        }
        guard rest.isEmpty else { throw MessagingError(.malformed, "octets of nobody") }
        return reply
    }

    private func appendOne(
        _ request: AppendRequest, _ octets: [UInt8], _ transaction: TransactionID
    ) throws -> AppendReply {
        guard octets.count == Int(request.messageOctets) else { throw MessagingError(.malformed, "octets missing") }
        var parsed = MemoryMessage.parse(octets, prefix: [])
        parsed.date = request.internalDate == 0 ? 1_704_067_200_000_000 : request.internalDate
        let message = parsed
        return try call("appendCommit") { state in
            state.appendClients.append(request.client)
            var reply = AppendReply()
            guard let index = state.index(of: request.mailboxName, in: request.accountID),
                state.refusal(of: .insert, to: request.client.identity.accountID, on: index) == nil
            else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            guard message.size <= state.quota else {
                reply.outcome = .overQuota
                return (reply, nil)
            }
            var stored = message
            guard let flags = state.mailboxes[index].bits(of: request.flags) else {
                reply.outcome = .beyondLimit
                return (reply, nil)
            }
            stored.flags = flags
            stored.contentID = state.newContent()
            reply.outcome = .stored
            reply.mailboxID = state.mailboxes[index].id
            reply.uidValidity = state.mailboxes[index].uidValidity
            reply.uid = state.mailboxes[index].add(stored, at: state.now)
            reply.receipt.accountID = request.accountID
            reply.receipt.transactionID = .init(transaction.octets)
            state.connections.insert(request.client.connectionID)
            return (reply, state.change(index))
        }
    }

    /// Several messages, all or none; or one that takes another's place.
    private func appendTogether(
        _ request: AppendRequest, _ octets: [UInt8], _ context: CallContext
    ) throws -> AppendReply {
        guard request.messageOctets == 0, octets.count == request.messages.reduce(0, { $0 + Int($1.messageOctets) })
        else { throw MessagingError(.malformed, "octets missing") }
        var gone: MailboxChanged?
        defer { publish(gone) }
        return try call("appendCommit") { state in
            state.appendClients.append(request.client)
            var reply = AppendReply()
            guard let index = state.index(of: request.mailboxName, in: request.accountID),
                state.refusal(of: .insert, to: request.client.identity.accountID, on: index) == nil
            else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            let before = state.mailboxes
            var source: Int?
            if request.hasReplaced {
                let owner = request.replaced.accountID == 0 ? request.accountID : request.replaced.accountID
                source = state.index(id: request.replaced.mailboxID, in: owner)
                guard let source, !state.mailboxes[source].remove([request.replaced.uid]).isEmpty else {
                    reply.outcome = .noSuchMessage
                    return (reply, nil)
                }
            }
            var rest = octets[...]
            for described in request.messages {
                let own = rest.prefix(Int(described.messageOctets))
                rest = rest.dropFirst(own.count)
                var message = MemoryMessage.parse(Array(own), prefix: [])
                message.date = described.internalDate == 0 ? 1_704_067_200_000_000 : described.internalDate
                guard message.size <= state.quota, let flags = state.mailboxes[index].bits(of: described.flags) else {
                    state.mailboxes = before
                    reply = AppendReply()
                    reply.outcome = message.size <= state.quota ? .beyondLimit : .overQuota
                    return (reply, nil)
                }
                message.flags = flags
                let uid = state.mailboxes[index].add(message, at: state.now)
                reply.uids.append(uid)
                reply.receipts.append(
                    .with {
                        $0.accountID = request.accountID
                        $0.transactionID = .init(context.transaction.octets)
                        $0.fingerprints = [Data("\(uid)".utf8)]
                    })
            }
            reply.outcome = .stored
            reply.mailboxID = state.mailboxes[index].id
            reply.uidValidity = state.mailboxes[index].uidValidity
            reply.uid = reply.uids.first ?? 0
            if let receipt = reply.receipts.first { reply.receipt = receipt }
            state.connections.insert(request.client.connectionID)
            if let source { gone = state.change(source) }
            return (reply, state.change(index))
        }
    }

    // MARK: Delivery

    package func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply { throw MessagingError(.unknownMethod) }

    package func settle(_ request: SettleRequest, _ context: CallContext) async throws -> SettleReply {
        state.withLock { state in
            for settlement in request.settlements where state.connections.contains(settlement.connectionID) {
                state.settledReceipts.formUnion(settlement.receipts)
            }
        }
        return SettleReply()
    }
}
