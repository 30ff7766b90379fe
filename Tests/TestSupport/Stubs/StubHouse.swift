import Contracts
import Messaging
import Synchronization

/// The directory and the credentials of a small house, in memory.
package final class StubHouse: Directory, Accounts, MailStore, Ledger {
    package struct State {
        package var domains: [String] = ["example.test"]
        package var accounts: [AccountRecord] = []
        package var aliases: [String: [String]] = [:]
        package var passwords: [Int64: String] = [:]
        package var ledger: [LedgerEntry] = []
        /// Mailboxes that were made, and the one list of rights that all have.
        package var made: [String] = []
        package var rights: [AccessEntry] = []
        /// What was asked of the ledger.
        package var traces: [TraceRequest] = []
        /// What every call to authentication throws.
        package var authenticationError: MessagingError?
        /// What every call to storage throws.
        package var storageError: MessagingError?
        /// Accounts that one page holds.
        package var pageSize = 1_000
        /// Changes that came without an idempotency key.
        package var changesWithoutKey = 0
    }

    package let state = Mutex(State())

    package init(_ prepare: (inout State) -> Void = { _ in }) { state.withLock { prepare(&$0) } }

    package static func account(_ id: Int64, _ address: String) -> AccountRecord {
        var record = AccountRecord()
        record.accountID = id
        record.address = address
        record.createdAt = 1_709_251_199_000_000
        record.usedOctets = 3 << 20
        record.usedMessages = 12
        return record
    }

    package func trace(_ request: TraceRequest, _ context: CallContext) async throws -> TraceReply {
        try storage { state in
            state.traces.append(request)
            return TraceReply.with {
                $0.entries = Array(state.ledger.prefix(Int(request.limit)))
                $0.isCut = state.ledger.count > Int(request.limit)
            }
        }
    }

    private func storage<Reply>(_ body: (inout State) throws -> Reply) throws -> Reply {
        try state.withLock { state in
            if let error = state.storageError { throw error }
            return try body(&state)
        }
    }

    private func change<Reply>(_ context: CallContext, _ body: (inout State) throws -> Reply) throws -> Reply {
        try storage { state in
            if context.idempotencyKey == nil { state.changesWithoutKey += 1 }
            return try body(&state)
        }
    }

    package func addAccount(_ request: AddAccountRequest, _ context: CallContext) async throws -> AddAccountReply {
        try change(context) { state in
            var reply = AddAccountReply()
            if let known = state.accounts.first(where: { $0.address == request.address }) {
                reply.account = known
                reply.existed = true
                return reply
            }
            guard state.domains.contains(where: { request.address.hasSuffix("@" + $0) }) else {
                throw MessagingError(.failed, "the domain of \(request.address) is not ours")
            }
            reply.account = Self.account(Int64(state.accounts.count + 1), request.address)
            reply.account.quota = request.quota
            reply.account.shared = request.shared
            state.accounts.append(reply.account)
            return reply
        }
    }

    package func findAccount(_ request: FindAccountRequest, _ context: CallContext) async throws -> FindAccountReply {
        try storage { state in
            var reply = FindAccountReply()
            if let known = state.accounts.first(where: { $0.address == request.address }) {
                reply.account = known
                reply.found = true
            }
            return reply
        }
    }

    package func removeAccount(_ request: RemoveAccountRequest, _ context: CallContext) async throws
        -> RemoveAccountReply
    {
        try change(context) { state in
            var reply = RemoveAccountReply()
            reply.removed = state.accounts.contains { $0.address == request.address }
            state.accounts.removeAll { $0.address == request.address }
            return reply
        }
    }

    package func listAccounts(_ request: ListAccountsRequest, _ context: CallContext) async throws -> ListAccountsReply
    {
        try storage { state in
            let all = state.accounts
                .filter { request.domain.isEmpty || $0.address.hasSuffix("@" + request.domain) }
                .filter { $0.address > request.after }
                .sorted { $0.address < $1.address }
            var reply = ListAccountsReply()
            reply.accounts = Array(all.prefix(state.pageSize))
            reply.more = all.count > state.pageSize
            return reply
        }
    }

    package func setQuota(_ request: SetQuotaRequest, _ context: CallContext) async throws -> SetQuotaReply {
        try change(context) { state in
            var reply = SetQuotaReply()
            for index in state.accounts.indices where state.accounts[index].address == request.address {
                state.accounts[index].quota = request.quota
                reply.account = state.accounts[index]
            }
            return reply
        }
    }

    package func addDomain(_ request: AddDomainRequest, _ context: CallContext) async throws -> AddDomainReply {
        try change(context) { state in
            var reply = AddDomainReply()
            reply.domain.name = request.name
            reply.existed = state.domains.contains(request.name)
            if !reply.existed { state.domains.append(request.name) }
            return reply
        }
    }

    package func removeDomain(_ request: RemoveDomainRequest, _ context: CallContext) async throws -> RemoveDomainReply
    {
        try change(context) { state in
            var reply = RemoveDomainReply()
            reply.removed = state.domains.contains(request.name)
            state.domains.removeAll { $0 == request.name }
            return reply
        }
    }

    package func listDomains(_ request: ListDomainsRequest, _ context: CallContext) async throws -> ListDomainsReply {
        try storage { state in
            var reply = ListDomainsReply()
            reply.domains = state.domains.map { name in
                var record = DomainRecord()
                record.name = name
                record.accountCount = Int64(state.accounts.filter { $0.address.hasSuffix("@" + name) }.count)
                return record
            }
            return reply
        }
    }

    package func addAlias(_ request: AddAliasRequest, _ context: CallContext) async throws -> AddAliasReply {
        try change(context) { state in
            state.aliases[request.address, default: []] += request.targets
            var reply = AddAliasReply()
            reply.alias.address = request.address
            reply.alias.targets = state.aliases[request.address] ?? []
            return reply
        }
    }

    package func removeAlias(_ request: RemoveAliasRequest, _ context: CallContext) async throws -> RemoveAliasReply {
        try change(context) { state in
            var reply = RemoveAliasReply()
            reply.removed = state.aliases.removeValue(forKey: request.address) != nil
            return reply
        }
    }

    package func listAliases(_ request: ListAliasesRequest, _ context: CallContext) async throws -> ListAliasesReply {
        try storage { state in
            var reply = ListAliasesReply()
            reply.aliases = state.aliases.sorted { $0.key < $1.key }.map { address, targets in
                var record = AliasRecord()
                record.address = address
                record.targets = targets
                return record
            }
            return reply
        }
    }

    package func listMailboxes(_ request: ListMailboxesRequest, _ context: CallContext) async throws
        -> ListMailboxesReply
    {
        try storage { _ in
            var inbox = Mailbox()
            inbox.mailboxID = 7
            inbox.name = "INBOX"
            inbox.messageCount = 12
            inbox.unseenCount = 2
            inbox.octets = 3 << 20
            inbox.uidValidity = 5
            inbox.uidNext = 13
            inbox.subscribed = true
            var reply = ListMailboxesReply()
            reply.mailboxes = [inbox]
            return reply
        }
    }

    package func createMailbox(_ request: CreateMailboxRequest, _ context: CallContext) async throws -> MailboxReply {
        try change(context) { state in
            var reply = MailboxReply()
            guard !state.made.contains(request.name) else {
                reply.outcome = .alreadyExists
                return reply
            }
            state.made.append(request.name)
            reply.outcome = .done
            reply.mailbox.name = request.name
            return reply
        }
    }

    package func getRights(_ request: GetRightsRequest, _ context: CallContext) async throws -> GetRightsReply {
        try storage { state in
            var reply = GetRightsReply()
            reply.outcome = state.made.contains(request.mailboxName) ? .done : .noSuchMailbox
            reply.entries = state.rights
            return reply
        }
    }

    package func setRights(_ request: SetRightsRequest, _ context: CallContext) async throws -> MailboxReply {
        try change(context) { state in
            var reply = MailboxReply()
            reply.outcome = state.made.contains(request.mailboxName) ? .done : .noSuchMailbox
            if request.entry.identifier != "anyone",
                !state.accounts.contains(where: { $0.address == request.entry.identifier })
            {
                reply.outcome = .noSuchIdentifier
            }
            guard reply.outcome == .done else { return reply }
            state.rights.removeAll {
                $0.identifier == request.entry.identifier && $0.negative == request.entry.negative
            }
            if request.entry.rights != 0 { state.rights.append(request.entry) }
            return reply
        }
    }

    private func authentication<Reply>(_ body: (inout State) throws -> Reply) throws -> Reply {
        try state.withLock { state in
            if let error = state.authenticationError { throw error }
            return try body(&state)
        }
    }

    package func setPassword(_ request: SetPasswordRequest, _ context: CallContext) async throws -> SetPasswordReply {
        try authentication { state in
            var reply = SetPasswordReply()
            reply.replaced = state.passwords.updateValue(request.password, forKey: request.accountID) != nil
            return reply
        }
    }

    package func removeCredentials(
        _ request: RemoveCredentialsRequest, _ context: CallContext
    ) async throws -> RemoveCredentialsReply {
        try authentication { state in
            var reply = RemoveCredentialsReply()
            reply.removed = state.passwords.removeValue(forKey: request.accountID) != nil
            return reply
        }
    }

    package func listCredentials(
        _ request: ListCredentialsRequest, _ context: CallContext
    ) async throws -> ListCredentialsReply {
        try authentication { state in
            var reply = ListCredentialsReply()
            reply.accountIds = request.accountIds.filter { state.passwords[$0] != nil }
            return reply
        }
    }
}
