import Contracts
import Messaging

/// Several accounts and their access control lists in memory, by the rules that storage has (RFC 4314).
extension MemoryStore {
    /// Who has mailboxes here: alice, whose account most tests are about, bob, and one that is nobody's.
    package static let accounts: [Int64: (address: String, isShared: Bool)] = [
        accountID: (MemorySasl.address, false), 8: ("bob@example.test", false), 9: ("office@example.test", true),
    ]

    /// Whom an entry of an access control list is for.
    package struct RightsEntry: Hashable, Sendable {
        /// 0 for anyone.
        package var account: Int64
        package var isNegative: Bool

        package init(_ account: Int64, isNegative: Bool = false) {
            self.account = account
            self.isNegative = isNegative
        }
    }

    /// The account of an address.
    package static func account(of address: String) -> Int64? {
        accounts.first { $0.value.address == address.lowercased() }?.key
    }

    /// Makes a mailbox directly.
    package func make(_ name: String, of address: String) {
        guard let account = Self.account(of: address) else { return }
        _ = state.withLock { state in
            state.index(of: name, in: account) == nil ? state.make(name, "", in: account) : nil
        }
    }

    /// Gives rights directly; to be heard of by those who listen.
    package func grant(_ rights: MailboxRights, to identifier: String, on name: String, of address: String) {
        let isNegative = identifier.hasPrefix("-")
        let who = isNegative ? String(identifier.dropFirst()) : identifier
        guard let account = Self.account(of: address), let grantee = who == "anyone" ? 0 : Self.account(of: who) else {
            return
        }
        let changes = state.withLock { state -> [MailboxChanged] in
            guard let index = state.index(of: name, in: account) else { return [] }
            state.mailboxes[index].rights[RightsEntry(grantee, isNegative: isNegative)] = rights.isEmpty ? nil : rights
            return state.rightsChanged(on: index, of: grantee)
        }
        for change in changes { publish(change) }
    }

    package func findMailbox(_ request: FindMailboxRequest, _ context: CallContext) async throws -> FindMailboxReply {
        try call("findMailbox") { state in
            var reply = FindMailboxReply()
            reply.outcome = .noSuchMailbox
            var owner: Int64?
            switch request.owner {
            case .address(let address)?:
                owner = Self.account(of: address)
                if let found = owner, state.accounts[found]?.isShared != request.shared { owner = nil }
            case .accountID(let account)?: owner = account
            case nil: break
            }
            guard let owner, owner != request.userID else { return (reply, nil) }
            reply.accountID = owner
            var index: Int?
            switch request.which {
            case .mailboxName(let name)?: index = state.index(of: name, in: owner)
            case .mailboxID(let id)?: index = state.index(id: id, in: owner)
            case nil: break
            }
            let rights = index.map { state.rights(of: request.userID, on: $0) } ?? []
            if let index, !rights.isDisjoint(with: .anyToKnow) {
                reply.outcome = .done
                reply.mailbox = state.described(index, to: request.userID, deletedOctets: request.deletedOctets)
            } else if case .mailboxName(let name)? = request.which, let above = state.nearestAbove(name, in: owner),
                let index = state.index(id: above.id, in: owner)
            {
                reply.parentRights = state.rights(of: request.userID, on: index).rawValue
            }
            return (reply, nil)
        }
    }

    package func getRights(_ request: GetRightsRequest, _ context: CallContext) async throws -> GetRightsReply {
        try call("getRights") { state in
            var reply = GetRightsReply()
            guard let index = state.index(of: request.mailboxName, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            if let refusal = state.refusal(of: .administer, to: request.userID, on: index) {
                reply.outcome = refusal
                return (reply, nil)
            }
            reply.outcome = .done
            reply.owner = state.owner(of: index)
            reply.entries = state.mailboxes[index].rights.map { entry, rights in
                AccessEntry.with {
                    $0.identifier = entry.account == 0 ? "anyone" : state.accounts[entry.account]?.address ?? "?"
                    $0.negative = entry.isNegative
                    $0.rights = rights.rawValue
                }
            }.sorted { ($0.identifier, $0.negative ? 1 : 0) < ($1.identifier, $1.negative ? 1 : 0) }
            return (reply, nil)
        }
    }

    package func setRights(_ request: SetRightsRequest, _ context: CallContext) async throws -> MailboxReply {
        var concerned: MailboxChanged?
        defer { publish(concerned) }
        return try call("setRights") { state in
            var reply = MailboxReply()
            guard let index = state.index(of: request.mailboxName, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            if let refusal = state.refusal(of: .administer, to: request.userID, on: index) {
                reply.outcome = refusal
                return (reply, nil)
            }
            let identifier = request.entry.identifier.lowercased()
            guard let account = identifier == "anyone" ? 0 : Self.account(of: identifier) else {
                reply.outcome = .noSuchIdentifier
                return (reply, nil)
            }
            guard account != state.mailboxes[index].accountID else {
                reply.outcome = .notPermitted
                return (reply, nil)
            }
            let entry = RightsEntry(account, isNegative: request.entry.negative)
            let rights = MailboxRights(rawValue: request.entry.rights)
            let before = state.mailboxes[index].rights[entry] ?? []
            let after: MailboxRights =
                switch request.operation {
                case .add: before.union(rights)
                case .remove: before.subtracting(rights)
                case .replace, .unspecified, .UNRECOGNIZED: rights
                }
            state.mailboxes[index].rights[entry] = after.isEmpty ? nil : after
            reply.outcome = .done
            reply.mailbox = state.mailboxes[index].described()
            let changes = state.rightsChanged(on: index, of: account)
            concerned = changes.last
            return (reply, changes.first)
        }
    }
}

extension MemoryStore.State {
    /// What a user may do; 0 is the owner.
    package func rights(of user: Int64, on index: Int) -> MailboxRights {
        let mailbox = mailboxes[index]
        guard user != 0, known(user) != mailbox.accountID else { return .all }
        var granted: MailboxRights = []
        var denied: MailboxRights = []
        for (entry, rights) in mailbox.rights where entry.account == 0 || entry.account == user {
            if entry.isNegative { denied.formUnion(rights) } else { granted.formUnion(rights) }
        }
        return granted.subtracting(denied)
    }

    func refusal(of needed: MailboxRights, to user: Int64, on index: Int) -> MailboxOutcome? {
        let rights = rights(of: user, on: index)
        if rights.isSuperset(of: needed) { return nil }
        return rights.contains(.lookup) ? .noPermission : .noSuchMailbox
    }

    func refusal(toMake name: String, _ user: Int64, in account: Int64) -> MailboxOutcome? {
        guard user != 0, known(user) != known(account) else { return nil }
        guard let above = nearestAbove(name, in: account), let index = index(id: above.id, in: account) else {
            return .noPermission
        }
        return rights(of: user, on: index).contains(.createMailboxes) ? nil : .noPermission
    }

    /// The nearest mailbox above a name.
    func nearestAbove(_ name: String, in account: Int64) -> MemoryMailbox? {
        var above = name[...]
        while let delimiter = above.lastIndex(of: "/") {
            above = above[..<delimiter]
            if let index = index(of: String(above), in: account) { return mailboxes[index] }
        }
        return nil
    }

    func owner(of index: Int) -> MailboxOwner {
        let account = mailboxes[index].accountID
        return MailboxOwner.with {
            $0.accountID = account
            $0.address = accounts[account]?.address ?? ""
            $0.shared = accounts[account]?.isShared ?? false
        }
    }

    /// Somebody else's mailbox as a user may know it.
    func described(_ index: Int, to user: Int64, deletedOctets: Bool) -> Mailbox {
        let rights = rights(of: user, on: index)
        var mailbox =
            rights.contains(.read) ? mailboxes[index].described(deletedOctets: deletedOctets) : Mailbox()
        mailbox.mailboxID = mailboxes[index].id
        mailbox.name = mailboxes[index].name
        mailbox.specialUse = ""
        mailbox.subscribed = false
        mailbox.rights = rights.rawValue
        mailbox.owner = owner(of: index)
        return mailbox
    }

    func others(of user: Int64, deletedOctets: Bool) -> [Mailbox] {
        mailboxes.indices.filter { mailboxes[$0].accountID != user && rights(of: user, on: $0).contains(.lookup) }
            .map { described($0, to: user, deletedOctets: deletedOctets) }
    }

    /// What is told of rights that have changed: to those who watch the owner's account, and to those who are concerned.
    func rightsChanged(on index: Int, of account: Int64) -> [MailboxChanged] {
        var ofOwner = change(index)
        ofOwner.hierarchy = true
        let concerned = MailboxChanged.with {
            $0.accountID = account
            $0.hierarchy = true
        }
        return [ofOwner, concerned]
    }
}

extension MailboxRights {
    /// The bits of the flags that may be set.
    var flagBits: UInt64 {
        (contains(.keepSeen) ? 1 : 0) | (contains(.deleteMessages) ? 8 : 0) | (contains(.writeFlags) ? ~9 : 0)
    }
}

extension StoreFlagsRequest {
    var keptBits: UInt64 { (keepsSeen ? 1 : 0) | (keepsDeleted ? 8 : 0) | (keepsOthers ? ~9 : 0) }
}
