import ArgumentParser
import Contracts
import Messaging
import ServiceRuntime

/// `martlet account …`
struct AccountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Who has mail here: add, list, remove, password, quota.",
        subcommands: [
            AccountAdd.self, AccountList.self, AccountRemove.self, AccountPassword.self, AccountQuota.self,
        ])
}

/// `martlet account add`
struct AccountAdd: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add an account with its password.",
        discussion: """
            The domain must be there: martlet domain add example.org

            EXAMPLES
              printf '%s' "$PASSWORD" | martlet account add alice@example.org --password-stdin
              martlet account add bob@example.org --quota 2GB     asks for the password at the terminal
              martlet account add office@example.org --shared     nobody's: see `martlet mailbox grant`
            """)

    @Argument(help: "The address, which is also the name to log in with.")
    var address: String
    @Flag(help: "Read the password from standard input: one line.")
    var passwordStdin = false
    @Flag(help: "It is nobody's: without a password, its mailboxes are there to be shared.")
    var shared = false
    @Option(help: ArgumentHelp("The most that the account may store; none without it.", valueName: "size"))
    var quota: QuotaSize?
    @Option(help: ArgumentHelp("The most messages that it may keep; no limit without it.", valueName: "number"))
    var messages: Int64?
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var account: AccountPage
        var existed: Bool
    }

    func validate() throws {
        if let messages, messages < 0 { throw ValidationError("--messages is a number from 0 (no limit)") }
        if shared, passwordStdin { throw ValidationError("nobody logs in to an account that is shared") }
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let address = try Addresses.checked(address)
        // Before anything changes: the password must be there.
        let password = shared ? nil : try terminal.newPassword(fromInput: passwordStdin)
        var request = AddAccountRequest()
        request.address = address
        request.shared = shared
        request.quota.storageOctets = quota?.octets ?? 0
        request.quota.messageCount = messages ?? 0
        let reply = try await peers.directory.addAccount(request, peers.change())
        guard !reply.existed else {
            throw Failure(
                .existsAlready, "\(reply.account.address) is there already; nothing was changed",
                advice: "martlet account password \(reply.account.address) gives it a new password.")
        }
        do {
            if let password { try await setPassword(password, of: reply.account, peers) }
        } catch {
            let reason = Failure(error)
            throw Failure(
                reason.status, "\(reply.account.address) was added, but has no password yet: \(reason.message)",
                advice: "Give it one with martlet account password \(reply.account.address), once `martlet status` "
                    + "shows authentication as ready.")
        }
        terminal.answer(
            Page(account: AccountPage(reply.account, hasPassword: password != nil), existed: false),
            "added \(reply.account.address)")
    }
}

/// `martlet account list`
struct AccountList: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List accounts with what they use and may use.",
        discussion: """
            EXAMPLES
              martlet account list --domain example.org
              martlet account list --json | jq -r '.accounts[] | select(.has_password | not) | .address'
            """)

    @Option(help: ArgumentHelp("Only accounts of this domain.", valueName: "name"))
    var domain: String?
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable { var accounts: [AccountPage] }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var pages: [AccountPage] = []
        var request = ListAccountsRequest()
        request.domain = try domain.map(Addresses.domain) ?? ""
        request.limit = 1_000
        while true {
            let reply = try await peers.directory.listAccounts(request, peers.question())
            var credentials = ListCredentialsRequest()
            credentials.accountIds = reply.accounts.map(\.accountID)
            // A list without its last column is better than none while authentication is away.
            let known = try? await peers.accounts.listCredentials(credentials, peers.question())
            let withPassword = known.map { Set($0.accountIds) }
            pages += reply.accounts.map { AccountPage($0, hasPassword: withPassword?.contains($0.accountID)) }
            guard reply.more, let last = reply.accounts.last else { break }
            request.after = last.address
            if pages.count.isMultiple(of: 10_000) { terminal.note("\(pages.count) accounts so far") }
        }
        terminal.answer(Page(accounts: pages), Self.table(pages))
    }

    private static func table(_ pages: [AccountPage]) -> String {
        TextTable.text(
            ["ADDRESS", "MESSAGES", "STORED", "QUOTA", "PASSWORD"],
            pages.map { page in
                [
                    page.address + (page.disabled ? " (off)" : "") + (page.shared == true ? " (shared)" : ""),
                    "\(page.used.messageCount)",
                    TextTable.size(page.used.storageOctets),
                    page.quota.storageOctets == 0 ? "none" : TextTable.size(page.quota.storageOctets),
                    page.hasPassword.map { $0 ? "yes" : "no" } ?? "?",
                ]
            }, whenEmpty: "There are no accounts yet: martlet account add ADDRESS")
    }
}

/// `martlet account remove`
struct AccountRemove: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an account and all its mail, for ever.",
        discussion: """
            At a terminal it asks first; --yes, or a script without a terminal, does not.

            EXAMPLE
              martlet account remove alice@example.org --yes
            """)

    @Argument(help: "The account's address.")
    var address: String
    @Flag(help: "Do not ask.")
    var yes = false
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var address: String
        var accountId: Int64
        var removed: Bool
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let account = try await find(address, peers)
        try terminal.confirm(
            "Remove \(account.address) with \(account.usedMessages) messages "
                + "(\(TextTable.size(account.usedOctets))) for ever?", isConfirmed: yes)
        // The password first: from here on nobody logs in, whatever happens to the rest.
        var credentials = RemoveCredentialsRequest()
        credentials.accountID = account.accountID
        _ = try await peers.accounts.removeCredentials(credentials, peers.change())
        var request = RemoveAccountRequest()
        request.address = account.address
        let reply = try await peers.directory.removeAccount(request, peers.change())
        terminal.answer(
            Page(address: account.address, accountId: account.accountID, removed: reply.removed),
            reply.removed ? "removed \(account.address)" : "\(account.address) was gone already")
    }
}

/// `martlet account password`
struct AccountPassword: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "password", abstract: "Give an account a new password.",
        discussion: """
            EXAMPLES
              printf '%s' "$PASSWORD" | martlet account password alice@example.org --password-stdin
              martlet account password alice@example.org     asks at the terminal
            """)

    @Argument(help: "The account's address.")
    var address: String
    @Flag(help: "Read the password from standard input: one line.")
    var passwordStdin = false
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var address: String
        var replaced: Bool
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let account = try await find(address, peers)
        guard !account.shared else {
            throw Failure(
                .notPermitted, "\(account.address) is shared: nobody logs in to it",
                advice: "Give people rights on its mailboxes with martlet mailbox grant.")
        }
        let password = try terminal.newPassword(fromInput: passwordStdin)
        let reply = try await setPassword(password, of: account, peers)
        terminal.answer(
            Page(address: account.address, replaced: reply.replaced), "\(account.address) has a new password")
    }
}

/// `martlet account quota`
struct AccountQuota: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota", abstract: "Show or change what an account may store.",
        discussion: """
            Without --storage and --messages it shows the limits and what is used.

            EXAMPLES
              martlet account quota alice@example.org
              martlet account quota alice@example.org --storage 5GB --messages none
            """)

    @Argument(help: "The account's address.")
    var address: String
    @Option(help: ArgumentHelp("The most that it may store, such as 500MB, or none.", valueName: "size"))
    var storage: QuotaSize?
    @Option(help: ArgumentHelp("The most messages that it may keep, or none.", valueName: "number"))
    var messages: QuotaSize?
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable { var account: AccountPage }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var account = try await find(address, peers)
        if storage != nil || messages != nil {
            var request = SetQuotaRequest()
            request.address = account.address
            request.quota = account.quota
            if let storage { request.quota.storageOctets = storage.octets }
            if let messages { request.quota.messageCount = messages.octets }
            account = try await peers.directory.setQuota(request, peers.change()).account
        }
        let page = AccountPage(account)
        terminal.answer(
            Page(account: page),
            TextTable.text(
                [page.address, "USED", "LIMIT"],
                [
                    [
                        "storage", TextTable.size(page.used.storageOctets),
                        page.quota.storageOctets == 0 ? "none" : TextTable.size(page.quota.storageOctets),
                    ],
                    [
                        "messages", "\(page.used.messageCount)",
                        page.quota.messageCount == 0 ? "none" : "\(page.quota.messageCount)",
                    ],
                ], whenEmpty: ""))
    }
}

/// A limit on the command line: `1GB`, `250`, or `none`.
struct QuotaSize: ExpressibleByArgument, Equatable {
    var octets: Int64

    init?(argument: String) {
        if argument.lowercased() == "none" {
            octets = 0
            return
        }
        guard let octets = Quantity.octets(argument) else { return nil }
        self.octets = Int64(octets)
    }

    static var allValueStrings: [String] { [] }
}

extension OperatorCommand {
    /// The account at an address, or the failure that says that there is none.
    func find(_ address: String, _ peers: Peers) async throws -> AccountRecord {
        var request = FindAccountRequest()
        request.address = try Addresses.checked(address)
        let reply = try await peers.directory.findAccount(request, peers.question())
        guard reply.found else {
            throw Failure(
                .notFound, "there is no account \(request.address)",
                advice: "`martlet account list` shows those there are.")
        }
        return reply.account
    }

    /// Stores a verifier for the password.
    @discardableResult
    func setPassword(_ password: String, of account: AccountRecord, _ peers: Peers) async throws -> SetPasswordReply {
        var request = SetPasswordRequest()
        request.accountID = account.accountID
        request.address = account.address
        request.password = password
        return try await peers.accounts.setPassword(request, peers.change())
    }
}
