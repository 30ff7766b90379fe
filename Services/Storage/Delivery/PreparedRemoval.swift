import Contracts
import Database
import Messaging

/// The message that goes in the transaction in which another one takes its place (RFC 8508).
struct PreparedRemoval: Sendable {
    let accountID: Int64
    let mailboxID: Int64
    let uid: Int64
    /// Who removes it from a mailbox that is not his own; 0 for the account itself.
    let userID: Int64

    init(_ removal: Removal, for messages: [CommittedMessage]) throws(MessagingError) {
        accountID = removal.accountID
        mailboxID = removal.mailboxID
        uid = Int64(removal.uid)
        userID = removal.userID == removal.accountID ? 0 : removal.userID
        // Two accounts would be locked in no order, but on behalf of a user: see `CommitTogether`.
        let stores = messages.flatMap(\.dispositions).map(\.store)
        let isOfUser = userID != 0 || stores.contains { $0.userID != 0 }
        guard uid > 0, !stores.isEmpty,
            stores.allSatisfy({ $0.accountID == removal.accountID || isOfUser && $0.accountID > 0 })
        else {
            throw MessagingError(.malformed, "a removal of no message, or of another account's")
        }
    }

    private static let find = Statement(
        """
        SELECT EXISTS (
            SELECT FROM mail.receipts WHERE account_id = $1 AND fingerprint = $2 AND transaction_id = $3)
        """)
    private static let remove = Expunged.removal(
        "DELETE FROM mail.messages m WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.uid = $3",
        returned: "SELECT b.modseq FROM gone CROSS JOIN box b")

    /// What became of it.
    enum Outcome: Sendable {
        case removed(modseq: Int64)
        /// This transaction has happened before, or there is no such account: nothing is left to remove.
        case nothingToDo
        case noSuchMessage
    }

    /// Removes the message under the locks of its account and mailbox.
    func run(for commit: PreparedCommit, on connection: isolated DatabaseConnection) throws -> Outcome {
        guard try AccountUse(locking: accountID, on: connection) != nil, let disposition = commit.dispositions.first,
            let fingerprint = disposition.fingerprints.first
        else { return .nothingToDo }
        let row = try connection.run(Self.find(disposition.accountID, fingerprint, commit.transaction)).first
        if try row?.decode(0, as: Bool.self) == true { return .nothingToDo }
        guard try CopyTransaction.lock(accountID, mailboxID, on: connection) != nil,
            let removed = try connection.run(Self.remove(accountID, mailboxID, uid)).first
        else { return .noSuchMessage }
        return .removed(modseq: try removed.decode(0, as: Int64.self))
    }
}
