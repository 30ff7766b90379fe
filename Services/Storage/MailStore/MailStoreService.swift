import Contracts
import Database
import Messaging
import NIOCore
import SwiftProtobuf

/// The contract `MailStore`: mailboxes and messages. Its parts stand in files of their own, one for each family of
/// calls; this one says what they share.
struct MailStoreService: MailStore {
    let pool: ConnectionPool
    /// Most names of one account.
    let mailboxLimit: Int
    let announce: @Sendable (MailboxChanged) -> Void

    init(pool: ConnectionPool, mailboxLimit: Int = 10_000, announce: @escaping @Sendable (MailboxChanged) -> Void) {
        self.pool = pool
        self.mailboxLimit = mailboxLimit
        self.announce = announce
    }

    /// The lock of the account, which stands before those of its mailboxes. Its counters are the newest.
    static let lockAccount = Statement(
        """
        SELECT quota_octets, quota_messages, used_octets, used_messages FROM directory.accounts
        WHERE account_id = $1 FOR NO KEY UPDATE
        """)

    /// What a change tells those who watch: which mailbox is now at which modseq.
    struct Change: Sendable {
        /// Who hears of it; nil for the account that is changed.
        var accountID: Int64?
        var mailboxID: Int64 = 0
        var modseq: Int64 = 0
        var hierarchy = false
        /// Entries of annotations.
        var annotations: [String] = []
        /// Nothing but the key of URLs.
        var urlKey = false
    }

    /// Runs a change of mailboxes: once for each key, with the account locked, announced after the commit. Conflicts
    /// with other transactions, and a race of two calls with one key, are run again.
    ///
    /// When it reaches into another account, that one is locked as well, the lower id first as always, and it is the other
    /// one's use that `body` is given.
    func change<Reply: Message & Sendable>(
        _ accountID: Int64, reaching otherID: Int64? = nil, _ context: CallContext,
        _ body: @escaping @Sendable (isolated DatabaseConnection, AccountUse) async throws -> (Reply, [Change])
    ) async throws -> Reply {
        try await answering {
            var attempts = 0
            while true {
                do {
                    return try await changeOnce(accountID, otherID, context, body)
                } catch let error as DatabaseError
                    where attempts < 3 && (error.fault == .concurrency || error.code == .uniqueViolation)
                {
                    attempts += 1
                }
            }
        }
    }

    private func changeOnce<Reply: Message & Sendable>(
        _ accountID: Int64, _ otherID: Int64?, _ context: CallContext,
        _ body: @escaping @Sendable (isolated DatabaseConnection, AccountUse) async throws -> (Reply, [Change])
    ) async throws -> Reply {
        let receipt = CallReceipt(accountID: accountID, context)
        let (reply, changes) = try await pool.withConnection(deadline: context.deadline) { connection in
            try await connection.transaction { connection -> (Reply, [Change]) in
                guard let use = try AccountUse(locking: accountID, and: otherID, on: connection) else {
                    throw MessagingError(.failed, "there is no account \(otherID ?? accountID)")
                }
                if let reply = try receipt.earlierReply(Reply.self, on: connection) { return (reply, []) }
                let (reply, changes) = try await body(connection, use)
                try receipt.remember(reply, on: connection)
                return (reply, changes)
            }
        }
        for change in changes {
            var news = MailboxChanged(
                MailboxKey(accountID: change.accountID ?? accountID, mailboxID: change.mailboxID),
                modseq: change.modseq,
                hierarchy: change.hierarchy)
            news.annotations = change.annotations
            news.urlKey = change.urlKey
            announce(news)
        }
        return reply
    }
}

/// What an account uses and may use, read under its lock.
struct AccountUse: Sendable {
    let quotaOctets: Int64
    let quotaMessages: Int64
    let usedOctets: Int64
    let usedMessages: Int64

    /// Nil when there is no such account.
    init?(locking accountID: Int64, on connection: isolated DatabaseConnection) throws(DatabaseError) {
        guard let row = try connection.run(MailStoreService.lockAccount(accountID)).first else { return nil }
        (quotaOctets, quotaMessages, usedOctets, usedMessages) = try row.decode(
            Int64.self, Int64.self, Int64.self, Int64.self)
    }

    /// Locks two accounts in the order of their ids: the use of the other one. Nil when one of them is not there.
    init?(
        locking accountID: Int64, and otherID: Int64?, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) {
        guard let otherID, otherID != accountID else {
            try self.init(locking: accountID, on: connection)
            return
        }
        let lower = try AccountUse(locking: min(accountID, otherID), on: connection)
        let higher = try AccountUse(locking: max(accountID, otherID), on: connection)
        guard let lower, let higher else { return nil }
        self = otherID < accountID ? lower : higher
    }

    /// Whether so much more fits.
    func allows(octets: Int64, messages: Int64) -> Bool {
        (quotaOctets == 0 || usedOctets + octets <= quotaOctets)
            && (quotaMessages == 0 || usedMessages + messages <= quotaMessages)
    }
}
