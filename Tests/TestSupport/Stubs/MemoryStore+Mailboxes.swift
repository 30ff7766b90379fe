import Contracts
import Foundation
import Messaging

extension MemoryStore {
    package func listMailboxes(_ request: ListMailboxesRequest, _ context: CallContext) async throws
        -> ListMailboxesReply
    {
        try call("listMailboxes") { state in
            var reply = ListMailboxesReply()
            let account = state.known(request.accountID)
            reply.mailboxes = state.mailboxes.filter { $0.accountID == account }
                .map { $0.described(deletedOctets: request.deletedOctets) }
            reply.subscribedWithoutMailbox = (state.subscribedWithoutMailbox[account] ?? []).sorted()
            if request.others { reply.others = state.others(of: account, deletedOctets: request.deletedOctets) }
            return (reply, nil)
        }
    }

    package func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("createMailbox") { state in
            var reply = MailboxReply()
            guard request.name.isNetUnicode else {
                reply.outcome = .notPermitted
                return (reply, nil)
            }
            if let refusal = state.refusal(toMake: request.name, request.userID, in: request.accountID) {
                reply.outcome = refusal
                return (reply, nil)
            }
            reply.outcome = state.index(of: request.name, in: request.accountID) == nil ? .done : .alreadyExists
            guard reply.outcome == .done else { return (reply, nil) }
            reply.mailbox = state.make(request.name, request.specialUse, in: request.accountID).described()
            return (reply, .mailboxesChanged(state.known(request.accountID)))
        }
    }

    package func deleteMailbox(_ request: DeleteMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("deleteMailbox") { state in
            var reply = MailboxReply()
            guard let index = state.index(of: request.name, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            if let refusal = state.refusal(of: .deleteMailbox, to: request.userID, on: index) {
                reply.outcome = refusal
                return (reply, nil)
            }
            let account = state.known(request.accountID)
            if state.mailboxes.contains(where: {
                $0.accountID == account && $0.name.hasPrefix(request.name + "/")
            }) {
                reply.outcome = .hasChildren
                return (reply, nil)
            }
            if state.mailboxes[index].subscribed {
                state.subscribedWithoutMailbox[account, default: []].insert(request.name)
            }
            state.mailboxes.remove(at: index)
            reply.outcome = .done
            return (reply, .mailboxesChanged(account))
        }
    }

    package func renameMailbox(_ request: RenameMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("renameMailbox") { state in
            var reply = MailboxReply()
            let account = state.known(request.accountID)
            guard let index = state.index(of: request.from, in: account) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            let refusal =
                state.refusal(of: .deleteMailbox, to: request.userID, on: index)
                ?? state.refusal(toMake: request.to, request.userID, in: account)
            if let refusal {
                reply.outcome = refusal
                return (reply, nil)
            }
            guard request.to.isNetUnicode else {
                reply.outcome = .notPermitted
                return (reply, nil)
            }
            guard state.index(of: request.to, in: account) == nil else {
                reply.outcome = .alreadyExists
                return (reply, nil)
            }
            reply.outcome = .done
            if request.from == "INBOX" {
                _ = state.make(request.to, "", in: account)
                if let target = state.index(of: request.to, in: account) {
                    state.mailboxes[target].rights = state.mailboxes[index].rights
                    state.mailboxes[target].annotations = state.mailboxes[index].annotations
                    for message in state.mailboxes[index].messages {
                        _ = state.mailboxes[target].add(message, at: state.now)
                    }
                }
                _ = state.mailboxes[index].remove(Set(state.mailboxes[index].messages.map(\.uid)))
                return (reply, state.change(index))
            }
            for other in state.mailboxes.indices
            where state.mailboxes[other].accountID == account
                && state.mailboxes[other].name.hasPrefix(request.from + "/")
            {
                state.mailboxes[other].name =
                    request.to + state.mailboxes[other].name.dropFirst(request.from.count)
            }
            state.mailboxes[index].name = request.to
            return (reply, .mailboxesChanged(account))
        }
    }

    package func subscribe(_ request: SubscribeRequest, _ context: CallContext) async throws -> MailboxReply {
        try call("subscribe") { state in
            let account = state.known(request.accountID)
            if let index = state.index(of: request.name, in: account) {
                state.mailboxes[index].subscribed = request.subscribed
            } else if request.subscribed {
                state.subscribedWithoutMailbox[account, default: []].insert(request.name)
            } else {
                state.subscribedWithoutMailbox[account]?.remove(request.name)
            }
            var reply = MailboxReply()
            reply.outcome = .done
            return (reply, .mailboxesChanged(account))
        }
    }
}

extension MailboxChanged {
    /// Mailboxes were made, deleted, renamed or subscribed.
    fileprivate static func mailboxesChanged(_ accountID: Int64) -> MailboxChanged {
        var change = MailboxChanged()
        change.accountID = accountID
        change.hierarchy = true
        return change
    }
}

extension String {
    /// Whether it is in normalisation form C.
    fileprivate var isNetUnicode: Bool { utf8.elementsEqual(precomposedStringWithCanonicalMapping.utf8) }
}
