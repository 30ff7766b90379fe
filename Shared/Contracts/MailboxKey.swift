/// One mailbox of one account.
public struct MailboxKey: Sendable, Hashable {
    /// Whose it is.
    public let accountID: Int64
    /// Its number, which stays when it is renamed.
    public let mailboxID: Int64

    /// The mailbox of this number in this account.
    public init(accountID: Int64, mailboxID: Int64) {
        self.accountID = accountID
        self.mailboxID = mailboxID
    }
}
