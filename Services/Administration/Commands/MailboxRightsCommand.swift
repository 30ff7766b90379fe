import ArgumentParser
import Contracts

/// `martlet mailbox create`
struct MailboxCreate: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a mailbox in an account, as its user could.",
        discussion: """
            For accounts that are nobody's: whoever has the right k on it makes more below it.

            EXAMPLE
              martlet mailbox create office@example.org Plans
            """)

    @Argument(help: "The account's address.")
    var address: String
    @Argument(help: "The mailbox's name, with / between its levels.")
    var mailbox: String
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var address: String
        var mailbox: MailboxPage
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let account = try await find(address, peers)
        var request = CreateMailboxRequest()
        request.accountID = account.accountID
        request.name = mailbox
        let reply = try await peers.mailStore.createMailbox(request, peers.change())
        guard reply.outcome != .alreadyExists else {
            throw Failure(.existsAlready, "\(account.address) has a mailbox \(mailbox) already")
        }
        guard reply.outcome == .done else { throw Failure(reply.outcome, mailbox, of: account) }
        terminal.answer(
            Page(address: account.address, mailbox: MailboxPage(reply.mailbox)),
            "made \(reply.mailbox.name) for \(account.address)")
    }
}

/// `martlet mailbox rights`
struct MailboxRightsList: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "rights", abstract: "List who besides its owner may do what with a mailbox (RFC 4314).",
        discussion: """
            EXAMPLE
              martlet mailbox rights office@example.org Plans
            """)

    @Argument(help: "The address of the account that the mailbox belongs to.")
    var address: String
    @Argument(help: "The mailbox's name.")
    var mailbox: String
    @OptionGroup var options: CommonOptions

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        try await answerRights(of: mailbox, try await find(address, peers), peers, terminal)
    }
}

/// `martlet mailbox grant`
struct MailboxGrant: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Give somebody rights on a mailbox, or take them away.",
        discussion: """
            The rights are letters (RFC 4314, 2.1): l list, r read, s keep \\Seen, w write other flags, i insert, p post,
            k create mailboxes below, x delete the mailbox, t delete messages, e expunge, a administer. They take the
            place of those given before, unless --add or --remove says otherwise; none takes the entry away.

            EXAMPLES
              martlet mailbox grant office@example.org Plans alice@example.org lrswipkxtea
              martlet mailbox grant office@example.org Plans anyone lr
              martlet mailbox grant office@example.org Plans bob@example.org r --deny
            """)

    @Argument(help: "The address of the account that the mailbox belongs to.")
    var address: String
    @Argument(help: "The mailbox's name.")
    var mailbox: String
    @Argument(help: "For whom: the address of an account, or anyone.")
    var identifier: String
    @Argument(help: "The rights, or none.")
    var rights: String
    @Flag(help: "Give them besides those that he has.")
    var add = false
    @Flag(help: "Take them away from those that he has.")
    var remove = false
    @Flag(help: "Take them away from what other entries give: a negative right.")
    var deny = false
    @OptionGroup var options: CommonOptions

    func validate() throws {
        if add, remove { throw ValidationError("--add and --remove exclude each other") }
        if rights != "none", MailboxRights(letters: rights) == nil {
            throw ValidationError("the rights are \(MailboxRights.all.letters), or none")
        }
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let account = try await find(address, peers)
        var request = SetRightsRequest()
        request.accountID = account.accountID
        request.mailboxName = mailbox
        request.operation = add ? .add : remove ? .remove : .replace
        request.entry.identifier = identifier
        request.entry.negative = deny
        request.entry.rights = (rights == "none" ? [] : MailboxRights(letters: rights) ?? []).rawValue
        let reply = try await peers.mailStore.setRights(request, peers.change())
        switch reply.outcome {
        case .done: break
        case .noSuchIdentifier:
            throw Failure(
                .notFound, "there is no account \(identifier)", advice: "`martlet account list` shows those there are.")
        case .notPermitted:
            throw Failure(.notPermitted, "\(account.address) is the owner and has all rights, always")
        case .unspecified, .noSuchMailbox, .alreadyExists, .hasChildren, .overQuota, .beyondLimit, .noPermission,
            .UNRECOGNIZED:
            throw Failure(reply.outcome, mailbox, of: account)
        }
        try await answerRights(of: mailbox, account, peers, terminal)
    }
}

/// Who may do what with a mailbox, as commands show it.
private struct RightsPage: Encodable {
    struct Entry: Encodable {
        var identifier: String
        var negative: Bool
        var rights: String
    }

    var address: String
    var mailbox: String
    var entries: [Entry]
}

extension OperatorCommand {
    fileprivate func answerRights(
        of mailbox: String, _ account: AccountRecord, _ peers: Peers, _ terminal: Terminal
    ) async throws {
        var request = GetRightsRequest()
        request.accountID = account.accountID
        request.mailboxName = mailbox
        let reply = try await peers.mailStore.getRights(request, peers.question())
        guard reply.outcome == .done else { throw Failure(reply.outcome, mailbox, of: account) }
        let entries = reply.entries.map { entry in
            RightsPage.Entry(
                identifier: entry.identifier, negative: entry.negative,
                rights: MailboxRights(rawValue: entry.rights).letters)
        }
        terminal.answer(
            RightsPage(address: account.address, mailbox: mailbox, entries: entries),
            TextTable.text(
                ["WHO", "RIGHTS"], entries.map { [$0.identifier, ($0.negative ? "without " : "") + $0.rights] },
                whenEmpty: "Nobody but \(account.address) may use \(mailbox)."))
    }
}

extension Failure {
    fileprivate init(_ outcome: MailboxOutcome, _ mailbox: String, of account: AccountRecord) {
        switch outcome {
        case .noSuchMailbox:
            self.init(
                .notFound, "\(account.address) has no mailbox \(mailbox)",
                advice: "`martlet mailbox list \(account.address)` shows those there are.")
        case .notPermitted: self.init(.unusableData, "\"\(mailbox)\" is no name for a mailbox")
        case .beyondLimit: self.init(.notPermitted, "that is beyond a limit of \(account.address)")
        case .unspecified, .done, .alreadyExists, .hasChildren, .overQuota, .noPermission, .noSuchIdentifier,
            .UNRECOGNIZED:
            self.init(.other, "storage answered \(outcome)")
        }
    }
}
