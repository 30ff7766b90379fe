import Contracts
import IMAPSyntax
import Messaging

/// What a session with NOTIFY keeps (RFC 5465).
struct Notifications: Sendable {
    var rules: NotificationRules
    /// What the client was told of all mailboxes; nil when it wants to hear of the selected one only.
    var told: NotifiedMailboxes?
    var watch: AccountWatch?
    /// Mailboxes that have changed and of which nothing has been said yet.
    var changed: Set<Int64> = []
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
            note(change.annotations, of: change.mailboxID)
            if !change.hierarchy { return }
        }
        guard let change, !change.hierarchy else {
            isStale = true
            return
        }
        if changed.count < Self.singleMailboxes { changed.insert(change.mailboxID) } else { isStale = true }
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
        guard case .set(let wantsStatus, let groups) = command else {
            endNotifications()
            notifications = Notifications(rules: .nothing)
            return .ok("NOTIFY completed", synchronising: .none)
        }
        let rules = try NotificationRules(groups)
        // What has gathered is told first, whatever is told from now on (RFC 5465, 3.1).
        try await refreshSelected()
        try await synchronise(.full, events: .all)
        endNotifications()
        var next = Notifications(rules: rules)
        if rules.watchesOthers {
            let accountID = try accountID()
            // Listens before it asks, so that nothing falls between.
            next.watch = services.mailboxes.watch(accountID) { [weak self] in self?.accountChanged($0) }
            notifications = next
            do {
                let told = NotifiedMailboxes(try await mailboxes())
                notifications?.told = told
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
        if let watch = notifications?.watch { services.mailboxes.end(watch) }
        notifications = nil
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
        notifications?.changed = []
        notifications?.annotations = [:]
        let circumstances = circumstances(pending.rules)
        do {
            var notices: [NotifiedMailboxes.Notice] = []
            if pending.isStale {
                notices = told.update(try await mailboxes(), circumstances)
            } else {
                for mailboxID in pending.changed.sorted() {
                    guard let mailbox = try await describe(mailboxID) else { continue }
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

    /// A mailbox without its messages; nil when it is gone, which the news of the hierarchy tells.
    private func describe(_ mailboxID: Int64) async throws -> Mailbox? {
        var request = ViewRequest()
        request.accountID = try accountID()
        request.mailboxID = mailboxID
        request.changedSince = UInt64(Int64.max)
        do {
            return try await ViewLoad.read(from: services.store.view(request, callContext())).mailbox
        } catch let refusal as MailboxRefusal where refusal.outcome == .noSuchMailbox {
            return nil
        }
    }
}
