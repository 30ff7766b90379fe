import Contracts
import IMAPSyntax
import Messaging
import TestSupport

@testable import IMAPAccess

extension MemoryStore {
    /// A search of INBOX as it is now, without a session and with only what `memory` keeps.
    func search(_ keys: [SearchKey], _ memory: SearchMemory = SearchMemory(octets: 0)) async throws -> MailboxSearch {
        var request = ViewRequest()
        request.accountID = Self.accountID
        request.mailboxName = "INBOX"
        let columns = try await ViewLoad.read(from: view(request, CallContext(timeout: .seconds(30)))).columns
        return MailboxSearch(
            charset: nil, keys: keys,
            mailbox: SearchProgram.Mailbox(
                count: columns.count, largestUID: columns.uids.last ?? 0, keywords: [], savedResult: NumberSet(), now: 0
            ),
            columns: columns,
            reader: MessageReader(
                store: self, cache: MessageCache(octets: 0), accountID: Self.accountID,
                mailboxID: columns.mailbox.mailboxID, transaction: .next(), timeout: .seconds(30)),
            memory: memory)
    }
}
