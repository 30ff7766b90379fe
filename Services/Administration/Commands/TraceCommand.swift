import ArgumentParser
import Contracts
import Foundation
import Messaging
import ServiceRuntime

/// `martlet trace`
struct TraceCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Tell what happened to a message: by whom it came, where it is, what was repeated.",
        discussion: """
            What to look for is a transaction's id (the words behind 250 2.0.0, and in every log line), a Message-ID in \
            angle brackets, or an address: of the sender, a recipient, the user that sent it or whose mailbox it is in. \
            Without any, all transactions. The story comes in the order of time.

            EVENTS
              stored    a copy is in a mailbox
              queued    a copy waits to be sent on
              repeated  the client sent again what had been delivered (its reply was lost, say): nothing was stored
              refused   a copy could not be stored, with the reason
              settled   the client is known to have read the reply
              expired   nobody knows whether it ever did, and it would not come again

            EXAMPLES
              martlet trace 06fd8cq2n40xr0mgs3n3dkrgyw
              martlet trace '<20261124.1234@client.example>'
              martlet trace alice@example.org --since 2h
              martlet trace --follow
              martlet trace bob@example.org --json | jq -r '.entries[] | select(.event == "repeated")'
            """)

    @Argument(help: "A transaction's id, a <Message-ID>, or an address.")
    var subject: String?
    @Option(help: ArgumentHelp("How far to look back: 30m, 2h, 7d.", valueName: "time"))
    var since: LookBack = LookBack(duration: .seconds(7 * 86_400))
    @Option(help: ArgumentHelp("Most events to show.", valueName: "number"))
    var limit: UInt32 = 1_000
    @Flag(help: "Go on and show what happens from now on, until Ctrl-C. With --json one object a line.")
    var follow = false
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var entries: [LedgerPage]
        var isCut: Bool
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var request = try request()
        guard !follow else { return try await follow(&request, peers, terminal) }
        let reply = try await peers.ledger.trace(request, peers.question())
        let pages = reply.entries.map(LedgerPage.init)
        terminal.answer(Page(entries: pages, isCut: reply.isCut), Self.text(pages))
        if reply.isCut { terminal.note("There are more: narrow --since, or give a larger --limit.") }
    }

    private func request() throws -> TraceRequest {
        var request = TraceRequest()
        request.limit = limit
        request.since = WallClock.microseconds - since.microseconds
        guard let subject else { return request }
        if let transaction = TransactionID(subject) {
            request.transactionID = .init(transaction.octets)
        } else if subject.hasPrefix("<") {
            request.messageID = subject
        } else if subject.contains("@") {
            request.address = subject
        } else {
            throw Failure(
                .unusableData, "\(subject) is neither a transaction's id nor a <Message-ID> nor an address",
                advice: "Put a Message-ID into quotes, with its angle brackets.")
        }
        return request
    }

    /// Looks again and again at the last moments: what began earlier may be committed later.
    private func follow(_ request: inout TraceRequest, _ peers: Peers, _ terminal: Terminal) async throws {
        let start = WallClock.microseconds
        var shown: [LedgerPage: Int64] = [:]
        while !Task.isCancelled {
            let now = WallClock.microseconds
            request.since = max(start, now - 10_000_000)
            for entry in try await peers.ledger.trace(request, peers.question()).entries where entry.at >= start {
                let page = LedgerPage(entry)
                guard shown.updateValue(now, forKey: page) == nil else { continue }
                terminal.write(options.json ? JSONPage.line(page) : Self.line(page) + "\n")
            }
            shown = shown.filter { $0.value > now - 60_000_000 }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private static func text(_ pages: [LedgerPage]) -> String {
        pages.isEmpty ? "Nothing is known of it in that time." : pages.map(line).joined(separator: "\n")
    }

    private static func line(_ page: LedgerPage) -> String {
        let event = page.event + String(repeating: " ", count: max(0, 8 - page.event.count))
        return "\(page.at)  \(page.transaction)  \(event)  \(page.words)"
    }
}

/// How far to look back, on the command line: `2h`, `7d`.
struct LookBack: ExpressibleByArgument {
    var duration: Duration

    init(duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = Quantity.duration(argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { "\(microseconds / 86_400_000_000)d" }
    var microseconds: Int64 { Int64(duration / .microseconds(1)) }
}

/// An event of the ledger as the command shows it.
struct LedgerPage: Encodable, Hashable {
    var at: String
    var transaction: String
    var event: String
    /// Of a repetition: the transaction that made the copy.
    var first: String?
    var account: String?
    var mailbox: String?
    var uid: Int64?
    var reason: String?
    var octets: Int64?
    var entrance: String?
    var client: String?
    var identity: String?
    var reversePath: String?
    var forwardPath: String?
    var messageId: String?

    init(_ entry: LedgerEntry) {
        at = WallClock.text(microseconds: entry.at)
        transaction = TransactionID(octets: entry.transactionID)?.description ?? "?"
        event =
            switch entry.event {
            case .stored: "stored"
            case .queued: "queued"
            case .repeated: "repeated"
            case .refused: "refused"
            case .settled: "settled"
            case .expired: "expired"
            case .unspecified, .UNRECOGNIZED: "unknown"
            }
        entrance =
            switch entry.entrance {
            case .relay: "SMTP"
            case .submission: "submission"
            case .lmtp: "LMTP"
            case .append: "IMAP APPEND"
            case .unspecified, .UNRECOGNIZED: nil
            }
        reason =
            switch entry.outcome {
            case .noSuchMailbox: "there is no such mailbox"
            case .overQuota: "the account is over its quota"
            case .noSuchAccount: "there is no such account"
            case .tooManyKeywords: "the mailbox has too many keywords"
            case .notAttempted: "another message of the same command could not be stored"
            case .noSuchMessage: "the message to replace is not there"
            case .done, .unspecified, .UNRECOGNIZED: nil
            }
        func given(_ text: String) -> String? { text.isEmpty ? nil : text }
        first = TransactionID(octets: entry.firstID)?.description
        account = given(entry.account)
        mailbox = given(entry.mailbox)
        uid = entry.uid == 0 ? nil : entry.uid
        octets = entry.octets == 0 ? nil : entry.octets
        client = given(entry.clientAddress)
        identity = given(entry.identity)
        // The null reverse-path is one, too.
        reversePath = entry.entrance == .unspecified || entry.entrance == .append ? nil : entry.reversePath
        forwardPath = given(entry.forwardPath)
        messageId = given(entry.messageID)
    }

    /// The event for a person.
    var words: String {
        var words: [String] = []
        if let reversePath { words.append("from <\(reversePath)>") }
        if let forwardPath { words.append(entrance == "IMAP APPEND" ? "to \(forwardPath)" : "to <\(forwardPath)>") }
        if let account {
            let place = [mailbox, uid.map { "uid \($0)" }].compactMap { $0 }.joined(separator: " ")
            words.append(place.isEmpty ? "account \(account)" : "in \(account) \(place)")
        }
        if let reason { words.append("because \(reason)") }
        if let first, event == "repeated" { words.append("first delivered as \(first)") }
        if let octets { words.append(octets < 1_024 ? "\(octets) octets" : TextTable.size(octets)) }
        if let entrance { words.append("by \(entrance)") }
        if let client { words.append("from \(client)") }
        if let identity { words.append("as \(identity)") }
        if let messageId { words.append(messageId) }
        return words.joined(separator: ", ")
    }
}
