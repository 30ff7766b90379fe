import ArgumentParser
import Contracts

/// `martlet mailbox …`
struct MailboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mailbox", abstract: "The mailboxes of an account: list, create, and who may use them.",
        subcommands: [MailboxList.self, MailboxCreate.self, MailboxRightsList.self, MailboxGrant.self])
}

/// `martlet mailbox list`
struct MailboxList: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List an account's mailboxes with their counts and sizes.",
        discussion: """
            EXAMPLE
              martlet mailbox list alice@example.org
            """)

    @Argument(help: "The account's address.")
    var address: String
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var address: String
        var mailboxes: [MailboxPage]
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let account = try await find(address, peers)
        var request = ListMailboxesRequest()
        request.accountID = account.accountID
        let reply = try await peers.mailStore.listMailboxes(request, peers.question())
        let pages = reply.mailboxes.map(MailboxPage.init)
        terminal.answer(
            Page(address: account.address, mailboxes: pages),
            TextTable.text(
                ["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE"],
                pages.map {
                    [
                        $0.name, "\($0.messageCount)", "\($0.unseenCount)", TextTable.size($0.octets),
                        $0.specialUse ?? "",
                    ]
                }, whenEmpty: "\(account.address) has no mailboxes yet; the first message makes its INBOX."))
    }
}
