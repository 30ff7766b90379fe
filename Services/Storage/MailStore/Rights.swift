import Contracts
import Database
import Messaging

/// Access control (RFC 4314). The owner of a mailbox may do everything, always; others what the list says: what is given
/// to them or to anyone, without what is taken from them or from anyone.
extension MailStoreService {
    func findMailbox(_ request: FindMailboxRequest, _ context: CallContext) async throws -> FindMailboxReply {
        try await answering {
            let user = request.userID
            var names: [String] = []
            if case .mailboxName(let name)? = request.which {
                let name = MailboxName.canonical(name)
                names = [name] + MailboxName.parents(of: name)
            }
            let commands: [Command]
            switch (request.owner, request.which) {
            case (.address(let address)?, .mailboxName?):
                let known = address.lowercased()
                commands = [
                    RightsRows.ownerByAddress(known, request.shared),
                    RightsRows.foundByAddress(user, known, request.shared, names),
                ]
            case (.accountID(let accountID)?, .mailboxName?):
                commands = [RightsRows.ownerByID(accountID), RightsRows.foundByAccount(user, accountID, names)]
            case (.accountID(let accountID)?, .mailboxID(let mailboxID)?):
                commands = [RightsRows.ownerByID(accountID), RightsRows.foundByID(user, accountID, mailboxID)]
            case (.address?, .mailboxID?), (.address?, nil), (.accountID?, nil), (nil, _):
                throw MessagingError(.malformed, "a mailbox is named by its owner and its name")
            }
            let results = try await pool.run(commands, deadline: context.deadline)
            var reply = FindMailboxReply()
            reply.outcome = .noSuchMailbox
            guard let owner = try results[0].first?.decode(0, as: Int64.self), owner != user else { return reply }
            reply.accountID = owner
            for row in results[1] {
                let mailbox = try RightsRows.decode(row)
                guard names.isEmpty || mailbox.name == names[0] else {
                    // The longest of the names above it.
                    reply.parentRights = mailbox.rights
                    break
                }
                guard !mailbox.permissions.isDisjoint(with: .anyToKnow) else { continue }
                reply.outcome = .done
                reply.mailbox = mailbox
                break
            }
            if request.deletedOctets, reply.mailbox.deletedCount > 0 {
                let octets = try await deletedOctets(of: owner, mailboxID: reply.mailbox.mailboxID, context)
                reply.mailbox.deletedOctets = octets[reply.mailbox.mailboxID] ?? 0
            }
            return reply
        }
    }

    func getRights(_ request: GetRightsRequest, _ context: CallContext) async throws -> GetRightsReply {
        let name = MailboxName.canonical(request.mailboxName)
        return try await answering {
            try await pool.withConnection(deadline: context.deadline) { connection in
                try await connection.transaction(.snapshot) { connection in
                    var reply = GetRightsReply()
                    reply.outcome = .noSuchMailbox
                    guard let owner = try connection.run(RightsRows.ownerByID(request.accountID)).first,
                        let mailbox = try MailboxHierarchy.find(request.accountID, name, on: connection)
                    else { return reply }
                    if let refusal = try RightsRows.refusal(
                        of: .administer, to: request.userID, accountID: request.accountID,
                        mailboxID: mailbox.mailboxID, on: connection)
                    {
                        reply.outcome = refusal
                        return reply
                    }
                    reply.outcome = .done
                    let (accountID, address, isShared) = try owner.decode(Int64.self, String.self, Bool.self)
                    reply.owner.accountID = accountID
                    reply.owner.address = address
                    reply.owner.shared = isShared
                    reply.entries = try RightsRows.list(request.accountID, mailbox.mailboxID, on: connection)
                    return reply
                }
            }
        }
    }

    func setRights(_ request: SetRightsRequest, _ context: CallContext) async throws -> MailboxReply {
        let name = MailboxName.canonical(request.mailboxName)
        let rights = MailboxRights(rawValue: request.entry.rights)
        switch request.operation {
        case .replace, .add, .remove: break
        case .unspecified, .UNRECOGNIZED: throw MessagingError(.malformed, "no operation on rights")
        }
        return try await change(request.accountID, context) { connection, _ in
            let accountID = request.accountID
            guard let mailbox = try MailboxHierarchy.find(accountID, name, on: connection) else {
                return (MailboxReply(.noSuchMailbox), [])
            }
            if let refusal = try RightsRows.refusal(
                of: .administer, to: request.userID, accountID: accountID, mailboxID: mailbox.mailboxID,
                on: connection)
            {
                return (MailboxReply(refusal), [])
            }
            guard let identifier = try RightsRows.account(of: request.entry.identifier, on: connection) else {
                return (MailboxReply(.noSuchIdentifier), [])
            }
            guard identifier != accountID else { return (MailboxReply(.notPermitted), []) }
            let isDone = try RightsRows.change(
                accountID, mailbox.mailboxID, identifier, isNegative: request.entry.negative, on: connection
            ) { before in
                switch request.operation {
                case .add: before.union(rights)
                case .remove: before.subtracting(rights)
                case .replace, .unspecified, .UNRECOGNIZED: rights
                }
            }
            guard let isDone else { return (MailboxReply(.done, mailbox), []) }
            guard isDone else { return (MailboxReply(.beyondLimit), []) }
            // Who is concerned sees other mailboxes now; sessions that have this one open must look again.
            var concerned = Change(hierarchy: true)
            concerned.accountID = identifier
            return (MailboxReply(.done, mailbox), [Change(mailbox, hierarchy: true), concerned])
        }
    }
}
