import Contracts
import Cryptography
import Foundation
import Messaging

/// URLs that carry an authorization, of the one account that there is.
extension MemoryStore {
    package func authorizeURL(
        _ request: AuthorizeURLRequest, _ context: CallContext
    ) async throws -> AuthorizeURLReply {
        try call("authorizeURL") { state in
            var reply = AuthorizeURLReply()
            guard let index = state.index(of: request.mailboxName, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            let id = state.mailboxes[index].id
            let key = state.urlKeys[id] ?? state.newURLKey(of: id)
            reply.outcome = .done
            reply.token = Data(HMACSHA256.authenticate(Array(request.rump), key: [key]))
            return (reply, nil)
        }
    }

    package func checkURL(_ request: CheckURLRequest, _ context: CallContext) async throws -> CheckURLReply {
        try call("checkURL") { state in
            var reply = CheckURLReply()
            guard request.owner.lowercased() == MemorySasl.address, let index = state.index(of: request.mailboxName),
                let key = state.urlKeys[state.mailboxes[index].id],
                HMACSHA256.authenticate(Array(request.rump), key: [key]) == Array(request.token)
            else { return (reply, nil) }
            reply.valid = true
            reply.accountID = Self.accountID
            reply.mailboxID = state.mailboxes[index].id
            reply.uidValidity = state.mailboxes[index].uidValidity
            return (reply, nil)
        }
    }

    package func resetURLKeys(
        _ request: ResetURLKeysRequest, _ context: CallContext
    ) async throws -> ResetURLKeysReply {
        try call("resetURLKeys") { state in
            var reply = ResetURLKeysReply()
            reply.outcome = .done
            var change = MailboxChanged()
            change.accountID = Self.accountID
            change.urlKey = true
            if request.mailboxName.isEmpty {
                state.urlKeys = [:]
            } else if let index = state.index(of: request.mailboxName, in: request.accountID) {
                change.mailboxID = state.mailboxes[index].id
                _ = state.newURLKey(of: change.mailboxID)
            } else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            return (reply, change)
        }
    }
}

extension MemoryStore.State {
    fileprivate mutating func newURLKey(of mailboxID: Int64) -> UInt8 {
        lastURLKey += 1
        urlKeys[mailboxID] = lastURLKey
        return lastURLKey
    }
}
