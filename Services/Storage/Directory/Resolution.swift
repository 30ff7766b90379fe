import Contracts

/// What the directory knows about a set of addresses: the answer to one look-up.
struct DirectoryExcerpt: Sendable {
    struct Account: Sendable {
        let accountID: Int64
        let isDisabled: Bool
        let isOverQuota: Bool
    }

    var domains: Set<String> = []
    var accounts: [String: Account] = [:]
    var aliases: [String: [String]] = [:]
}

/// The way from one address to its targets: through aliases, sub-addresses and catch-all. A value that asks for what it
/// needs to know next, so that many ways can share a look-up.
///
/// The order of rules, for an address in a domain of ours: an alias of that name; an account of that name; the same two
/// for the name without its detail; an alias for the whole domain. An alias that names itself means the account.
/// Aliases of aliases are followed a bounded number of times, and no address twice.
struct Resolution: Sendable {
    /// How deep aliases of aliases go, and how many targets one address has at most.
    static let depthLimit = 10
    static let targetLimit = 1000

    /// Addresses to look up next; empty when the way is at its end.
    private(set) var pending: [Address]
    private var depth = 0
    private var seen: Set<Address>
    private var targets: [Target] = []
    private var sawOurs = false
    private var sawDisabled = false
    private var sawRoom = false
    private var sawOverQuota = false
    private var isElsewhere = false

    init(_ address: String) {
        pending = Address(address).map { [$0] } ?? []
        seen = Set(pending)
    }

    /// Takes the directory's answer about `pending` and goes on.
    mutating func advance(with excerpt: DirectoryExcerpt) {
        var next: [Address] = []
        for address in pending {
            guard excerpt.domains.contains(address.domain) else {
                if depth == 0 {
                    isElsewhere = true
                } else {
                    add(Target.with { $0.destination = .remoteAddress(address.text) }, address)
                    sawRoom = true
                }
                continue
            }
            sawOurs = true
            for found in follow(address, in: excerpt) where seen.insert(found).inserted {
                if depth < Self.depthLimit { next.append(found) }
            }
        }
        depth += 1
        pending = next
    }

    /// Delivers the address to an account, or says where it leads on.
    private mutating func follow(_ address: Address, in excerpt: DirectoryExcerpt) -> [Address] {
        for candidate in [address, address.withoutDetail].compactMap({ $0 }) {
            if let aliasTargets = excerpt.aliases[candidate.text] {
                var next = aliasTargets.compactMap(Address.init)
                if next.contains(candidate), let account = excerpt.accounts[candidate.text] {
                    add(account, address)
                    next.removeAll { $0 == candidate }
                }
                return next
            }
            if let account = excerpt.accounts[candidate.text] {
                add(account, address)
                return []
            }
        }
        return excerpt.aliases[address.catchAll]?.compactMap(Address.init) ?? []
    }

    private mutating func add(_ account: DirectoryExcerpt.Account, _ address: Address) {
        if account.isDisabled {
            sawDisabled = true
            return
        }
        if account.isOverQuota { sawOverQuota = true } else { sawRoom = true }
        guard !targets.contains(where: { $0.accountID == account.accountID && $0.destination != nil }) else { return }
        add(Target.with { $0.destination = .accountID(account.accountID) }, address)
    }

    private mutating func add(_ target: Target, _ address: Address) {
        guard targets.count < Self.targetLimit else { return }
        var target = target
        target.address = address.text
        targets.append(target)
    }

    /// The answer, once nothing is pending.
    var reply: ResolveReply.Resolution {
        var reply = ResolveReply.Resolution()
        if sawRoom {
            reply.outcome = .accepted
            reply.targets = targets
        } else if sawOverQuota {
            reply.outcome = .overQuota
        } else if sawDisabled {
            reply.outcome = .disabled
        } else {
            reply.outcome = isElsewhere ? .notLocal : .unknownAddress
        }
        return reply
    }
}

extension Resolution {
    /// What one look-up has to find for all of these.
    static func keys(of resolutions: [Resolution]) -> (names: [String], domains: [String]) {
        var names: Set<String> = []
        var domains: Set<String> = []
        for address in resolutions.lazy.flatMap(\.pending) {
            domains.insert(address.domain)
            names.insert(address.text)
            names.insert(address.catchAll)
            if let short = address.withoutDetail { names.insert(short.text) }
        }
        return (Array(names), Array(domains))
    }
}
