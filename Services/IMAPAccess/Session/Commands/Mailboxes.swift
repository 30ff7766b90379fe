import Contracts
import IMAPSyntax

/// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS (RFC 9051, 6.3.4 to 6.3.8 and 6.3.11).
extension Session {
    func create(_ arguments: CreateCommand) async throws -> CommandOutcome {
        var name = arguments.mailbox.value
        // A delimiter at the end only announces that names will be created below (RFC 9051, 6.3.4).
        if name.hasSuffix("/") { name.removeLast() }
        try checkName(name)
        guard arguments.specialUse.count <= 1, arguments.specialUse.allSatisfy(MailboxAttribute.specialUses.contains)
        else { throw Refusal(.no, .useAttribute, "Not a special use that this server gives") }
        let place = try await placeOfNew(MailboxName(name))
        var request = CreateMailboxRequest()
        request.accountID = place.accountID
        request.name = place.name.value
        request.specialUse = arguments.specialUse.first?.name ?? ""
        let user = try accountID()
        if place.accountID != user {
            request.userID = user
            // What a mailbox is for is for its owner to say.
            guard request.specialUse.isEmpty else {
                throw Refusal(.no, .useAttribute, "Only mailboxes of your own have a special use")
            }
        }
        notifications?.told?.touched(MailboxName(name))
        let reply = try await services.store.createMailbox(request, callContext(changing: true))
        try check(reply.outcome, ofNewIn: place.accountID)
        return .ok("CREATE completed", .mailboxID(reply.mailbox.objectID))
    }

    func delete(_ name: MailboxName) async throws -> CommandOutcome {
        guard !name.isInbox else { throw Refusal(.no, .cannot, "INBOX cannot be deleted") }
        let place = try await place(of: name, needing: .deleteMailbox)
        guard !place.name.isInbox else { throw Refusal(.no, .cannot, "INBOX cannot be deleted") }
        var request = DeleteMailboxRequest()
        request.accountID = place.accountID
        if place.isForeign { request.userID = try accountID() }
        notifications?.told?.touched(name)
        request.name = place.name.value
        try Refusal.check(try await services.store.deleteMailbox(request, callContext(changing: true)).outcome)
        // The mailbox that this very session has selected is gone with it.
        if let selected, selected.accountID == place.accountID,
            selected.view.told.mailbox.name == place.name.value
        {
            unselect()
            printer.untagged(StatusResponse(.ok, .closed, "The selected mailbox was deleted"))
        }
        return .ok("DELETE completed")
    }

    func rename(_ from: MailboxName, _ to: MailboxName) async throws -> CommandOutcome {
        try checkName(to.value)
        guard !to.isInbox else { throw Refusal(.no, .alreadyExists, "INBOX exists already") }
        let source = try await place(of: from, needing: .deleteMailbox)
        let target = try await placeOfNew(to)
        guard source.accountID == target.accountID else {
            throw Refusal(.no, .cannot, "A mailbox stays with its owner")
        }
        guard !target.name.isInbox else { throw Refusal(.no, .alreadyExists, "INBOX exists already") }
        var request = RenameMailboxRequest()
        request.accountID = source.accountID
        request.from = source.name.value
        request.to = target.name.value
        if source.isForeign { request.userID = try accountID() }
        notifications?.told?.touched(from)
        notifications?.told?.touched(to)
        let reply = try await services.store.renameMailbox(request, callContext(changing: true))
        try check(reply.outcome, ofNewIn: source.accountID)
        if source.name.isInbox, let selected, selected.accountID == source.accountID,
            selected.view.told.mailbox.name == source.name.value
        {
            try await refreshSelected()
        }
        return .ok("RENAME completed")
    }

    func subscribe(_ name: MailboxName, _ subscribed: Bool) async throws -> CommandOutcome {
        var request = SubscribeRequest()
        request.accountID = try accountID()
        request.name = name.value
        request.subscribed = subscribed
        notifications?.told?.touched(name)
        try Refusal.check(try await services.store.subscribe(request, callContext(changing: true)).outcome)
        return .ok(subscribed ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed")
    }

    func status(_ arguments: StatusCommand) async throws -> CommandOutcome {
        let wantsDeletedOctets = arguments.items.contains(.deletedStorage)
        let place = try await place(of: arguments.mailbox, needing: .read, deletedOctets: wantsDeletedOctets)
        var mailbox: Mailbox
        if let known = place.mailbox {
            mailbox = known
            mailbox.name = arguments.mailbox.value
        } else {
            var request = ViewRequest()
            request.accountID = place.accountID
            request.mailboxName = place.name.value
            // Nothing is newer than this: the answer describes the mailbox and lists no message.
            request.changedSince = UInt64(Int64.max)
            request.deletedOctets = wantsDeletedOctets
            mailbox = try await ViewLoad.read(from: services.store.view(request, callContext())).mailbox
        }
        guard mailbox.selectable else { throw Refusal.noSuchMailbox }
        report(mailbox, arguments.items)
        if arguments.items.contains(.highestModificationSequence) { beginModificationSequences() }
        return .ok("STATUS completed")
    }

    /// Writes a STATUS response.
    func report(_ mailbox: Mailbox, _ items: [StatusItem]) {
        printer.status(
            of: MailboxName(mailbox.name),
            items.map { item in
                switch item {
                case .messages: StatusValue(item, UInt64(mailbox.messageCount))
                // Nothing is recent for any session: see `Flag.recent` in FETCH.
                case .recent: StatusValue(item, 0)
                case .uidNext: StatusValue(item, UInt64(mailbox.uidNext))
                case .uidValidity: StatusValue(item, UInt64(mailbox.uidValidity))
                case .unseen: StatusValue(item, UInt64(mailbox.unseenCount))
                case .deleted: StatusValue(item, UInt64(mailbox.deletedCount))
                case .size: StatusValue(item, UInt64(max(0, mailbox.octets)))
                case .highestModificationSequence: StatusValue(item, mailbox.highestModseq)
                case .deletedStorage: StatusValue(item, UInt64(max(0, mailbox.deletedOctets)))
                case .mailboxID: StatusValue(item, .objectID(mailbox.objectID))
                case .appendLimit: StatusValue(item, UInt64(limits.appendLimit))
                }
            })
    }

    private func checkName(_ name: String) throws {
        let levels = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.isEmpty, levels.allSatisfy({ !$0.isEmpty }), name.utf8.count <= 1000, levels.count <= 64,
            name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        else { throw Refusal(.no, .cannot, "Not a name for a mailbox") }
    }
}

extension Mailbox {
    /// What identifies the mailbox whatever it is called (RFC 8474, 4).
    var objectID: ObjectID { ObjectID(.mailbox, UInt64(bitPattern: mailboxID)) }
}
