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
        /// Octets that fetchOctets gives before it fails once.
        package var failAfterOctets: Int?
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
        /// The connections that messages were appended by, and how many of their receipts are settled.
        package var connections: Set<Data> = []
        package var settledReceipts = 0
    }

    package let state = Mutex(State())
    /// Copies that wait until they are let go; nil while none has to.
    private let held = Mutex<[CheckedContinuation<Void, Never>]?>(nil)
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

    /// Runs a call: counts it, fails it while a fault is on, publishes what it changed.
    func call<Reply>(_ name: String, _ body: (inout State) throws -> (Reply, MailboxChanged?)) throws -> Reply {
        let (reply, change) = try state.withLock { state in
            state.calls[name, default: 0] += 1
            if let fault = state.fault { throw fault }
            return try body(&state)
        }
        publish(change)
        return reply
    }

    // MARK: MailStore

    package func listMailboxes(_ request: ListMailboxesRequest, _ context: CallContext) async throws
        -> ListMailboxesReply
    {
        try call("listMailboxes") { state in
            var reply = ListMailboxesReply()
            let account = state.known(request.accountID)
            reply.mailboxes = state.mailboxes.filter { $0.accountID == account }
                .map { $0.described(deletedOctets: request.deletedOctets) }
            reply.subscribedWithoutMailbox = (state.subscribedWithoutMailbox[account] ?? []).sorted()
            if request.others { reply.others = state.others(of: account, deletedOctets: request.deletedOctets) }
            return (reply, nil)
        }
    }

    package func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("createMailbox") { state in
            var reply = MailboxReply()
            guard request.name.isNetUnicode else {
                reply.outcome = .notPermitted
                return (reply, nil)
            }
            if let refusal = state.refusal(toMake: request.name, request.userID, in: request.accountID) {
                reply.outcome = refusal
                return (reply, nil)
            }
            reply.outcome = state.index(of: request.name, in: request.accountID) == nil ? .done : .alreadyExists
            guard reply.outcome == .done else { return (reply, nil) }
            reply.mailbox = state.make(request.name, request.specialUse, in: request.accountID).described()
            return (reply, .mailboxesChanged(state.known(request.accountID)))
        }
    }

    package func deleteMailbox(_ request: DeleteMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("deleteMailbox") { state in
            var reply = MailboxReply()
            guard let index = state.index(of: request.name, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            if let refusal = state.refusal(of: .deleteMailbox, to: request.userID, on: index) {
                reply.outcome = refusal
                return (reply, nil)
            }
            let account = state.known(request.accountID)
            if state.mailboxes.contains(where: {
                $0.accountID == account && $0.name.hasPrefix(request.name + "/")
            }) {
                reply.outcome = .hasChildren
                return (reply, nil)
            }
            if state.mailboxes[index].subscribed {
                state.subscribedWithoutMailbox[account, default: []].insert(request.name)
            }
            state.mailboxes.remove(at: index)
            reply.outcome = .done
            return (reply, .mailboxesChanged(account))
        }
    }

    package func renameMailbox(_ request: RenameMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("renameMailbox") { state in
            var reply = MailboxReply()
            let account = state.known(request.accountID)
            guard let index = state.index(of: request.from, in: account) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            let refusal =
                state.refusal(of: .deleteMailbox, to: request.userID, on: index)
                ?? state.refusal(toMake: request.to, request.userID, in: account)
            if let refusal {
                reply.outcome = refusal
                return (reply, nil)
            }
            guard request.to.isNetUnicode else {
                reply.outcome = .notPermitted
                return (reply, nil)
            }
            guard state.index(of: request.to, in: account) == nil else {
                reply.outcome = .alreadyExists
                return (reply, nil)
            }
            reply.outcome = .done
            if request.from == "INBOX" {
                _ = state.make(request.to, "", in: account)
                if let target = state.index(of: request.to, in: account) {
                    state.mailboxes[target].rights = state.mailboxes[index].rights
                    state.mailboxes[target].annotations = state.mailboxes[index].annotations
                    for message in state.mailboxes[index].messages {
                        _ = state.mailboxes[target].add(message, at: state.now)
                    }
                }
                _ = state.mailboxes[index].remove(Set(state.mailboxes[index].messages.map(\.uid)))
                return (reply, state.change(index))
            }
            for other in state.mailboxes.indices
            where state.mailboxes[other].accountID == account
                && state.mailboxes[other].name.hasPrefix(request.from + "/")
            {
                state.mailboxes[other].name =
                    request.to + state.mailboxes[other].name.dropFirst(request.from.count)
            }
            state.mailboxes[index].name = request.to
            return (reply, .mailboxesChanged(account))
        }
    }

    package func subscribe(_ request: SubscribeRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("subscribe") { state in
            let account = state.known(request.accountID)
            if let index = state.index(of: request.name, in: account) {
                state.mailboxes[index].subscribed = request.subscribed
            } else if request.subscribed {
                state.subscribedWithoutMailbox[account, default: []].insert(request.name)
            } else {
                state.subscribedWithoutMailbox[account]?.remove(request.name)
            }
            var reply = MailboxReply()
            reply.outcome = .done
            return (reply, .mailboxesChanged(account))
        }
    }

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
        try call("fetch") { state in
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
            return (ReplyStream(pages), nil)
        }
    }

    package func fetchOctets(
        _ request: FetchOctetsRequest, _ context: CallContext
    ) async throws -> ReplyStream<FetchOctetsItem> {
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

    package func storeFlags(_ request: StoreFlagsRequest, _ context: CallContext) async throws -> StoreFlagsReply {
        try call("storeFlags") { state in
            var reply = StoreFlagsReply()
            guard let index = state.index(id: request.mailboxID, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            guard let bits = state.mailboxes[index].bits(of: request.flags) else {
                reply.outcome = .beyondLimit
                return (reply, nil)
            }
            reply.outcome = .done
            var touched = false
            let modseq = state.mailboxes[index].modseq + 1
            for position in state.mailboxes[index].messages.indices {
                let message = state.mailboxes[index].messages[position]
                guard pairs(request.uids, contain: message.uid) else { continue }
                let flags: UInt64 =
                    switch request.operation {
                    case .add: message.flags | bits
                    case .remove: message.flags & ~bits
                    case .replace, .unspecified, .UNRECOGNIZED: bits | message.flags & request.keptBits
                    }
                guard request.unchangedSince == 0 || message.modseq <= request.unchangedSince else {
                    reply.modifiedUids.append(message.uid)
                    continue
                }
                guard flags != message.flags else { continue }
                touched = true
                state.mailboxes[index].messages[position].flags = flags
                state.mailboxes[index].messages[position].modseq = modseq
                reply.uids.append(message.uid)
                reply.flags.append(flags)
            }
            if touched { state.mailboxes[index].modseq = modseq }
            reply.modseq = state.mailboxes[index].modseq
            reply.keywords = state.mailboxes[index].keywords
            return (reply, touched ? state.change(index) : nil)
        }
    }

    /// From now on copies wait.
    package func holdCopies() { held.withLock { $0 = $0 ?? [] } }

    /// Those that wait go on, and no other has to.
    package func releaseCopies() {
        let waiting = held.withLock { held in
            defer { held = nil }
            return held ?? []
        }
        for continuation in waiting { continuation.resume() }
    }

    private func passCopies() async {
        await withCheckedContinuation { continuation in
            let waits = held.withLock { held in
                held?.append(continuation)
                return held != nil
            }
            if !waits { continuation.resume() }
        }
    }

    package func copy(_ request: CopyRequest, _ context: CallContext) async throws -> CopyReply {
        await passCopies()
        let (reply, changes) = try state.withLock { state -> (CopyReply, [MailboxChanged]) in
            state.calls["copy", default: 0] += 1
            if let fault = state.fault { throw fault }
            var reply = CopyReply()
            let targetAccount = request.toAccountID == 0 ? request.accountID : request.toAccountID
            guard let source = state.index(id: request.mailboxID, in: request.accountID),
                let target = state.index(of: request.toMailboxName, in: targetAccount)
            else {
                reply.outcome = .noSuchMailbox
                return (reply, [])
            }
            let refusal =
                state.refusal(of: request.move ? [.deleteMessages, .expunge] : .read, to: request.userID, on: source)
                ?? state.refusal(of: .insert, to: request.userID, on: target)
            if let refusal {
                reply.outcome = refusal
                return (reply, [])
            }
            let taken = state.rights(of: request.userID, on: target).flagBits
            reply.outcome = .done
            reply.toMailboxID = state.mailboxes[target].id
            reply.toUidValidity = state.mailboxes[target].uidValidity
            let chosen = state.mailboxes[source].messages.filter { pairs(request.uids, contain: $0.uid) }
            for message in chosen {
                var copy = message
                let kept = message.flags & taken
                let names = (0..<56).compactMap { bit in
                    kept & (1 << UInt64(8 + bit)) != 0 ? state.mailboxes[source].keywords[bit] : nil
                }
                copy.flags = (kept & 0x1F) | (state.mailboxes[target].bits(of: names) ?? 0)
                reply.sourceUids.append(message.uid)
                reply.targetUids.append(state.mailboxes[target].add(copy, at: state.now))
            }
            var changes = [state.change(target)]
            if request.move {
                _ = state.mailboxes[source].remove(Set(reply.sourceUids))
                changes.append(state.change(source))
            }
            reply.sourceModseq = state.mailboxes[source].modseq
            return (reply, changes)
        }
        for change in changes { publish(change) }
        return reply
    }

    package func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply {
        try call("expunge") { state in
            var reply = ExpungeReply()
            guard let index = state.index(id: request.mailboxID, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            if let refusal = state.refusal(of: .expunge, to: request.userID, on: index) {
                reply.outcome = refusal
                return (reply, nil)
            }
            let marked = state.mailboxes[index].messages.filter { message in
                message.flags & 8 != 0 && (request.uids.isEmpty || pairs(request.uids, contain: message.uid))
            }
            reply.outcome = .done
            reply.uids = state.mailboxes[index].remove(Set(marked.map(\.uid)))
            reply.modseq = state.mailboxes[index].modseq
            return (reply, reply.uids.isEmpty ? nil : state.change(index))
        }
    }

    package func usage(_ request: UsageRequest, _ context: CallContext) async throws -> UsageReply {
        try call("usage") { state in
            let account = state.known(request.accountID)
            let mailboxes = state.mailboxes.filter { $0.accountID == account }.map { $0.described() }
            var reply = UsageReply()
            reply.usedOctets = mailboxes.reduce(0) { $0 + $1.octets }
            reply.octetsLimit = state.octetsLimit
            reply.usedMessages = mailboxes.reduce(0) { $0 + Int64($1.messageCount) }
            reply.messagesLimit = state.messagesLimit
            reply.mailboxes = Int64(mailboxes.count)
            reply.mailboxesLimit = 10_000
            return (reply, nil)
        }
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
            reply.receipt.transactionID = .init(context.transaction.octets)
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
                reply.uids.append(state.mailboxes[index].add(message, at: state.now))
                reply.receipts.append(
                    .with {
                        $0.accountID = request.accountID
                        $0.transactionID = .init(context.transaction.octets)
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
                state.settledReceipts += settlement.receipts.count
            }
        }
        return SettleReply()
    }
}

extension MailboxChanged {
    /// Mailboxes were made, deleted, renamed or subscribed.
    fileprivate static func mailboxesChanged(_ accountID: Int64) -> MailboxChanged {
        var change = MailboxChanged()
        change.accountID = accountID
        change.hierarchy = true
        return change
    }
}

extension String {
    /// Whether it is in normalisation form C.
    fileprivate var isNetUnicode: Bool { utf8.elementsEqual(precomposedStringWithCanonicalMapping.utf8) }
}
