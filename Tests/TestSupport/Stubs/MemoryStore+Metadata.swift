import Contracts
import Foundation
import Messaging

/// Annotations in memory, with the limits and the special uses that storage has.
extension MemoryStore {
    package static let specialUse = "/private/specialuse"

    package func getMetadata(_ request: GetMetadataRequest, _ context: CallContext) async throws -> GetMetadataReply {
        try call("getMetadata") { state in
            var reply = GetMetadataReply()
            reply.outcome = .done
            if request.allMailboxes {
                let account = state.known(request.accountID)
                for mailbox in state.mailboxes where mailbox.accountID == account {
                    reply.annotations += mailbox.annotations(request.entries, depth: 0)
                }
            } else if request.mailboxName.isEmpty {
                var account = MemoryMailbox(id: 0, name: "", uidValidity: 1)
                account.annotations = state.annotations
                reply.annotations = account.annotations(request.entries, depth: request.depth)
            } else if let index = state.index(of: request.mailboxName, in: request.accountID) {
                reply.annotations = state.mailboxes[index].annotations(request.entries, depth: request.depth)
            } else {
                reply.outcome = .noSuchMailbox
            }
            return (reply, nil)
        }
    }

    package func setMetadata(_ request: SetMetadataRequest, _ context: CallContext) async throws -> SetMetadataReply {
        try call("setMetadata") { state in
            var reply = SetMetadataReply()
            reply.octetsLimit = 32 * 1024
            let index = state.index(of: request.mailboxName, in: request.accountID)
            guard index != nil || request.mailboxName.isEmpty else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            guard request.changes.allSatisfy({ $0.value.count <= 32 * 1024 }) else {
                reply.outcome = .valueTooLarge
                return (reply, nil)
            }
            var annotations = index.map { state.mailboxes[$0].annotations } ?? state.annotations
            var use = index.map { state.mailboxes[$0].specialUse } ?? ""
            for change in request.changes {
                if index != nil, change.entry == Self.specialUse {
                    use = String(decoding: change.value, as: UTF8.self)
                } else {
                    annotations[change.entry] = change.hasValue ? Array(change.value) : nil
                }
            }
            let account = state.known(request.accountID)
            let isTaken = state.mailboxes.indices.contains {
                $0 != index && state.mailboxes[$0].accountID == account && state.mailboxes[$0].specialUse == use
            }
            let known = ["", "\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive"]
            guard known.contains(use), use.isEmpty || !isTaken else {
                reply.outcome = .notPermitted
                return (reply, nil)
            }
            guard annotations.count <= 100 else {
                reply.outcome = .tooMany
                return (reply, nil)
            }
            if let index {
                state.mailboxes[index].annotations = annotations
                state.mailboxes[index].specialUse = use
            } else {
                state.annotations = annotations
            }
            reply.outcome = .done
            var change = MailboxChanged()
            change.accountID = account
            change.mailboxID = index.map { state.mailboxes[$0].id } ?? 0
            change.annotations = request.changes.map(\.entry)
            return (reply, change)
        }
    }
}

extension MemoryMailbox {
    /// What of these entries, and of those below them, has a value.
    fileprivate func annotations(_ entries: [String], depth: Int32) -> [Annotation] {
        var all = annotations
        if !specialUse.isEmpty { all[MemoryStore.specialUse] = Array(specialUse.utf8) }
        return all.sorted { $0.key < $1.key }.filter { name, _ in
            entries.contains { entry in
                if name == entry { return true }
                guard depth != 0, name.hasPrefix(entry + "/") else { return false }
                return depth < 0 || !name.dropFirst(entry.count + 1).contains("/")
            }
        }.map { name, value in
            Annotation.with {
                $0.mailboxID = id
                $0.entry = name
                $0.value = Data(value)
            }
        }
    }
}
