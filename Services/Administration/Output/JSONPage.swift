import Contracts
import Foundation
import ServiceRuntime

/// JSON as every command writes it: one object, keys in the order of the alphabet, indented, a line feed at the end.
enum JSONPage {
    static func text(_ page: some Encodable) -> String {
        encoded(page, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }

    /// The same in one line, for what has no end.
    static func line(_ page: some Encodable) -> String { encoded(page, [.sortedKeys, .withoutEscapingSlashes]) }

    private static func encoded(_ page: some Encodable, _ formatting: JSONEncoder.OutputFormatting) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard let data = try? encoder.encode(page) else { return "{}\n" }
        return String(decoding: data, as: UTF8.self) + "\n"
    }
}

/// Storage and number of messages; 0 as a limit is none.
struct AmountPage: Encodable, Equatable {
    var storageOctets: Int64
    var messageCount: Int64
}

/// An account as commands show it.
struct AccountPage: Encodable, Equatable {
    var accountId: Int64
    var address: String
    var quota: AmountPage
    var used: AmountPage
    var createdAt: String
    var disabled: Bool
    /// Only of one that is nobody's.
    var shared: Bool?
    /// Nil when authentication was not asked.
    var hasPassword: Bool?

    init(_ record: AccountRecord, hasPassword: Bool? = nil) {
        accountId = record.accountID
        address = record.address
        quota = AmountPage(storageOctets: record.quota.storageOctets, messageCount: record.quota.messageCount)
        used = AmountPage(storageOctets: record.usedOctets, messageCount: record.usedMessages)
        createdAt = WallClock.text(microseconds: record.createdAt)
        disabled = record.disabled
        shared = record.shared ? true : nil
        self.hasPassword = hasPassword
    }
}

/// A domain as commands show it.
struct DomainPage: Encodable, Equatable {
    var name: String
    var accountCount: Int64
    var aliasCount: Int64
    var createdAt: String

    init(_ record: DomainRecord) {
        name = record.name
        accountCount = record.accountCount
        aliasCount = record.aliasCount
        createdAt = WallClock.text(microseconds: record.createdAt)
    }
}

/// An alias as commands show it.
struct AliasPage: Encodable, Equatable {
    var address: String
    var targets: [String]
    var createdAt: String

    init(_ record: AliasRecord) {
        address = record.address
        targets = record.targets
        createdAt = WallClock.text(microseconds: record.createdAt)
    }
}

/// A mailbox as commands show it.
struct MailboxPage: Encodable, Equatable {
    var mailboxId: Int64
    var name: String
    var specialUse: String?
    var messageCount: UInt32
    var unseenCount: UInt32
    var octets: Int64
    var uidValidity: UInt32
    var uidNext: UInt32
    var subscribed: Bool

    init(_ mailbox: Mailbox) {
        mailboxId = mailbox.mailboxID
        name = mailbox.name
        specialUse = mailbox.specialUse.isEmpty ? nil : mailbox.specialUse
        messageCount = mailbox.messageCount
        unseenCount = mailbox.unseenCount
        octets = mailbox.octets
        uidValidity = mailbox.uidValidity
        uidNext = mailbox.uidNext
        subscribed = mailbox.subscribed
    }
}
