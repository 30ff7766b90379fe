import Contracts
import IMAPSyntax
import Messaging

/// A session's selected mailbox.
struct SelectedMailbox: Sendable {
    var view: MailboxView
    let membership: MailboxMembership
    /// The shared mailbox's revision that `view` has been compared with.
    var revision: UInt64
    /// The uids of the last SEARCH RETURN (SAVE): `$` (RFC 9051, 6.4.4.1).
    var savedResult = NumberSet()
    var contexts = SearchContexts()
    /// The state in which the client was last told that expunges are held back.
    var heldBackAt: UInt64?
    /// Messages that this session has put in, and that are to come.
    var ownArrivals: Set<UInt32> = []
    /// Whether the client has not been told of some of them: their uids are beyond what the view may hold.
    var awaitsOwnArrivals: Bool { ownArrivals.contains { $0 >= view.told.mailbox.uidNext } }
    var toldBatches = ToldBatches()
    /// How often the key of its URLs had been replaced when the client was last told.
    var urlKeys: UInt64 = 0
    /// What the user may do with it (RFC 4314).
    var rights = MailboxRights.all
    /// Whose it is when it is somebody else's: then nothing is told of it before it `isReviewed` for the command in hand.
    var owner: MailboxOwner?
    var isReviewed = true
    var isForeign: Bool { owner != nil }

    /// The bits that keywords occupy in a message's flags.
    var keywords: [String] { view.told.mailbox.keywords }
}

/// SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051, 6.3.2, 6.3.3, 6.4.1, 6.4.2), and what a client is told of its mailbox.
extension Session {
    func select(_ arguments: SelectCommand, readOnly: Bool) async throws -> CommandOutcome {
        guard arguments.known == nil || machine.tellsVanished else {
            throw Refusal(.bad, nil, "ENABLE QRESYNC goes before the parameter QRESYNC")
        }
        let name = arguments.mailbox
        if selected != nil {
            unselect()
            printer.untagged(StatusResponse(.ok, .closed, "The previous mailbox is closed"))
        }
        let place = try await place(of: name, needing: .read)
        let (membership, snapshot) = try await services.mailboxes.open(
            place.name, accountID: place.accountID, context: callContext()
        ) { [weak self] in self?.mailboxChanged() }
        // Another one may have got the name meanwhile.
        if let mailbox = place.mailbox, mailbox.mailboxID != membership.mailbox.mailboxID {
            services.mailboxes.leave(membership)
            throw Refusal.noSuchMailbox
        }
        let view = MailboxView(snapshot, readOnly: readOnly)
        selected = SelectedMailbox(
            view: view, membership: membership, revision: snapshot.revision, rights: place.rights,
            owner: place.mailbox?.owner)
        selected?.urlKeys = membership.mailbox.urlKeys.load(ordering: .acquiring)
        machine.mailboxSelected()
        if arguments.wantsModificationSequences { _ = machine.modificationSequencesWanted() }
        describe(view, name: name)
        if let known = arguments.known { try await resynchronise(known) }
        // RFC 4314, 5.2.
        let isReadOnly = readOnly || place.rights.isDisjoint(with: .anyToWrite)
        return .ok(
            readOnly ? "EXAMINE completed" : "SELECT completed", isReadOnly ? .readOnly : .readWrite,
            synchronising: .none)
    }

    private func describe(_ view: MailboxView, name: MailboxName) {
        let mailbox = view.told.mailbox
        printer.untagged(.flags(flags(mailbox.keywords)))
        printer.exists(UInt32(clamping: view.count))
        if !machine.isRevision2 {
            printer.recent(0)
            // A message's number, which UIDONLY does without.
            if !machine.isUIDOnly,
                let first = view.told.flags.firstIndex(where: { $0 & UInt64(SystemFlags.seen.rawValue) == 0 })
            {
                printer.untagged(
                    StatusResponse(.ok, .unseen(UInt32(clamping: first + 1)), "First unseen message"))
            }
        }
        printer.untagged(StatusResponse(.ok, .uidValidity(mailbox.uidValidity), "UIDs valid"))
        printer.untagged(StatusResponse(.ok, .uidNext(mailbox.uidNext), "Predicted next UID"))
        printer.untagged(
            StatusResponse(
                .ok, .permanentFlags(view.readOnly ? [] : permanentFlags(mailbox.keywords)), "Flags that are kept"))
        if machine.isSecured, selected?.isForeign == false {
            // Only where nobody listens (RFC 4467, 8), and of the user's own: he authorizes no URLs of others' mailboxes.
            printer.untagged(StatusResponse(.ok, .urlMechanisms([]), "What authorizes URLs"))
        }
        printer.untagged(StatusResponse(.ok, .mailboxID(mailbox.objectID), "Identifies the mailbox"))
        reportHighestModificationSequence(view)
        if machine.isRevision2 { printer.list(MailboxListing(mailbox: name)) }
    }

    private func flags(_ keywords: [String]) -> [Flag] {
        [.answered, .flagged, .deleted, .seen, .draft] + keywords.map(Flag.init)
    }

    /// Those that this user may change (RFC 4314, 5.1.1).
    private func permanentFlags(_ keywords: [String]) -> [Flag] {
        let rights = selected?.rights ?? .all
        let hasRoom = keywords.count < StoredFlags.keywordLimit && rights.contains(.writeFlags)
        return flags(keywords).filter(rights.allow) + (hasRoom ? [.wildcard] : [])
    }

    /// CLOSE removes what is marked without a word about it (RFC 9051, 6.4.1).
    func closeMailbox() async throws -> CommandOutcome {
        if let selected, !selected.view.readOnly, selected.rights.contains(.expunge) {
            var request = ExpungeRequest()
            request.accountID = selected.accountID
            request.mailboxID = selected.view.mailboxID
            if selected.isForeign { request.userID = try accountID() }
            let reply = try await services.store.expunge(request, callContext(changing: true))
            // Without the mailbox, or the right (RFC 4314, 4), nothing is removed.
            if reply.outcome != .noSuchMailbox, reply.outcome != .noPermission { try Refusal.check(reply.outcome) }
            _ = await selected.membership.mailbox.apply(expunged: reply.uids, modseq: reply.modseq)
            if !reply.uids.isEmpty { services.mailboxes.notify(except: selected.membership) }
        }
        unselect()
        return .ok("CLOSE completed", synchronising: .none)
    }

    func unselectMailbox() -> CommandOutcome {
        unselect()
        return .ok("UNSELECT completed", synchronising: .none)
    }

    /// Leaves the mailbox.
    func unselect() {
        guard let selected else { return }
        services.mailboxes.leave(selected.membership)
        self.selected = nil
        machine.mailboxUnselected()
    }

    // MARK: Messages by number

    /// The messages that a command names, as ascending ranges of indices into the view.
    func positions(of messages: MessageSet, by numbering: Numbering) async throws -> [Range<Int>] {
        guard let selected else { throw Refusal(.bad, nil, "Select a mailbox first") }
        switch (messages, numbering) {
        case (.savedResult, _):
            return selected.savedResult.positions(in: selected.view.told.uids)
        case (.set(let set), .sequenceNumbers):
            return try positions(numbered: set)
        case (.set(let set), .uids):
            try await follow(set)
            let uids = self.selected?.view.told.uids ?? []
            return set.resolved(largestUID: uids.last ?? 0).positions(in: uids)
        }
    }

    /// The messages with these sequence numbers; a number beyond the last message is BAD (RFC 9051, 9: `seq-number`).
    func positions(numbered set: SequenceSet) throws -> [Range<Int>] {
        guard let numbers = set.resolved(messageCount: UInt32(clamping: selected?.view.count ?? 0)) else {
            throw Refusal(.bad, nil, "No message has such a number")
        }
        return numbers.ranges.map { Int($0.lowerBound) - 1..<Int($0.upperBound) }
    }

    /// The same messages for a request to storage: pairs of first and last uid. Uids are never reused, so that what lies
    /// between two neighbours of the view is gone.
    func uidPairs(_ positions: [Range<Int>]) -> [UInt32] {
        guard let uids = selected?.view.told.uids else { return [] }
        return positions.flatMap { $0.isEmpty ? [] : [uids[$0.lowerBound], uids[$0.upperBound - 1]] }
    }

    // MARK: Messages that the client knows first

    /// Tells the client of messages whose uids it names before it was told of them. It has them from an APPEND's answer,
    /// behind which storage was away, or from another session: to find nothing would be to say that they are gone.
    private func follow(_ set: SequenceSet) async throws {
        guard let selected, let largest = set.largestNumber, largest >= selected.view.told.mailbox.uidNext else {
            return
        }
        // Behind the last message new ones are looked for again and again: of these it is known here when they come.
        if !set.usesLargest { try await refreshSelected() }
        try await follow()
    }

    /// Tells the client of what it has put there itself, when that is still to be done: a search has to find it.
    func followOwnArrivals() async throws {
        if selected?.awaitsOwnArrivals == true { try await follow() }
    }

    private func follow() async throws {
        guard try await synchronise(.withoutExpunge, events: selectedEvents ?? .all) else { throw Refusal.unavailable }
    }

    // MARK: What the client is told

    /// Asks storage for the selected mailbox's present state, to be told at the end of the command.
    func refreshSelected() async throws {
        guard let selected else { return }
        do {
            _ = try await selected.membership.mailbox.refreshed()
        } catch let refusal as MailboxRefusal where refusal.outcome == .noSuchMailbox {
            throw SessionEnd.bye(Self.mailboxIsGone)
        }
    }

    /// Tells the client what it does not know yet of its mailbox, as far as it may be told now and as far as it wants to be
    /// told. When storage is away the client is told later, and false is returned.
    @discardableResult
    func synchronise(_ synchronisation: Synchronisation) async throws -> Bool {
        guard let events = selectedEvents else { return true }
        return try await synchronise(synchronisation, events: events)
    }

    @discardableResult
    func synchronise(_ synchronisation: Synchronisation, events: SelectedEvents) async throws -> Bool {
        guard synchronisation != .none, let membership = selected?.membership, selected?.isReviewed == true else {
            return true
        }
        tellURLKey(of: membership.mailbox)
        let revision = membership.mailbox.revision.load(ordering: .acquiring)
        let mayExpunge = synchronisation == .full
        guard revision != selected?.revision || (mayExpunge && selected?.view.owesExpunges == true) else { return true }
        let snapshot: MailboxSnapshot
        do {
            snapshot = try await membership.mailbox.current()
        } catch let refusal as MailboxRefusal where refusal.outcome == .noSuchMailbox {
            throw SessionEnd.bye(Self.mailboxIsGone)
        } catch {
            logger.notice("mailbox not refreshed", metadata: ["error": "\(error)"])
            return false
        }
        let lastKnown = selected?.view.told.uids.last ?? 0
        let changes = advance(to: snapshot, mayExpunge: mayExpunge)
        report(changes)
        if changes.exists != nil {
            let own = selected?.ownArrivals ?? []
            selected?.ownArrivals = own.filter { $0 >= snapshot.columns.mailbox.uidNext }
            if !events.newAttributes.isEmpty { try await tellNew(after: lastKnown, except: own, events.newAttributes) }
        }
        for position in changes.changed where events.flags {
            // RFC 5465, 5.1.
            reportFlags(at: position, withUID: notifications != nil)
            try await breathe()
        }
        return true
    }

    /// Moves the view; what is returned must be told.
    func advance(to snapshot: MailboxSnapshot, mayExpunge: Bool) -> ViewChanges {
        selected?.revision = snapshot.revision
        return selected?.view.advance(
            to: snapshot, mayExpunge: mayExpunge, tellsModificationSequences: machine.tellsModificationSequences)
            ?? ViewChanges()
    }

    /// Writes all of the changes but the changed flags.
    func report(_ changes: ViewChanges) {
        tellContextsOfExpunged(changes)
        noteForContexts(changes)
        if machine.tellsVanished || machine.isUIDOnly, let uids = SequenceSet(changes.vanished) {
            printer.vanished(uids, earlier: false)
        } else {
            for number in changes.expunged { printer.expunge(UInt32(clamping: number)) }
        }
        if let exists = changes.exists {
            printer.exists(UInt32(clamping: exists))
            if !machine.isRevision2 { printer.recent(0) }
        }
        if changes.keywords != nil { reportFlagNames() }
    }

    /// Writes which flags there are, and which of them this user may change.
    func reportFlagNames() {
        guard let selected else { return }
        printer.untagged(.flags(flags(selected.keywords)))
        if !selected.view.readOnly {
            printer.untagged(
                StatusResponse(.ok, .permanentFlags(permanentFlags(selected.keywords)), "Flags that are kept"))
        }
    }

    /// Writes a FETCH response with a message's flags. By whom they were changed, IMAP4rev2 and RFC 7162, 3.2.4 want the
    /// unique identifier in it.
    func reportFlags(at position: Int, withUID: Bool = false, withFlags: Bool = true) {
        guard let selected else { return }
        let row = selected.view.told[position]
        beginFetch(at: position, uid: row.uid)
        if !machine.isUIDOnly, withUID || machine.isRevision2 || machine.tellsModificationSequences {
            printer.fetchUID(row.uid)
        }
        if withFlags {
            printer.fetchFlags(
                StoredFlags.system(row.flags), keywordBits: StoredFlags.keywordBits(row.flags),
                keywords: selected.keywords)
        }
        if machine.tellsModificationSequences { printer.fetchModificationSequence(row.modseq) }
        printer.endFetch()
    }

    static let mailboxIsGone = StatusResponse(.bye, nil, "The selected mailbox was deleted")
}

/// How storage keeps a message's flags: bits 0 to 4 are the system flags, bit 8+i is the mailbox's keyword i.
enum StoredFlags {
    /// Keywords of one mailbox.
    static let keywordLimit = 56

    static func system(_ flags: UInt64) -> SystemFlags {
        SystemFlags(rawValue: UInt8(truncatingIfNeeded: flags) & 0x1F)
    }

    static func keywordBits(_ flags: UInt64) -> UInt64 { flags >> 8 }

    /// The bit of a flag; nil for a keyword that the mailbox does not have.
    static func bit(of flag: Flag, keywords: [String]) -> UInt64? {
        switch flag {
        case .seen: return UInt64(SystemFlags.seen.rawValue)
        case .answered: return UInt64(SystemFlags.answered.rawValue)
        case .flagged: return UInt64(SystemFlags.flagged.rawValue)
        case .deleted: return UInt64(SystemFlags.deleted.rawValue)
        case .draft: return UInt64(SystemFlags.draft.rawValue)
        default:
            guard let index = keywords.firstIndex(where: { Flag($0) == flag }), index < keywordLimit else { return nil }
            return 1 << UInt64(8 + index)
        }
    }
}
