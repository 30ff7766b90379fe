import Contracts
import IMAPSyntax
import SASL

/// SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314, 3). The owner of a mailbox has all rights, which nobody can
/// take from him; others have what the list gives to them or to anyone, without what it takes (`-bob@example.test`,
/// `-anyone`). Each right can be given by itself. An identifier is the address of an account.
extension Session {
    func accessControl(of name: MailboxName) async throws -> CommandOutcome {
        let place = try await place(of: name, needing: .administer)
        var request = GetRightsRequest()
        request.accountID = place.accountID
        request.mailboxName = place.name.value
        if place.isForeign { request.userID = try accountID() }
        let reply = try await services.store.getRights(request, callContext())
        try Refusal.check(reply.outcome)
        // An account that is nobody's has no user to name.
        var entries = reply.owner.shared ? [] : [ACLEntry(reply.owner.address, .all)]
        entries += reply.entries.map { entry in
            ACLEntry((entry.negative ? "-" : "") + entry.identifier, Rights(MailboxRights(rawValue: entry.rights)))
        }
        printer.acl(of: name, entries)
        return .ok("GETACL completed")
    }

    func listRights(_ subject: ACLSubject) async throws -> CommandOutcome {
        let place = try await place(of: subject.mailbox, needing: .administer)
        let identifier = try Identifier(subject.identifier)
        if !place.isForeign { try await checkExistence(of: place.name) }
        printer.listRights(
            ListRightsResponse(
                mailbox: subject.mailbox, identifier: subject.identifier,
                required: isOwner(identifier, of: place) ? .all : .empty,
                optional: isOwner(identifier, of: place) ? [] : Rights.all.letters.compactMap { Rights(String($0)) }))
        return .ok("LISTRIGHTS completed")
    }

    func myRights(_ name: MailboxName) async throws -> CommandOutcome {
        // Any of l, r, i, k, x and a is enough (RFC 4314, 4); without one of them it is not there.
        let place = try await place(of: name, needing: [])
        if !place.isForeign { try await checkExistence(of: place.name) }
        printer.myRights(on: name, Rights(place.rights))
        return .ok("MYRIGHTS completed")
    }

    func setAccessControl(_ arguments: SetACLCommand) async throws -> CommandOutcome {
        let identifier = try Identifier(arguments.identifier)
        guard let rights = MailboxRights(letters: arguments.rights.letters) else {
            throw Refusal(.bad, nil, "The rights are \(MailboxRights.all.letters), and c and d for kx and et")
        }
        let operation: RightsOperation =
            switch arguments.change {
            case .replace: .replace
            case .add: .add
            case .remove: .remove
            }
        try await change(operation, rights, of: identifier, on: arguments.mailbox)
        return .ok("SETACL completed")
    }

    func deleteAccessControl(_ subject: ACLSubject) async throws -> CommandOutcome {
        try await change(.replace, [], of: Identifier(subject.identifier), on: subject.mailbox)
        return .ok("DELETEACL completed")
    }

    private func change(
        _ operation: RightsOperation, _ rights: MailboxRights, of identifier: Identifier, on name: MailboxName
    ) async throws {
        let place = try await place(of: name, needing: .administer)
        var request = SetRightsRequest()
        request.accountID = place.accountID
        request.mailboxName = place.name.value
        if place.isForeign { request.userID = try accountID() }
        request.operation = operation
        request.entry.identifier = identifier.name
        request.entry.negative = identifier.isNegative
        request.entry.rights = rights.rawValue
        let reply = try await services.store.setRights(request, callContext(changing: true))
        if reply.outcome == .notPermitted {
            throw Refusal(.no, .noPermission, "The owner of a mailbox has all rights, always")
        }
        try Refusal.check(reply.outcome)
        // The user's own rights may be others now: nothing more is told before they are looked at (RFC 4314, 5.1.1).
        if let selected, selected.isForeign { self.selected?.isReviewed = false }
    }

    private func isOwner(_ identifier: Identifier, of place: MailboxPlace) -> Bool {
        guard !identifier.isNegative else { return false }
        let owner = place.mailbox.map { $0.owner.shared ? "" : $0.owner.address } ?? machine.identity?.address
        return identifier.name.lowercased() == owner?.lowercased()
    }

    /// Rights are also those of a name that only holds children.
    private func checkExistence(of name: MailboxName) async throws {
        let names = try await mailboxes(others: false).mailboxes.map { MailboxName($0.name) }
        guard names.contains(name) else { throw Refusal.noSuchMailbox }
    }
}

/// Whom an entry is for.
private struct Identifier {
    /// As SASLprep prepares it, without the dash of negative rights.
    let name: String
    let isNegative: Bool

    /// Refuses what nobody can be called (RFC 4314, 3).
    init(_ text: String) throws(Refusal) {
        isNegative = text.hasPrefix("-")
        guard let prepared = try? SASLprep.prepare(isNegative ? String(text.dropFirst()) : text, for: .query),
            !prepared.isEmpty
        else { throw Refusal(.bad, nil, "An identifier is an account's address, or anyone") }
        name = String(decoding: prepared, as: UTF8.self)
    }
}

extension Rights {
    /// With `c` and `d` for clients that know nothing newer (RFC 4314, 2.1.1).
    init(_ rights: MailboxRights) {
        var letters = rights.subtracting(.administer).letters
        if !rights.isDisjoint(with: [.createMailboxes, .deleteMailbox]) { letters += "c" }
        if !rights.isDisjoint(with: [.expunge, .deleteMessages]) { letters += "d" }
        if rights.contains(.administer) { letters += "a" }
        self = Rights(letters) ?? .empty
    }
}
