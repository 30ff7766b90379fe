import Contracts
import Messaging

/// What changes or copies messages that are there, and what all of them occupy.
extension MemoryStore {
    package func storeFlags(_ request: StoreFlagsRequest, _ context: CallContext) async throws -> StoreFlagsReply {
        try call("storeFlags") { state in
            var reply = StoreFlagsReply()
            guard let index = state.index(id: request.mailboxID, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            guard let bits = state.mailboxes[index].bits(of: request.flags) else {
                reply.outcome = .beyondLimit
                return (reply, nil)
            }
            reply.outcome = .done
            var touched = false
            let modseq = state.mailboxes[index].modseq + 1
            for position in state.mailboxes[index].messages.indices {
                let message = state.mailboxes[index].messages[position]
                guard pairs(request.uids, contain: message.uid) else { continue }
                let flags: UInt64 =
                    switch request.operation {
                    case .add: message.flags | bits
                    case .remove: message.flags & ~bits
                    case .replace, .unspecified, .UNRECOGNIZED: bits | message.flags & request.keptBits
                    }
                guard request.unchangedSince == 0 || message.modseq <= request.unchangedSince else {
                    reply.modifiedUids.append(message.uid)
                    continue
                }
                guard flags != message.flags else { continue }
                touched = true
                state.mailboxes[index].messages[position].flags = flags
                state.mailboxes[index].messages[position].modseq = modseq
                reply.uids.append(message.uid)
                reply.flags.append(flags)
            }
            if touched { state.mailboxes[index].modseq = modseq }
            reply.modseq = state.mailboxes[index].modseq
            reply.keywords = state.mailboxes[index].keywords
            return (reply, touched ? state.change(index) : nil)
        }
    }

    /// From now on copies wait.
    package func holdCopies() { held.withLock { $0 = $0 ?? [] } }

    /// Those that wait go on, and no other has to.
    package func releaseCopies() {
        let waiting = held.withLock { held in
            defer { held = nil }
            return held ?? []
        }
        for continuation in waiting { continuation.resume() }
    }

    private func passCopies() async {
        await withCheckedContinuation { continuation in
            let waits = held.withLock { held in
                held?.append(continuation)
                return held != nil
            }
            if !waits { continuation.resume() }
        }
    }

    package func copy(_ request: CopyRequest, _ context: CallContext) async throws -> CopyReply {
        await passCopies()
        let (reply, changes) = try state.withLock { state -> (CopyReply, [MailboxChanged]) in
            state.calls["copy", default: 0] += 1
            if let fault = state.fault { throw fault }
            var reply = CopyReply()
            let targetAccount = request.toAccountID == 0 ? request.accountID : request.toAccountID
            guard let source = state.index(id: request.mailboxID, in: request.accountID),
                let target = state.index(of: request.toMailboxName, in: targetAccount)
            else {
                reply.outcome = .noSuchMailbox
                return (reply, [])
            }
            let refusal =
                state.refusal(of: request.move ? [.deleteMessages, .expunge] : .read, to: request.userID, on: source)
                ?? state.refusal(of: .insert, to: request.userID, on: target)
            if let refusal {
                reply.outcome = refusal
                return (reply, [])
            }
            let taken = state.rights(of: request.userID, on: target).flagBits
            reply.outcome = .done
            reply.toMailboxID = state.mailboxes[target].id
            reply.toUidValidity = state.mailboxes[target].uidValidity
            let chosen = state.mailboxes[source].messages.filter { pairs(request.uids, contain: $0.uid) }
            for message in chosen {
                var copy = message
                let kept = message.flags & taken
                let names = (0..<56).compactMap { bit in
                    kept & (1 << UInt64(8 + bit)) != 0 ? state.mailboxes[source].keywords[bit] : nil
                }
                copy.flags = (kept & 0x1F) | (state.mailboxes[target].bits(of: names) ?? 0)
                reply.sourceUids.append(message.uid)
                reply.targetUids.append(state.mailboxes[target].add(copy, at: state.now))
            }
            var changes = [state.change(target)]
            if request.move {
                _ = state.mailboxes[source].remove(Set(reply.sourceUids))
                changes.append(state.change(source))
            }
            reply.sourceModseq = state.mailboxes[source].modseq
            return (reply, changes)
        }
        for change in changes { publish(change) }
        return reply
    }

    package func expunge(_ request: ExpungeRequest, _ context: CallContext) async throws -> ExpungeReply {
        try call("expunge") { state in
            var reply = ExpungeReply()
            guard let index = state.index(id: request.mailboxID, in: request.accountID) else {
                reply.outcome = .noSuchMailbox
                return (reply, nil)
            }
            if let refusal = state.refusal(of: .expunge, to: request.userID, on: index) {
                reply.outcome = refusal
                return (reply, nil)
            }
            let marked = state.mailboxes[index].messages.filter { message in
                message.flags & 8 != 0 && (request.uids.isEmpty || pairs(request.uids, contain: message.uid))
            }
            reply.outcome = .done
            reply.uids = state.mailboxes[index].remove(Set(marked.map(\.uid)))
            reply.modseq = state.mailboxes[index].modseq
            return (reply, reply.uids.isEmpty ? nil : state.change(index))
        }
    }

    package func usage(_ request: UsageRequest, _ context: CallContext) async throws -> UsageReply {
        try call("usage") { state in
            let account = state.known(request.accountID)
            let mailboxes = state.mailboxes.filter { $0.accountID == account }.map { $0.described() }
            var reply = UsageReply()
            reply.usedOctets = mailboxes.reduce(0) { $0 + $1.octets }
            reply.octetsLimit = state.octetsLimit
            reply.usedMessages = mailboxes.reduce(0) { $0 + Int64($1.messageCount) }
            reply.messagesLimit = state.messagesLimit
            reply.mailboxes = Int64(mailboxes.count)
            reply.mailboxesLimit = 10_000
            return (reply, nil)
        }
    }
}
