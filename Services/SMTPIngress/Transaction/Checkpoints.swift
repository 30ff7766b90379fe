import DequeModule
import Messaging
import NIOCore
import SMTPSyntax
import ServiceLifecycle
import Synchronization

/// Transactions whose client may come again to go on with them (RFC 1845): those that were cut off within their content,
/// and those that were handed over and whose client may not have read the reply.
///
/// They are a convenience, never a promise: one that is not here any more, because it was too old, too much, or in
/// another process, makes its client send all again, and the receipts see to it that nothing comes twice. So a limit that
/// is reached throws away the oldest, and nothing outlives the process. All sessions of the process share it.
final class Checkpoints: Service {
    private struct Entry {
        let envelope: CheckpointEnvelope
        let checkpoint: Checkpoint
        /// When it was put here.
        let at: NIODeadline
        /// Its place in the order of all that were ever put here.
        let number: Int
        let memoryOctets: Int
        let diskOctets: Int
    }

    private struct State {
        var entries: [CheckpointKey: Entry] = [:]
        var byAddress: [String: Int] = [:]
        var memoryOctets = 0
        var diskOctets = 0
        var inserted = 0
        /// What sessions have in hand, one each at most.
        var open: [CheckpointKey: (envelope: CheckpointEnvelope, transaction: OpenTransaction)] = [:]
        /// The oldest first; those whose entry is gone are left out in passing.
        var order: Deque<(key: CheckpointKey, number: Int)> = []

        func isPresent(_ place: (key: CheckpointKey, number: Int)) -> Bool {
            entries[place.key]?.number == place.number
        }

        /// The oldest one that belongs.
        func oldest(where belongs: (CheckpointKey) -> Bool = { _ in true }) -> CheckpointKey? {
            order.first { belongs($0.key) && isPresent($0) }?.key
        }

        mutating func insert(_ entry: Entry, for key: CheckpointKey) {
            entries[key] = entry
            order.append((key, entry.number))
            byAddress[key.address, default: 0] += 1
            memoryOctets += entry.memoryOctets
            diskOctets += entry.diskOctets
        }

        mutating func remove(_ key: CheckpointKey) {
            guard let entry = entries.removeValue(forKey: key) else { return }
            memoryOctets -= entry.memoryOctets
            diskOctets -= entry.diskOctets
            if let count = byAddress[key.address] { byAddress[key.address] = count > 1 ? count - 1 : nil }
            while let first = order.first, !isPresent(first) { order.removeFirst() }
            if order.count > 2 * entries.count + 16 {
                order.removeAll { [entries] in entries[$0.key]?.number != $0.number }
            }
        }

        mutating func expire(after keep: Duration, at now: NIODeadline) {
            while let key = oldest(), let entry = entries[key], entry.at + TimeAmount(keep) <= now { remove(key) }
        }
    }

    private let limits: CheckpointLimits
    private let clock: @Sendable () -> NIODeadline
    private let state = Mutex(State())

    init(limits: CheckpointLimits, clock: @escaping @Sendable () -> NIODeadline = { .now() }) {
        self.limits = limits
        self.clock = clock
    }

    /// How many there are, in all.
    var count: Int { state.withLock { $0.entries.count } }
    /// What they hold in memory, about.
    var memoryOctets: Int { state.withLock { $0.memoryOctets } }
    /// What they hold on disk.
    var diskOctets: Int { state.withLock { $0.diskOctets } }

    /// Keeps one, unless there is one of a younger transaction by the same name: its client has begun anew meanwhile.
    func keep(_ checkpoint: Checkpoint, of envelope: CheckpointEnvelope, for key: CheckpointKey) {
        let memory = key.memoryOctets + envelope.memoryOctets + checkpoint.memoryOctets
        let disk = checkpoint.diskOctets
        guard limits.keep > .zero, memory <= limits.memoryOctets, disk <= limits.diskOctets else { return }
        let now = clock()
        state.withLock { state in
            state.expire(after: limits.keep, at: now)
            if let present = state.entries[key], checkpoint.id < present.checkpoint.id { return }
            state.remove(key)
            state.inserted += 1
            state.insert(
                Entry(
                    envelope: envelope, checkpoint: checkpoint, at: now, number: state.inserted, memoryOctets: memory,
                    diskOctets: disk), for: key)
            // Clients at a Unix socket have no address that tells them apart.
            while !key.address.isEmpty, state.byAddress[key.address, default: 0] > limits.countPerAddress,
                let oldest = state.oldest(where: { $0.address == key.address })
            {
                state.remove(oldest)
            }
            while state.entries.count > limits.count || state.memoryOctets > limits.memoryOctets
                || state.diskOctets > limits.diskOctets, let oldest = state.oldest()
            {
                state.remove(oldest)
            }
        }
    }

    /// What there is to go on with; nil makes a transaction of its own. Content is given away and is here no more; the
    /// outcome of a transaction stays for whoever asks again. What a connection handed over itself is no matter of its
    /// own: there replies keep their order, so it asks for something new.
    func resume(
        _ envelope: CheckpointEnvelope, for key: CheckpointKey, on connection: TransactionID
    ) -> Checkpoint? {
        let now = clock()
        return state.withLock { state in
            state.expire(after: limits.keep, at: now)
            guard let entry = state.entries[key], entry.envelope.isContinued(by: envelope) else { return nil }
            switch entry.checkpoint {
            case .content: state.remove(key)
            case .handedOver(let transaction):
                if transaction.connection == connection { return nil }
            }
            return entry.checkpoint
        }
    }

    /// A session has such a transaction in hand. Another one by that name, which it could not demand, stays as it is.
    func began(_ transaction: OpenTransaction, of envelope: CheckpointEnvelope, for key: CheckpointKey) {
        state.withLock { state in
            if state.open[key] == nil { state.open[key] = (envelope, transaction) }
        }
    }

    /// It has no more.
    func ended(_ transaction: OpenTransaction, for key: CheckpointKey) {
        state.withLock { state in
            if state.open[key]?.transaction === transaction { state.open[key] = nil }
        }
    }

    /// One that another session has in hand, and that this MAIL may demand of it.
    func open(_ envelope: CheckpointEnvelope, for key: CheckpointKey) -> OpenTransaction? {
        state.withLock { state in
            guard let open = state.open[key], open.envelope.isContinued(by: envelope) else { return nil }
            return open.transaction
        }
    }

    /// The transaction that was handed over has its replies. Whoever waits for them gets them; a failure that may pass is
    /// not kept, so that the client's next try is a new one. Returns whether the outcome is one to be kept.
    func finish(_ transaction: HandedOverTransaction, _ replies: [Reply]) -> Bool {
        let isFinal = !replies.contains(where: \.isTransient)
        // Before anybody hears it and comes again.
        if !isFinal { forget(transaction) }
        transaction.finish(replies)
        return isFinal
    }

    /// The client has its reply, or gave the transaction up.
    func forget(_ transaction: HandedOverTransaction) {
        state.withLock { state in
            guard case .handedOver(let present)? = state.entries[transaction.key]?.checkpoint, present === transaction
            else { return }
            state.remove(transaction.key)
        }
    }

    /// Lets go of what is too old, until the shutdown.
    func run() async throws {
        guard limits.keep > .zero else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: max(self.limits.keep / 10, .milliseconds(100)))
                self.expire()
            }
        }
    }

    /// Lets go of what is too old now.
    func expire() {
        let now = clock()
        state.withLock { $0.expire(after: limits.keep, at: now) }
    }
}
