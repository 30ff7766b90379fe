import Contracts
import Database
import Messaging

extension MailStoreService {
    private static let strayingSubscriptions = Statement(
        """
        SELECT s.name FROM mail.subscriptions s
        WHERE s.account_id = $1
            AND NOT EXISTS (SELECT FROM mail.mailboxes m WHERE m.account_id = s.account_id AND m.name = s.name)
        ORDER BY s.name
        """)
    private static let addSubscription = Statement(
        "INSERT INTO mail.subscriptions (account_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING")
    private static let removeSubscription = Statement(
        "DELETE FROM mail.subscriptions WHERE account_id = $1 AND name = $2")

    func listMailboxes(_ request: ListMailboxesRequest, _ context: CallContext) async throws -> ListMailboxesReply {
        try await answering {
            var commands = [MailboxRows.all(request.accountID), Self.strayingSubscriptions(request.accountID)]
            if request.others { commands.append(RightsRows.visible(to: request.accountID)) }
            let results = try await pool.run(commands, deadline: context.deadline)
            var reply = ListMailboxesReply()
            for row in results[0] { reply.mailboxes.append(try MailboxRows.decode(row)) }
            for row in results[1] { reply.subscribedWithoutMailbox.append(try row.decode(0, as: String.self)) }
            if request.others {
                for row in results[2] { reply.others.append(try RightsRows.decode(row)) }
            }
            if request.deletedOctets {
                for owner in Set(reply.others.filter { $0.deletedCount > 0 }.map(\.owner.accountID)) {
                    let octets = try await deletedOctets(of: owner, context)
                    for index in reply.others.indices where reply.others[index].deletedCount > 0 {
                        guard let known = octets[reply.others[index].mailboxID] else { continue }
                        reply.others[index].deletedOctets = known
                    }
                }
                let octets = try await deletedOctets(of: request.accountID, context)
                for index in reply.mailboxes.indices {
                    reply.mailboxes[index].deletedOctets = octets[reply.mailboxes[index].mailboxID] ?? 0
                }
            }
            return reply
        }
    }

    func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        let name: String
        do throws(MailboxName.Fault) {
            name = try MailboxName.new(request.name)
        } catch {
            return MailboxReply(refusing: error)
        }
        let limit = mailboxLimit
        return try await change(request.accountID, context) { connection, _ in
            guard try MailboxHierarchy.isNetUnicode(name, on: connection) else {
                return (MailboxReply(.notPermitted), [])
            }
            if let refusal = try RightsRows.refusal(
                toMake: name, request.userID, accountID: request.accountID, on: connection)
            {
                return (MailboxReply(refusal), [])
            }
            if try MailboxHierarchy.find(request.accountID, name, on: connection)?.selectable == true {
                return (MailboxReply(.alreadyExists), [])
            }
            if try MailboxHierarchy.isFull(request.accountID, limit: limit, on: connection) {
                return (MailboxReply(.beyondLimit), [])
            }
            // RFC 6154, 3: a use that cannot be given refuses the mailbox.
            guard try MailboxHierarchy.allows(use: request.specialUse, of: nil, request.accountID, on: connection)
            else { return (MailboxReply(.notPermitted), []) }
            try MailboxHierarchy.make(request.accountID, name, specialUse: request.specialUse, on: connection)
            let mailbox = try MailboxHierarchy.find(request.accountID, name, on: connection)
            return (MailboxReply(.done, mailbox), [Change(mailbox, hierarchy: true)])
        }
    }

    /// RFC 9051, 6.3.5: a mailbox with children leaves its name, which cannot be deleted while it holds them.
    func deleteMailbox(_ request: DeleteMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        let name = MailboxName.canonical(request.name)
        guard name != MailboxName.inbox else { return MailboxReply(.notPermitted) }
        return try await change(request.accountID, context) { connection, _ in
            guard let mailbox = try MailboxHierarchy.find(request.accountID, name, on: connection) else {
                return (MailboxReply(.noSuchMailbox), [])
            }
            if let refusal = try RightsRows.refusal(
                of: .deleteMailbox, to: request.userID, accountID: request.accountID, mailboxID: mailbox.mailboxID,
                on: connection)
            {
                return (MailboxReply(refusal), [])
            }
            let hasChildren = try !MailboxHierarchy.children(request.accountID, name, on: connection).isEmpty
            if hasChildren && !mailbox.selectable { return (MailboxReply(.hasChildren), []) }
            try MailboxHierarchy.delete(request.accountID, mailbox, keepsName: hasChildren, on: connection)
            return (MailboxReply(.done, mailbox), [Change(mailbox, hierarchy: true)])
        }
    }

    /// RFC 9051, 6.3.6: children go with their parent; INBOX stays and gives its messages away.
    func renameMailbox(_ request: RenameMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        let from = MailboxName.canonical(request.from)
        let to: String
        do throws(MailboxName.Fault) {
            to = try MailboxName.new(request.to)
        } catch {
            return MailboxReply(refusing: error)
        }
        let limit = mailboxLimit
        return try await change(request.accountID, context) { connection, use in
            let accountID = request.accountID
            guard let mailbox = try MailboxHierarchy.find(accountID, from, on: connection) else {
                return (MailboxReply(.noSuchMailbox), [])
            }
            // RFC 4314, 4: x on the mailbox, k on the one that will be above it.
            var refusal = try RightsRows.refusal(
                of: .deleteMailbox, to: request.userID, accountID: accountID, mailboxID: mailbox.mailboxID,
                on: connection)
            if refusal == nil {
                refusal = try RightsRows.refusal(toMake: to, request.userID, accountID: accountID, on: connection)
            }
            if let refusal { return (MailboxReply(refusal), []) }
            guard try MailboxHierarchy.find(accountID, to, on: connection) == nil else {
                return (MailboxReply(.alreadyExists), [])
            }
            guard try MailboxHierarchy.isNetUnicode(to, on: connection) else {
                return (MailboxReply(.notPermitted), [])
            }
            if from == MailboxName.inbox {
                if try MailboxHierarchy.isFull(accountID, limit: limit, on: connection) {
                    return (MailboxReply(.beyondLimit), [])
                }
                try MailboxHierarchy.make(accountID, to, on: connection)
                let (_, changes) = try CopyTransaction(
                    accountID: accountID, mailboxID: mailbox.mailboxID, uids: .all, toMailbox: to, moves: true
                ).run(use, on: connection)
                let made = try MailboxHierarchy.find(accountID, to, on: connection)
                // Renaming changes nobody's rights (RFC 4314, 4): who may not read the inbox does not read its messages now.
                if let made { try connection.run(RightsRows.forget(accountID, made.mailboxID)) }
                try RightsRows.copy(accountID, from: from, to: to, on: connection)
                // What is noted of the inbox stays there and goes along (RFC 5464, 4.1), if there is room for it.
                if let made {
                    _ = try MetadataRows.copy(accountID, from: mailbox.mailboxID, to: made.mailboxID, on: connection)
                }
                return (MailboxReply(.done, made), changes + [Change(made, hierarchy: true)])
            }
            guard !to.hasPrefix(from + "/") else { return (MailboxReply(.notPermitted), []) }
            let children = try MailboxHierarchy.children(accountID, from, on: connection)
            guard
                children.allSatisfy({ $0.name.utf8.count - from.utf8.count + to.utf8.count <= MailboxName.octetLimit })
            else { return (MailboxReply(.beyondLimit), []) }
            for parent in MailboxName.parents(of: to)
            where try MailboxHierarchy.find(accountID, parent, on: connection) == nil {
                try MailboxHierarchy.makeName(accountID, parent, on: connection)
            }
            try MailboxHierarchy.move(accountID, mailbox, to: to, on: connection)
            for child in children {
                let name = to + String(child.name.dropFirst(from.count))
                try MailboxHierarchy.move(accountID, child, to: name, on: connection)
            }
            let renamed = try MailboxHierarchy.find(accountID, to, on: connection)
            return (MailboxReply(.done, renamed), [Change(renamed, hierarchy: true)])
        }
    }

    /// RFC 9051, 6.3.7 and 6.3.8. A name without a mailbox may be subscribed: the mailbox may come (back).
    func subscribe(_ request: SubscribeRequest, _ context: CallContext) async throws -> MailboxReply {
        let name = MailboxName.canonical(request.name)
        guard name.utf8.count <= MailboxName.octetLimit, !name.contains("\0") else {
            return MailboxReply(.beyondLimit)
        }
        let reply = try await answering {
            let statement = request.subscribed ? Self.addSubscription : Self.removeSubscription
            let results = try await pool.run(
                [statement(request.accountID, name), MailboxRows.byName(request.accountID, name)],
                deadline: context.deadline)
            return MailboxReply(.done, try results[1].first.map(MailboxRows.decode))
        }
        announce(
            MailboxChanged(
                MailboxKey(accountID: request.accountID, mailboxID: reply.mailbox.mailboxID),
                modseq: Int64(clamping: reply.mailbox.highestModseq), hierarchy: true))
        return reply
    }
}

extension MailStoreService.Change {
    init(_ mailbox: Mailbox?, hierarchy: Bool) {
        mailboxID = mailbox?.mailboxID ?? 0
        modseq = Int64(clamping: mailbox?.highestModseq ?? 0)
        self.hierarchy = hierarchy
    }
}

extension MailboxReply {
    init(_ outcome: MailboxOutcome, _ mailbox: Mailbox? = nil) {
        self.init()
        self.outcome = outcome
        if let mailbox { self.mailbox = mailbox }
    }

    init(refusing fault: MailboxName.Fault) {
        switch fault {
        case .notPermitted: self.init(MailboxOutcome.notPermitted)
        case .beyondLimit: self.init(MailboxOutcome.beyondLimit)
        }
    }
}
