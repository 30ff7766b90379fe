import Contracts
import IMAPSyntax

/// STORE (RFC 9051, 6.4.6), also on condition that nobody else has changed the messages (RFC 7162, 3.1.3).
extension Session {
    func store(_ arguments: StoreCommand) async throws -> CommandOutcome {
        let revisionBefore = selected?.revision
        let (positions, lowest) = withinLimit(try await positions(of: arguments.messages, by: arguments.numbering))
        guard let selected, !selected.view.readOnly else { throw Refusal.readOnly }
        if arguments.unchangedSince != nil { beginModificationSequences() }
        let synchronisation = Synchronisation(after: arguments.numbering)
        let (permitted, flags) = try permitted(arguments)
        var arguments = permitted
        // On the way to a message that the client knows first, others' flags were told as they were before.
        if selected.revision != revisionBefore { arguments.isSilent = false }
        guard !positions.isEmpty else { return .ok("STORE completed", synchronising: synchronisation) }
        let before = selected.view.told
        let result = try await change(positions, arguments, flags)
        try await reportStored(positions, arguments, result, before)
        let left = positions.joined().filter { result.modified.contains(before.uids[$0]) }
        guard !left.isEmpty else { return telling(lowest, .ok("STORE completed", synchronising: synchronisation)) }
        let numbers = left.map { arguments.numbering == .uids ? before.uids[$0] : UInt32(clamping: $0 + 1) }
        return telling(
            lowest,
            .ok(
                "STORE completed, some messages had changed",
                SequenceSet(NumberSet(numbers)).map(ResponseCode.modified), synchronising: synchronisation))
    }

    /// The command with those of its flags that the user may change: it fails only when there is none (RFC 4314, 4).
    private func permitted(_ arguments: StoreCommand) throws -> (StoreCommand, [String]) {
        let rights = selected?.rights ?? []
        var permitted = arguments
        permitted.flags = arguments.flags.filter { $0 == .recent || rights.allow($0) }
        let mayChangeSome =
            arguments.flags.isEmpty
            ? !rights.isDisjoint(with: [.keepSeen, .writeFlags, .deleteMessages]) : !permitted.flags.isEmpty
        guard mayChangeSome else { throw Refusal.noPermission }
        return (permitted, try Self.storable(permitted.flags))
    }

    /// What came of a STORE.
    private struct StoreResult {
        /// What the client is to be told, its own changes and others'.
        var changes = ViewChanges()
        /// The uids of the messages that became others.
        var stored = NumberSet()
        /// Those that were left alone, since they had changed before.
        var modified: Set<UInt32> = []
    }

    private func change(
        _ positions: [Range<Int>], _ arguments: StoreCommand, _ flags: [String]
    ) async throws -> StoreResult {
        let operation: FlagOperation =
            switch arguments.operation {
            case .replace: .replace
            case .add: .add
            case .remove: .remove
            }
        var result = StoreResult()
        guard let before = selected?.view.told else { return result }
        // RFC 7162, 3.1.3: 0 always fails, since every message has its system flags.
        if arguments.unchangedSince == 0 {
            result.modified = Set(positions.joined().map { before.uids[$0] })
            return result
        }
        let reply = try await changeFlags(
            uidPairs(positions), operation, flags, unchangedSince: arguments.unchangedSince ?? 0)
        result.changes = try await takeOver(reply)
        result.stored = NumberSet(reply.uids)
        result.modified = Set(reply.modifiedUids)
        guard !result.modified.isEmpty else { return result }
        try await refreshSelected()
        if let snapshot = try await selected?.membership.mailbox.current() {
            result.changes.merge(advance(to: snapshot, mayExpunge: false))
        }
        if operation != .replace { try await retry(operation, flags, &result, before) }
        return result
    }

    /// One modification sequence counts all changes of a message. Where others have changed flags that this command does
    /// not name, it is carried out all the same, unless they change once more (RFC 7162, 3.1.12).
    private func retry(
        _ operation: FlagOperation, _ flags: [String], _ result: inout StoreResult, _ before: MailboxColumns
    ) async throws {
        guard let now = selected?.view.told else { return }
        let named = flags.reduce(0) { $0 | (StoredFlags.bit(of: Flag($1), keywords: now.mailbox.keywords) ?? 0) }
        let unaffected = result.modified.filter { uid in
            guard let old = before.index(of: uid), let new = now.index(of: uid) else { return false }
            return before.flags[old] & named == now.flags[new] & named
        }
        guard let newest = unaffected.compactMap({ now.index(of: $0).map { now.modseqs[$0] } }).max() else { return }
        let reply = try await changeFlags(NumberSet(unaffected).pairs, operation, flags, unchangedSince: newest)
        result.changes.merge(try await takeOver(reply))
        result.stored = result.stored.union(NumberSet(reply.uids))
        result.modified.subtract(unaffected.subtracting(reply.modifiedUids))
    }

    /// The result is told for every message of the command, unless the client does not want it; changes by others are
    /// told in any case (RFC 9051, 6.4.6). Who keeps modification sequences learns the new ones (RFC 7162, 3.1.3).
    private func reportStored(
        _ positions: [Range<Int>], _ arguments: StoreCommand, _ result: StoreResult, _ before: MailboxColumns
    ) async throws {
        report(result.changes)
        guard let now = selected?.view.told else { return }
        let expectation = FlagExpectation(arguments, before: before, now: now)
        let withUID = arguments.numbering == .uids
        var others = result.changes.changed[...]
        if !arguments.isSilent || machine.tellsModificationSequences {
            for position in positions.joined() {
                while let other = others.first, other < position {
                    others.removeFirst()
                    reportFlags(at: other, withUID: withUID)
                    try await breathe()
                }
                let isChanged = others.first == position
                if isChanged { others.removeFirst() }
                let uid = before.uids[position]
                if result.modified.contains(uid) {
                    if isChanged { reportFlags(at: position, withUID: withUID) }
                } else if !arguments.isSilent || (isChanged && !result.stored.contains(uid)) {
                    reportFlags(at: position, withUID: withUID)
                } else if isChanged || arguments.unchangedSince != nil {
                    reportFlags(at: position, withUID: withUID, withFlags: expectation.isDisappointed(at: position))
                }
                try await breathe()
            }
        }
        for other in others {
            guard
                !arguments.isSilent || expectation.isDisappointed(at: other)
                    || !result.stored.contains(now.uids[safe: other] ?? 0)
            else { continue }
            reportFlags(at: other, withUID: withUID)
            try await breathe()
        }
    }

    /// Asks storage to change flags.
    func changeFlags(
        _ uidPairs: [UInt32], _ operation: FlagOperation, _ flags: [String], unchangedSince: UInt64 = 0
    ) async throws -> StoreFlagsReply {
        guard let selected else { throw Refusal.serverBug }
        var request = StoreFlagsRequest()
        request.accountID = selected.accountID
        request.mailboxID = selected.view.mailboxID
        request.keepsSeen = !selected.rights.contains(.keepSeen)
        request.keepsDeleted = !selected.rights.contains(.deleteMessages)
        request.keepsOthers = !selected.rights.contains(.writeFlags)
        request.uids = uidPairs
        request.operation = operation
        request.flags = flags
        request.unchangedSince = unchangedSince
        let reply = try await services.store.storeFlags(request, callContext(changing: true))
        try Refusal.check(reply.outcome)
        return reply
    }

    /// Brings what storage has just done for this session into the shared columns and into the view; sequence numbers
    /// stay. Returns what is to be told.
    func takeOver(_ reply: StoreFlagsReply) async throws -> ViewChanges {
        guard let membership = selected?.membership, !reply.uids.isEmpty else { return ViewChanges() }
        let mailbox = membership.mailbox
        let snapshot: MailboxSnapshot
        if let applied = await mailbox.apply(flags: reply) {
            snapshot = applied
        } else {
            snapshot = try await mailbox.refreshed()
        }
        services.mailboxes.notify(except: membership)
        return advance(to: snapshot, mayExpunge: false)
    }
}

/// What a client must think that a silent STORE has made of flags.
private struct FlagExpectation {
    private let before: MailboxColumns
    private let now: MailboxColumns
    private let operation: StoreOperation
    private let named: UInt64

    init(_ arguments: StoreCommand, before: MailboxColumns, now: MailboxColumns) {
        self.before = before
        self.now = now
        operation = arguments.operation
        named = arguments.flags.reduce(0) { $0 | (StoredFlags.bit(of: $1, keywords: now.mailbox.keywords) ?? 0) }
    }

    /// Whether a message that the command changed has flags that the client cannot know. No message has lost its number.
    func isDisappointed(at position: Int) -> Bool {
        guard position < before.count, position < now.count else { return false }
        let expected: UInt64 =
            switch operation {
            case .replace: named
            case .add: before.flags[position] | named
            case .remove: before.flags[position] & ~named
            }
        return now.flags[position] != expected
    }
}

extension Array {
    /// The element, or nil beyond the ends.
    subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
