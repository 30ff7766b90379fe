import Contracts
import IMAPSyntax
import Messaging
import Synchronization

/// The mailboxes that sessions of this process have selected, and who wants to hear of their changes.
///
/// An entry lives as long as a session has the mailbox selected, and the process listens to an account's change events
/// as long as a session has any of its mailboxes selected.
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
    }

    private struct Account {
        var memberships = 0
        var listening: Task<Void, Never>?
    }

    private struct State {
        var entries: [Int64: Entry] = [:]
        /// Under which names mailboxes were opened; a name may mean another mailbox by now.
        var names: [Name: Int64] = [:]
        var accounts: [Int64: Account] = [:]
        var nextListener: UInt64 = 0
    }

    private let state = Mutex(State())
    private let store: any MailStore
    private let timeout: Duration
    private let events: EventSubscriber?

    /// Without a subscriber, sessions learn of changes by others only when they ask.
    init(store: any MailStore, timeout: Duration, events: EventSubscriber?) {
        self.store = store
        self.timeout = timeout
        self.events = events
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
                leave(membership)
                // Deleted, and perhaps made again under the same name.
                guard (error as? MailboxRefusal)?.outcome == .noSuchMailbox else { throw error }
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
        state.entries[mailboxID]?.listeners[number] = changed
        state.entries[mailboxID]?.names.insert(name)
        listen(&state, mailbox.accountID)
        return MailboxMembership(mailbox: mailbox, number: number)
    }

    func leave(_ membership: MailboxMembership) {
        let ended: Task<Void, Never>? = state.withLock { state in
            let (mailboxID, accountID) = (membership.mailbox.mailboxID, membership.mailbox.accountID)
            guard state.entries[mailboxID]?.listeners.removeValue(forKey: membership.number) != nil else { return nil }
            if let entry = state.entries[mailboxID], entry.listeners.isEmpty {
                state.entries[mailboxID] = nil
                for name in entry.names where state.names[name] == mailboxID { state.names[name] = nil }
            }
            state.accounts[accountID]?.memberships -= 1
            guard let account = state.accounts[accountID], account.memberships <= 0 else { return nil }
            state.accounts[accountID] = nil
            return account.listening
        }
        ended?.cancel()
    }

    /// Tells the other sessions of a mailbox that this process has changed it.
    func notify(except membership: MailboxMembership) {
        let listeners = state.withLock { $0.entries[membership.mailbox.mailboxID]?.listeners ?? [:] }
        for (number, changed) in listeners where number != membership.number { changed() }
    }

    /// How many mailboxes are selected by some session, and to how many accounts' events the process listens.
    var counts: (mailboxes: Int, accounts: Int) {
        state.withLock { ($0.entries.count, $0.accounts.count) }
    }

    // MARK: Events

    /// One more membership; the first begins to listen. The task ends with the last one (`leave`).
    private func listen(_ state: inout State, _ accountID: Int64) {
        var account = state.accounts[accountID] ?? Account()
        account.memberships += 1
        if account.listening == nil, let events {
            account.listening = Task { [weak self] in
                for await notice in events.subscribe(MailboxTopic.account(accountID)) {
                    guard let self, !Task.isCancelled else { return }
                    if let change = notice.mailboxChanged {
                        await self.announce(change)
                    } else {
                        await self.announceLapse(accountID)
                    }
                }
            }
        }
        state.accounts[accountID] = account
    }

    /// A change event came. It is a hint: the modseq is the truth.
    func announce(_ event: MailboxChanged) async {
        guard let entry = state.withLock({ $0.entries[event.mailboxID] }),
            entry.mailbox.accountID == event.accountID
        else { return }
        if await entry.mailbox.announce(event.highestModseq) { entry.listeners.values.forEach { $0() } }
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
