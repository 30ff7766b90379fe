import Contracts
import IMAPSyntax
import Messaging
import Synchronization

/// The mailboxes that sessions of this process have selected, and who wants to hear of their changes.
///
/// An entry outlives the last session that has the mailbox selected, until others need the room: who opens it next asks
/// storage only for what has changed. The process listens to an account's change events as long as a session has any of
/// its mailboxes selected or watches them all.
final class MailboxRegistry: Sendable {
    private struct Name: Hashable {
        var accountID: Int64
        var name: String
    }

    private struct Entry {
        let mailbox: SharedMailbox
        var listeners: [UInt64: @Sendable () -> Void] = [:]
        /// Under which names sessions opened it.
        var names: Set<Name> = []
        /// Set while no session has it selected: when that began, and what it is counted for.
        var rest: (since: UInt64, messages: Int)?
    }

    private struct Account {
        /// Sessions that have one of its mailboxes selected, and those that watch all of them.
        var listeners = 0
        var watchers: [UInt64: @Sendable (MailboxChanged?) -> Void] = [:]
        var listening: Task<Void, Never>?
    }

    private struct State {
        var entries: [Int64: Entry] = [:]
        /// Under which names mailboxes were opened; a name may mean another mailbox by now.
        var names: [Name: Int64] = [:]
        var accounts: [Int64: Account] = [:]
        var nextListener: UInt64 = 0
        /// What all entries that rest are counted for.
        var restingMessages = 0

        mutating func rest(_ mailboxID: Int64, _ leastCount: Int) {
            guard let mailbox = entries[mailboxID]?.mailbox else { return }
            let messages = mailbox.messageCount.load(ordering: .relaxed) + leastCount
            entries[mailboxID]?.rest = (nextListener, messages)
            restingMessages += messages
        }

        mutating func forget(_ mailboxID: Int64) {
            guard let entry = entries.removeValue(forKey: mailboxID) else { return }
            restingMessages -= entry.rest?.messages ?? 0
            for name in entry.names where names[name] == mailboxID { names[name] = nil }
        }

        /// Forgets those that have rested longest, until no more than this is kept.
        mutating func makeRoom(_ limit: Int) {
            let resting = entries.compactMap { id, entry in entry.rest.map { (id, $0.since) } }
            for (id, _) in resting.sorted(by: { $0.1 < $1.1 }) {
                if restingMessages <= limit { return }
                forget(id)
            }
        }
    }

    private let state = Mutex(State())
    private let store: any MailStore
    private let timeout: Duration
    private let events: EventSubscriber?
    private let restingLimit: Int
    /// A mailbox of few messages takes room, too.
    private static let leastCount = 64

    /// Without a subscriber, sessions learn of changes by others only when they ask. Of mailboxes that nobody has selected
    /// any more, those left last are kept, up to `restingLimit` messages in all.
    init(store: any MailStore, timeout: Duration, events: EventSubscriber?, restingLimit: Int) {
        self.store = store
        self.timeout = timeout
        self.events = events
        self.restingLimit = restingLimit
    }

    /// Opens a mailbox for one session: what other sessions know of it already is only brought up to date.
    /// `changed` is called when an event brings news.
    func open(
        _ name: MailboxName, accountID: Int64, context: CallContext, changed: @escaping @Sendable () -> Void
    ) async throws -> (MailboxMembership, MailboxSnapshot) {
        let key = Name(accountID: accountID, name: name.value)
        if let membership = state.withLock({ state in
            state.names[key].flatMap { join(&state, $0, key, changed) }
        }) {
            do {
                let snapshot = try await membership.mailbox.refreshed()
                if snapshot.columns.mailbox.name == name.value { return (membership, snapshot) }
                leave(membership)
            } catch {
                // Deleted, and perhaps made again under the same name.
                let isGone = (error as? MailboxRefusal)?.outcome == .noSuchMailbox
                leave(membership, forgetting: isGone)
                guard isGone else { throw error }
            }
        }
        var request = ViewRequest()
        request.accountID = accountID
        request.mailboxName = name.value
        let load = try await ViewLoad.read(from: store.view(request, context))
        guard load.mailbox.selectable else { throw MailboxRefusal(outcome: .noSuchMailbox) }
        let membership = state.withLock { state in
            let id = load.mailbox.mailboxID
            state.names[key] = id
            if let membership = join(&state, id, key, changed) { return membership }
            let mailbox = SharedMailbox(accountID: accountID, mailboxID: id, store: store, timeout: timeout)
            let number = state.nextListener
            state.nextListener += 1
            state.entries[id] = Entry(mailbox: mailbox, listeners: [number: changed], names: [key])
            listen(&state, accountID)
            return MailboxMembership(mailbox: mailbox, number: number)
        }
        return (membership, await membership.mailbox.adopt(load.columns))
    }

    private func join(
        _ state: inout State, _ mailboxID: Int64, _ name: Name, _ changed: @escaping @Sendable () -> Void
    ) -> MailboxMembership? {
        guard let mailbox = state.entries[mailboxID]?.mailbox else { return nil }
        let number = state.nextListener
        state.nextListener += 1
        if let rest = state.entries[mailboxID]?.rest {
            state.restingMessages -= rest.messages
            state.entries[mailboxID]?.rest = nil
        }
        state.entries[mailboxID]?.listeners[number] = changed
        state.entries[mailboxID]?.names.insert(name)
        listen(&state, mailbox.accountID)
        return MailboxMembership(mailbox: mailbox, number: number)
    }

    /// `forgetting` when the mailbox is gone, so that nothing of it is worth keeping.
    func leave(_ membership: MailboxMembership, forgetting: Bool = false) {
        let ended = state.withLock { state -> Task<Void, Never>? in
            let (mailboxID, accountID) = (membership.mailbox.mailboxID, membership.mailbox.accountID)
            guard state.entries[mailboxID]?.listeners.removeValue(forKey: membership.number) != nil else { return nil }
            if let entry = state.entries[mailboxID], entry.listeners.isEmpty {
                if forgetting { state.forget(mailboxID) } else { state.rest(mailboxID, Self.leastCount) }
                if state.restingMessages > restingLimit { state.makeRoom(restingLimit / 4 * 3) }
            }
            return leaveAccount(&state, accountID)
        }
        ended?.cancel()
    }

    /// One listener less; returns what ends with the last one.
    private func leaveAccount(_ state: inout State, _ accountID: Int64) -> Task<Void, Never>? {
        state.accounts[accountID]?.listeners -= 1
        guard let account = state.accounts[accountID], account.listeners <= 0 else { return nil }
        state.accounts[accountID] = nil
        return account.listening
    }

    // MARK: Whole accounts

    /// Calls `changed` with each change in any of the account's mailboxes, and with nil when changes may have been missed,
    /// until the watch ends.
    func watch(_ accountID: Int64, _ changed: @escaping @Sendable (MailboxChanged?) -> Void) -> AccountWatch {
        state.withLock { state in
            let number = state.nextListener
            state.nextListener += 1
            listen(&state, accountID)
            state.accounts[accountID]?.watchers[number] = changed
            return AccountWatch(accountID: accountID, number: number)
        }
    }

    func end(_ watch: AccountWatch) {
        let ended = state.withLock { state -> Task<Void, Never>? in
            guard state.accounts[watch.accountID]?.watchers.removeValue(forKey: watch.number) != nil else { return nil }
            return leaveAccount(&state, watch.accountID)
        }
        ended?.cancel()
    }

    private func tellWatchers(_ accountID: Int64, _ change: MailboxChanged?) {
        let watchers = state.withLock { $0.accounts[accountID]?.watchers ?? [:] }
        for changed in watchers.values { changed(change) }
    }

    /// Tells the other sessions of a mailbox that this process has changed it.
    func notify(except membership: MailboxMembership) {
        let listeners = state.withLock { $0.entries[membership.mailbox.mailboxID]?.listeners ?? [:] }
        for (number, changed) in listeners where number != membership.number { changed() }
    }

    /// How many mailboxes are selected by some session (`resting` ones are not), and to how many accounts' events the process listens.
    var counts: (mailboxes: Int, accounts: Int) {
        state.withLock { state in (state.entries.values.count { $0.rest == nil }, state.accounts.count) }
    }

    /// How many mailboxes are kept that no session has selected.
    var resting: Int { state.withLock { state in state.entries.values.count { $0.rest != nil } } }

    // MARK: Events

    /// One more listener; the first begins to listen. The task ends with the last one (`leaveAccount`).
    private func listen(_ state: inout State, _ accountID: Int64) {
        var account = state.accounts[accountID] ?? Account()
        account.listeners += 1
        if account.listening == nil, let events {
            account.listening = Task { [weak self] in
                for await notice in events.subscribe(MailboxTopic.account(accountID)) {
                    guard let self, !Task.isCancelled else { return }
                    if let change = notice.mailboxChanged {
                        await self.announce(change)
                    } else {
                        await self.announceLapse(accountID)
                    }
                    self.tellWatchers(accountID, notice.mailboxChanged)
                }
            }
        }
        state.accounts[accountID] = account
    }

    /// A change event came. It is a hint: the modseq is the truth.
    func announce(_ event: MailboxChanged) async {
        if event.urlKey { return announceURLKey(event) }
        guard let entry = state.withLock({ $0.entries[event.mailboxID] }),
            entry.mailbox.accountID == event.accountID
        else { return }
        // A mailbox that is deleted or renamed gets no newer modseq: storage is asked all the same. Whether its users may
        // still see it may have changed as well.
        let isNews = await entry.mailbox.announce(event.hierarchy ? .max : event.highestModseq)
        if isNews || event.hierarchy { entry.listeners.values.forEach { $0() } }
    }

    /// URLs are authorized with another key, in one mailbox or in all.
    private func announceURLKey(_ event: MailboxChanged) {
        let entries = state.withLock { state in
            state.entries.values.filter { entry in
                entry.mailbox.accountID == event.accountID
                    && (event.mailboxID == 0 || entry.mailbox.mailboxID == event.mailboxID)
            }
        }
        for entry in entries {
            entry.mailbox.urlKeys.add(1, ordering: .releasing)
            entry.listeners.values.forEach { $0() }
        }
    }

    /// Events may have been lost, so that every mailbox of the account may have changed.
    private func announceLapse(_ accountID: Int64) async {
        let entries = state.withLock { $0.entries.values.filter { $0.mailbox.accountID == accountID } }
        for entry in entries {
            _ = await entry.mailbox.announce(.max)
            entry.listeners.values.forEach { $0() }
        }
    }
}

/// One session's place among those that share a mailbox.
struct MailboxMembership: Sendable {
    let mailbox: SharedMailbox
    let number: UInt64
}

/// One session's ear for all mailboxes of an account.
struct AccountWatch: Sendable {
    let accountID: Int64
    let number: UInt64
}
