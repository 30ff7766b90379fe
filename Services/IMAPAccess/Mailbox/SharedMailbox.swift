import Contracts
import Messaging
import NIOCore
import Synchronization

/// The newest known state of one mailbox, shared by every session of the process that has it selected:
/// one delta from storage serves them all.
///
/// A refresh that begins after a caller asked is the only one that answers it: a caller that comes while
/// one runs waits for the next, which it shares with all others that came meanwhile.
actor SharedMailbox {
    nonisolated let accountID: Int64
    nonisolated let mailboxID: Int64
    private let store: any MailStore
    private let timeout: Duration
    private var columns: MailboxColumns?
    private var generation: UInt64 = 0
    private var running: Task<MailboxSnapshot, any Error>?
    private var following: Task<MailboxSnapshot, any Error>?
    /// Something newer than `columns` is known to exist.
    private var stale = false {
        didSet { if stale, !oldValue { revision.add(1, ordering: .releasing) } }
    }
    /// Moves on with every news, so that a session sees without waiting that there is none. While `stale`, no session
    /// has a snapshot of this revision: what is announced while storage is being asked may not be in the answer.
    nonisolated let revision = Atomic<UInt64>(0)
    /// How many messages the newest known state has.
    nonisolated let messageCount = Atomic<Int>(0)
    /// How often the key of its URLs was replaced while it is known here (RFC 4467, 7).
    nonisolated let urlKeys = Atomic<UInt64>(0)

    init(accountID: Int64, mailboxID: Int64, store: any MailStore, timeout: Duration) {
        self.accountID = accountID
        self.mailboxID = mailboxID
        self.store = store
        self.timeout = timeout
    }

    /// The state as of now, asked of storage.
    func refreshed() async throws -> MailboxSnapshot {
        if let following { return try await following.value }
        if let running {
            let next = Task {
                _ = try? await running.value
                return try await self.begin()
            }
            following = next
            return try await next.value
        }
        let first = Task { try await self.ask() }
        running = first
        return try await first.value
    }

    /// The newest state that is known to exist: storage is asked only when an event told of a later one.
    func current() async throws -> MailboxSnapshot {
        guard let columns, !stale else { return try await refreshed() }
        // Asked after the last news, so its answer has them; what is known here has not.
        if let running { return try await running.value }
        return snapshot(columns)
    }

    /// A change event named this modseq. Returns whether it is news.
    func announce(_ modseq: UInt64) -> Bool {
        guard modseq > columns?.mailbox.highestModseq ?? 0 else { return false }
        stale = true
        return true
    }

    /// What this process itself has just changed, without asking for it: flags of messages. Nil when
    /// storage must be asked instead.
    func apply(flags reply: StoreFlagsReply) -> MailboxSnapshot? {
        apply(modseq: reply.modseq, of: reply.uids) { columns in
            columns.setFlags(reply.flags, modseq: reply.modseq, uids: reply.uids)
            // Keywords are only ever appended, so the longer list is the later one.
            if reply.keywords.count > columns.mailbox.keywords.count { columns.mailbox.keywords = reply.keywords }
        }
    }

    /// What this process itself has just changed, without asking for it: messages that are gone. Nil when
    /// storage must be asked instead.
    func apply(expunged uids: [UInt32], modseq: UInt64) -> MailboxSnapshot? {
        apply(modseq: modseq, of: uids) { columns in
            columns.removeUIDs(inPairs: uids.flatMap { [$0, $0] })
        }
    }

    /// Applies a change of our own if it follows what is known at once, so that nothing lies between. When nothing was
    /// changed, the modseq is that of somebody else's change.
    private func apply(
        modseq: UInt64, of uids: [UInt32], _ change: (inout MailboxColumns) -> Void
    ) -> MailboxSnapshot? {
        guard running == nil, !uids.isEmpty, let known = columns, modseq == known.mailbox.highestModseq &+ 1 else {
            stale = stale || modseq > columns?.mailbox.highestModseq ?? 0
            return nil
        }
        var changed = known
        columns = nil
        change(&changed)
        changed.mailbox.highestModseq = modseq
        return keep(changed)
    }

    /// Takes over a state that was loaded by name a moment ago, unless a later one is known.
    func adopt(_ loaded: MailboxColumns) -> MailboxSnapshot {
        if let columns, columns.mailbox.highestModseq > loaded.mailbox.highestModseq { return snapshot(columns) }
        return keep(loaded)
    }

    private func keep(_ columns: MailboxColumns) -> MailboxSnapshot {
        self.columns = columns
        messageCount.store(columns.count, ordering: .relaxed)
        generation += 1
        revision.add(1, ordering: .releasing)
        return snapshot(columns)
    }

    private func snapshot(_ columns: MailboxColumns) -> MailboxSnapshot {
        let newest = revision.load(ordering: .acquiring)
        return MailboxSnapshot(columns: columns, generation: generation, revision: stale ? newest &- 1 : newest)
    }

    private func begin() async throws -> MailboxSnapshot {
        running = following
        following = nil
        return try await ask()
    }

    private func ask() async throws -> MailboxSnapshot {
        defer { running = nil }
        stale = false
        do {
            if let known = columns {
                let delta = try await load(since: known.mailbox.highestModseq)
                if delta.mailbox == known.mailbox, delta.rows.isEmpty, delta.vanished.isEmpty {
                    return snapshot(known)
                }
                var changed = known
                changed.mailbox = delta.mailbox
                changed.removeUIDs(inPairs: delta.vanished)
                for row in delta.rows { changed.put(row) }
                // A delta that does not lead to what storage counts cannot be trusted: begin from nothing.
                if Int(delta.mailbox.messageCount) == changed.count { return keep(changed) }
            }
            return keep(try await load(since: 0).columns)
        } catch {
            stale = true
            throw error
        }
    }

    private func load(since modseq: UInt64) async throws -> ViewLoad {
        var request = ViewRequest()
        request.accountID = accountID
        request.mailboxID = mailboxID
        request.changedSince = modseq
        return try await ViewLoad.read(from: store.view(request, CallContext(timeout: timeout)))
    }
}

/// The answer to one view request, gathered.
struct ViewLoad: Sendable {
    var mailbox = Mailbox()
    var rows: [MessageRow] = []
    var vanished: [UInt32] = []

    /// The whole mailbox, when the request was for all of it.
    var columns: MailboxColumns {
        var columns = MailboxColumns(mailbox: mailbox)
        columns.reserveCapacity(rows.count)
        for row in rows { columns.put(row) }
        return columns
    }

    static func read(from stream: ReplyStream<ViewItem>) async throws -> ViewLoad {
        var load = ViewLoad()
        var first = true
        for try await (item, payload) in stream {
            if first {
                first = false
                guard item.outcome == .done else { throw MailboxRefusal(outcome: item.outcome) }
                load.mailbox = item.mailbox
            }
            load.vanished += item.vanished
            try load.append(payload, count: Int(item.count))
        }
        guard !first else { throw MailboxRefusal(outcome: .unspecified) }
        return load
    }

    /// Five frames, little endian: uids u32, flags u64, modseqs u64, dates i64, sizes u32.
    private mutating func append(_ payload: [ByteBuffer], count: Int) throws {
        guard count > 0 else { return }
        let widths = [4, 8, 8, 8, 4]
        guard payload.count == widths.count, zip(payload, widths).allSatisfy({ $0.readableBytes == $1 * count })
        else { throw MailboxRefusal(outcome: .unspecified) }
        var (uids, flags, modseqs, dates, sizes) = (payload[0], payload[1], payload[2], payload[3], payload[4])
        rows.reserveCapacity(rows.count + count)
        for _ in 0..<count {
            guard let uid = uids.readInteger(endianness: .little, as: UInt32.self),
                let flag = flags.readInteger(endianness: .little, as: UInt64.self),
                let modseq = modseqs.readInteger(endianness: .little, as: UInt64.self),
                let date = dates.readInteger(endianness: .little, as: Int64.self),
                let size = sizes.readInteger(endianness: .little, as: UInt32.self)
            else { throw MailboxRefusal(outcome: .unspecified) }
            rows.append(MessageRow(uid: uid, flags: flag, modseq: modseq, date: date, size: size))
        }
    }
}

/// Storage answered that a mailbox cannot be used so.
struct MailboxRefusal: Error {
    var outcome: MailboxOutcome
}
