import Contracts
import IMAPSyntax

/// GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). An account is one quota root, whose name is empty: all its mailboxes
/// share its limits.
extension Session {
    private static var root: String { "" }

    func quota(_ root: String) async throws -> CommandOutcome {
        guard root == Self.root else { throw Refusal(.no, .nonExistent, "No such quota root") }
        printer.quota(try await quota())
        return .ok("GETQUOTA completed")
    }

    /// Also of a mailbox that is not there: it would belong to the account as the others do (RFC 9208, 4.1.2).
    /// Of somebody else's mailbox the root is not told: what all of his mailboxes hold together is his business.
    func quotaRoot(_ mailbox: MailboxName) async throws -> CommandOutcome {
        if try await place(of: mailbox, needing: .read).isForeign {
            printer.quotaRoots(of: mailbox, [])
            return .ok("GETQUOTAROOT completed")
        }
        let quota = try await quota()
        printer.quotaRoots(of: mailbox, [Self.root])
        printer.quota(quota)
        return .ok("GETQUOTAROOT completed")
    }

    /// Limits are the operator's business; QUOTASET is not announced.
    func setQuota(_ arguments: SetQuotaCommand) throws -> CommandOutcome {
        throw Refusal(.no, .noPermission, "Limits are set by the operator")
    }

    private func quota() async throws -> QuotaResponse {
        var request = UsageRequest()
        request.accountID = try accountID()
        let usage = try await services.store.usage(request, callContext())
        return QuotaResponse(root: Self.root, resources: QuotaUse.all(of: usage))
    }
}

extension QuotaUse {
    /// All that has a limit. Storage counts octets, IMAP units of 1024: both sides are rounded up, so that what is
    /// within its limit never looks beyond it.
    static func all(of usage: UsageReply) -> [QuotaUse] {
        func units(_ octets: Int64) -> Int64 { octets / 1024 + (octets % 1024 == 0 ? 0 : 1) }
        let uses: [(QuotaResource, Int64, Int64)] = [
            (.storage, units(usage.usedOctets), units(usage.octetsLimit)),
            (.message, usage.usedMessages, usage.messagesLimit),
            (.mailbox, usage.mailboxes, usage.mailboxesLimit),
        ]
        return uses.compactMap { resource, used, limit in
            limit > 0 ? QuotaUse(resource, usage: UInt64(max(0, used)), limit: UInt64(limit)) : nil
        }
    }
}
