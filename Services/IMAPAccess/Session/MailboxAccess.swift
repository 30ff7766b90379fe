import Contracts
import IMAPSyntax

/// What a mailbox's name means to the user who is logged in, and what he may do there (RFC 4314).
struct MailboxPlace: Sendable {
    /// Whose mailbox it is.
    let accountID: Int64
    /// Its name there.
    let name: MailboxName
    let rights: MailboxRights
    /// Somebody else's, as far as the user may know of it; nil for the user's own, which are not looked up here.
    let mailbox: Mailbox?

    var isForeign: Bool { mailbox != nil }
}

/// The one place where names become mailboxes and where it is decided who may do what with them. Every command that names a
/// mailbox asks `place`; those that work on the selected one ask `require` of it, which `reviewSelected` keeps up to date.
///
/// A mailbox of the user's own costs nothing: its name goes to storage as it is, with all rights. Of somebody else's storage
/// is asked each time, so that what was taken away is gone with the next command.
///
/// Who lacks a right reads NO [NOPERM] when he has l, and otherwise what he would read if there were no such mailbox
/// (RFC 4314, 6).
extension Session {
    /// Where the mailbox of this name is, for a command that needs these rights. As a `target` it is one that the client
    /// might create (RFC 9051, 6.3.12).
    func place(
        of name: MailboxName, needing needed: MailboxRights, asTarget: Bool = false, deletedOctets: Bool = false
    ) async throws -> MailboxPlace {
        let user = try accountID()
        let address: String
        let isShared: Bool
        let local: String
        switch NamespacedName(name) {
        case .own(let name): return MailboxPlace(accountID: user, name: name, rights: .all, mailbox: nil)
        case .foreign(let owner, let shared, let rest): (address, isShared, local) = (owner, shared, rest)
        }
        let missing = asTarget ? Refusal.noSuchTarget : Refusal.noSuchMailbox
        guard !local.isEmpty else { throw missing }
        let found = try await find(address, isShared, local, deletedOctets: deletedOctets)
        guard found.outcome == .done else { throw missing }
        let rights = MailboxRights(rawValue: found.mailbox.rights)
        guard rights.isSuperset(of: needed) else {
            throw rights.contains(.lookup) ? Refusal.noPermission : missing
        }
        return MailboxPlace(
            accountID: found.accountID, name: MailboxName(found.mailbox.name), rights: rights, mailbox: found.mailbox)
    }

    /// Where a mailbox of this name would be made: the owner's account, and the name there. That one is there which the user
    /// cannot see he does not learn.
    func placeOfNew(_ name: MailboxName) async throws -> (accountID: Int64, name: MailboxName) {
        let user = try accountID()
        switch NamespacedName(name) {
        case .own(let name):
            guard !NamespacedName.isReserved(name) else {
                throw Refusal(.no, .cannot, "Names there are those of other accounts")
            }
            return (user, name)
        case .foreign(let address, let isShared, let local):
            guard !local.isEmpty else { throw Refusal.noPermission }
            let found = try await find(address, isShared, local)
            guard found.outcome != .done else {
                throw MailboxRights(rawValue: found.mailbox.rights).contains(.lookup)
                    ? Refusal(.no, .alreadyExists, "The mailbox exists already") : Refusal.noPermission
            }
            guard found.accountID != 0, MailboxRights(rawValue: found.parentRights).contains(.createMailboxes) else {
                throw Refusal.noPermission
            }
            return (found.accountID, MailboxName(local))
        }
    }

    private func find(
        _ address: String, _ isShared: Bool, _ name: String, deletedOctets: Bool = false
    ) async throws -> FindMailboxReply {
        var request = FindMailboxRequest()
        request.userID = try accountID()
        request.address = address
        request.shared = isShared
        request.mailboxName = name
        request.deletedOctets = deletedOctets
        return try await services.store.findMailbox(request, callContext())
    }

    /// A mailbox of another account by its number; nil when the user may not read it (any more).
    func readable(_ mailboxID: Int64, of accountID: Int64) async throws -> Mailbox? {
        var request = FindMailboxRequest()
        request.userID = try self.accountID()
        request.accountID = accountID
        request.mailboxID = mailboxID
        let found = try await services.store.findMailbox(request, callContext())
        let rights = MailboxRights(rawValue: found.mailbox.rights)
        guard found.outcome == .done, rights.contains(.read), found.mailbox.selectable else { return nil }
        return found.mailbox
    }

    /// Why a mailbox was not made or renamed. That somebody else's has the name already is not told to who cannot see it:
    /// who can has been told before (`placeOfNew`).
    func check(_ outcome: MailboxOutcome, ofNewIn accountID: Int64) throws {
        if outcome == .alreadyExists, try accountID != self.accountID() { throw Refusal.noPermission }
        try Refusal.check(outcome)
    }

    // MARK: The selected mailbox

    /// To be called before anything is done with the selected mailbox or told of it: when it is somebody else's, it is asked
    /// whether the user may still read it, and what else he may do. Whoever may not is told so by the end of the session
    /// (RFC 4314, 5.1.1), in words that do not say whether the mailbox was deleted.
    func reviewSelected() async throws {
        guard let selected, selected.isForeign else { return }
        self.selected?.isReviewed = false
        guard let mailbox = try await readable(selected.view.mailboxID, of: selected.accountID) else {
            throw SessionEnd.bye(Self.mailboxIsClosed)
        }
        self.selected?.isReviewed = true
        let rights = MailboxRights(rawValue: mailbox.rights)
        guard rights != selected.rights else { return }
        self.selected?.rights = rights
        reportFlagNames()
    }

    /// After a command whose messages may have come slowly: whether what has happened in the selected mailbox may still be
    /// told. Where it may not, the command has its answer all the same, and the session ends with the next one.
    func reviewAgain() async {
        guard let selected, selected.isForeign, selected.isReviewed else { return }
        let mailbox = try? await readable(selected.view.mailboxID, of: selected.accountID)
        self.selected?.isReviewed = mailbox != nil
    }

    /// Throws unless the user may do this with the selected mailbox.
    func require(_ needed: MailboxRights) throws {
        guard let selected else { throw Refusal(.bad, nil, "Select a mailbox first") }
        guard selected.rights.isSuperset(of: needed) else { throw Refusal.noPermission }
    }

    static let mailboxIsClosed = StatusResponse(.bye, nil, "The selected mailbox is not there for you any more")
}

extension SelectedMailbox {
    /// Whose it is.
    var accountID: Int64 { membership.mailbox.accountID }
    var key: MailboxKey { MailboxKey(accountID: accountID, mailboxID: view.mailboxID) }

    /// As the client knows it: somebody else's by the name under which it is his.
    var mailbox: Mailbox {
        var mailbox = view.told.mailbox
        guard let owner else { return mailbox }
        mailbox.owner = owner
        mailbox.rights = rights.rawValue
        mailbox.name = NamespacedName.name(of: mailbox)
        return mailbox
    }
}

extension MailboxRights {
    /// Without any of these a mailbox is read-only (RFC 4314, 5.2): all flags are shared by all who use it, `\Seen` too.
    static let anyToWrite: MailboxRights = [.insert, .expunge, .keepSeen, .writeFlags, .deleteMessages]

    /// Whether flags like this one may be set and taken away (RFC 4314, 4).
    func allow(_ flag: Flag) -> Bool {
        switch flag {
        case .seen: contains(.keepSeen)
        case .deleted: contains(.deleteMessages)
        default: contains(.writeFlags)
        }
    }
}

extension Refusal {
    static let noPermission = Refusal(.no, .noPermission, "Not permitted with this mailbox")
    static let noSuchTarget = Refusal(.no, .tryCreate, "No such mailbox")
}
