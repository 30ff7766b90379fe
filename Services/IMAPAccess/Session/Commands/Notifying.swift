import Contracts
import IMAPSyntax
import Messaging

/// What a session with NOTIFY keeps (RFC 5465).
struct Notifications: Sendable {
    var rules: NotificationRules
    /// What the client was told of all mailboxes; nil when it wants to hear of the selected one only.
    var told: NotifiedMailboxes?
    /// Its ears, by account: the user's own, and where the rules reach further those whose mailboxes he may see, and that
    /// of what concerns all accounts.
    var watches: [Int64: AccountWatch] = [:]
    /// The user's own account.
    let accountID: Int64
    /// Mailboxes that have changed and of which nothing has been said yet: whose each is.
    var changed: [Int64: Int64] = [:]
    /// More has changed than that.
    var isStale = false
    /// Annotations that have changed, by mailbox; what does not find room is not told, since nobody could find it out.
    var annotations: [Int64: [String]] = [:]
    /// Entries that this session itself has set, and that are to come back as news.
    var ownAnnotations: [String] = []

    /// Beyond so many, all mailboxes are asked for at once.
    fileprivate static let singleMailboxes = 16

    mutating func note(_ change: MailboxChanged?) {
        if change?.urlKey == true { return }
        if let change, !change.annotations.isEmpty {
            // Of others' annotations those of their mailboxes are told that are not private.
            let isForeign = change.accountID != accountID
            let entries = isForeign ? change.annotations.filter { $0.hasPrefix("/shared/") } : change.annotations
            if !isForeign || change.mailboxID != 0 { note(entries, of: change.mailboxID) }
            if !change.hierarchy { return }
        }
        guard let change, !change.hierarchy else {
            isStale = true
            return
        }
        if changed.count < Self.singleMailboxes {
            changed[change.mailboxID] = change.accountID
        } else {
            isStale = true
        }
    }
}

extension Notifications {
    private static let entries = 64

    private mutating func note(_ names: [String], of mailboxID: Int64) {
        for name in names {
            if let own = ownAnnotations.firstIndex(of: name) {
                ownAnnotations.remove(at: own)
            } else if annotations.count < Self.singleMailboxes, (annotations[mailboxID]?.count ?? 0) < Self.entries {
                if annotations[mailboxID]?.contains(name) != true { annotations[mailboxID, default: []].append(name) }
            }
        }
    }
}

/// NOTIFY (RFC 5465).
extension Session {
    func notify(_ command: NotifyCommand) async throws -> CommandOutcome {
        let accountID = try accountID()
        guard case .set(let wantsStatus, let groups) = command else {
            endNotifications()
            notifications = Notifications(rules: .nothing, accountID: accountID)
            return .ok("NOTIFY completed", synchronising: .none)
        }
        let rules = try NotificationRules(groups)
        // What has gathered is told first, whatever is told from now on (RFC 5465, 3.1).
        try await refreshSelected()
        try await synchronise(.full, events: .all)
        endNotifications()
        let next = Notifications(rules: rules, accountID: accountID)
        if rules.watchesOthers {
            notifications = next
            // Listens before it asks, so that nothing falls between.
            listen(to: rules.reachOtherAccounts ? [accountID, MailboxTopic.anyone] : [accountID])
            do {
                let list = try await watchedMailboxes()
                let told = NotifiedMailboxes(list)
                notifications?.told = told
                for notice in told.inaccessible(groups) { report(notice) }
                if wantsStatus { for notice in told.overview(circumstances(rules)) { report(notice) } }
            } catch {
                endNotifications()
                notifications = nil
                throw error
            }
        } else {
            notifications = next
        }
        return .ok("NOTIFY completed", synchronising: .none)
    }

    /// The client wants to hear nothing any more, or is gone.
    func endNotifications() {
        for watch in (notifications?.watches ?? [:]).values { services.mailboxes.end(watch) }
        notifications = nil
    }

    /// To so many accounts one session listens at most; of mailboxes of others it hears when something else happens.
    private static var watchedAccounts: Int { 64 }

    /// Listens to these accounts as well.
    private func listen(to accounts: [Int64]) {
        for account in accounts {
            guard let watches = notifications?.watches, watches[account] == nil, watches.count < Self.watchedAccounts
            else { continue }
            notifications?.watches[account] = services.mailboxes.watch(account) { [weak self] in
                self?.accountChanged($0)
            }
        }
    }

    /// The mailboxes that the rules may mean, with those of others where they reach so far. Of accounts that are new among
    /// them it is listened to first, and then asked again.
    private func watchedMailboxes() async throws -> ListMailboxesReply {
        guard notifications?.rules.reachOtherAccounts == true else { return try await mailboxes(others: false) }
        let list = try await mailboxes()
        let owners = Set(list.mailboxes.filter(\.hasOwner).map(\.owner.accountID))
        let before = notifications?.watches.count
        listen(to: owners.sorted())
        return notifications?.watches.count == before ? list : try await mailboxes()
    }

    /// What of the selected mailbox is told; nil for nothing.
    var selectedEvents: SelectedEvents? {
        guard let notifications else { return .all }
        return notifications.rules.selected
    }

    /// What may wake a session that waits for a command.
    var awaitedNotifications: Wakeups {
        guard let notifications else { return [] }
        return notifications.rules.selected == nil ? .notified : [.changed, .notified]
    }

    /// Something changed in the account; nil when events may have been lost. From any thread.
    nonisolated func accountChanged(_ change: MailboxChanged?) {
        channel.eventLoop.execute {
            self.assumeIsolated { session in
                session.notifications?.note(change)
                session.signal(.notified)
            }
        }
    }

    /// Tells what has happened, between commands. False when storage could not say it; then it is to be asked again soon.
    func tellNotifications() async throws -> Bool {
        var isTold = true
        do {
            try await reviewSelected()
        } catch let end as SessionEnd {
            throw end
        } catch {
            logger.notice("rights not looked at", metadata: ["error": "\(error)"])
            return false
        }
        if let events = selectedEvents {
            isTold = try await synchronise(events.delaysExpunges ? .withoutExpunge : .full)
            try await tellContexts()
            reportExpungesHeldBack()
        }
        return try await tellOfOthers() && isTold
    }

    /// Tells of mailboxes that are not selected.
    func tellOfOthers() async throws -> Bool {
        guard let pending = notifications, var told = pending.told,
            pending.isStale || !pending.changed.isEmpty || !pending.annotations.isEmpty
        else { return true }
        notifications?.isStale = false
        notifications?.changed = [:]
        notifications?.annotations = [:]
        let circumstances = circumstances(pending.rules)
        do {
            var notices: [NotifiedMailboxes.Notice] = []
            if pending.isStale {
                notices = told.update(try await watchedMailboxes(), circumstances)
            } else {
                for (mailboxID, owner) in pending.changed.sorted(by: { $0.key < $1.key }) {
                    guard let mailbox = try await describe(mailboxID, of: owner) else { continue }
                    if let notice = told.update(mailbox, circumstances) { notices.append(notice) }
                }
            }
            for (mailboxID, entries) in pending.annotations.sorted(by: { $0.key < $1.key }) {
                if let notice = told.annotationsChanged(entries, of: mailboxID, circumstances) {
                    notices.append(notice)
                }
            }
            notifications?.told = told
            for notice in notices {
                report(notice)
                try await breathe()
            }
            return true
        } catch let end as SessionEnd {
            throw end
        } catch {
            logger.notice("mailboxes not looked at", metadata: ["error": "\(error)"])
            notifications?.isStale = true
            return false
        }
    }

    private func circumstances(_ rules: NotificationRules) -> NotifiedMailboxes.Circumstances {
        NotifiedMailboxes.Circumstances(
            rules: rules, selectedID: selected?.view.mailboxID,
            tellsModificationSequences: machine.tellsModificationSequences)
    }

    private func report(_ notice: NotifiedMailboxes.Notice) {
        switch notice {
        case .status(let mailbox, let items): report(mailbox, items)
        case .list(let listing): printer.list(listing)
        case .metadata(let mailbox, let entries): printer.untagged(.metadataChanged(mailbox, entries))
        }
    }

    /// A mailbox without its messages; nil when it is gone, which the news of the hierarchy tells, or not for this user.
    private func describe(_ mailboxID: Int64, of owner: Int64) async throws -> Mailbox? {
        let user = try accountID()
        if owner != user {
            // As it was when it was listed: what is subscribed and what it is called is known from there.
            guard let before = notifications?.told?[mailboxID], var mailbox = try await readable(mailboxID, of: owner),
                mailbox.permissions.contains(.lookup)
            else { return nil }
            mailbox.name = NamespacedName.name(of: mailbox)
            mailbox.subscribed = before.subscribed
            return mailbox
        }
        var request = ViewRequest()
        request.accountID = user
        request.mailboxID = mailboxID
        request.changedSince = UInt64(Int64.max)
        do {
            return try await ViewLoad.read(from: services.store.view(request, callContext())).mailbox
        } catch let refusal as MailboxRefusal where refusal.outcome == .noSuchMailbox {
            return nil
        }
    }
}
