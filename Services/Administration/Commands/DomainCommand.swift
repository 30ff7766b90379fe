import ArgumentParser
import Contracts

/// `martlet domain …`
struct DomainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "Domains that we receive mail for: add, list, remove.",
        subcommands: [DomainAdd.self, DomainList.self, DomainRemove.self])
}

/// `martlet domain add`
struct DomainAdd: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Receive mail for a domain.",
        discussion: """
            One that is there already stays as it is.

            EXAMPLE
              martlet domain add example.org
            """)

    @Argument(help: "The domain's name.")
    var name: String
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var domain: DomainPage
        var existed: Bool
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var request = AddDomainRequest()
        request.name = try Addresses.domain(name)
        let reply = try await peers.directory.addDomain(request, peers.change())
        terminal.answer(
            Page(domain: DomainPage(reply.domain), existed: reply.existed),
            reply.existed ? "\(reply.domain.name) was there already" : "added \(reply.domain.name)")
    }
}

/// `martlet domain list`
struct DomainList: OperatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the domains.")

    @OptionGroup var options: CommonOptions

    private struct Page: Encodable { var domains: [DomainPage] }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        let reply = try await peers.directory.listDomains(ListDomainsRequest(), peers.question())
        let pages = reply.domains.map(DomainPage.init)
        terminal.answer(
            Page(domains: pages),
            TextTable.text(
                ["DOMAIN", "ACCOUNTS", "ALIASES"], pages.map { [$0.name, "\($0.accountCount)", "\($0.aliasCount)"] },
                whenEmpty: "There are no domains yet: martlet domain add NAME"))
    }
}

/// `martlet domain remove`
struct DomainRemove: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Receive no more mail for a domain.",
        discussion: """
            A domain that still has accounts is refused: remove those first.

            EXAMPLE
              martlet domain remove example.org
            """)

    @Argument(help: "The domain's name.")
    var name: String
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var name: String
        var removed: Bool
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var request = RemoveDomainRequest()
        request.name = try Addresses.domain(name)
        let domains = try await peers.directory.listDomains(ListDomainsRequest(), peers.question()).domains
        let known = domains.first { $0.name.lowercased() == request.name.lowercased() }
        guard let known else {
            throw Failure(
                .notFound, "there is no domain \(request.name)", advice: "`martlet domain list` shows those there are.")
        }
        guard known.accountCount == 0 else {
            throw Failure(
                .unusableData, "\(known.name) still has \(known.accountCount) accounts; nothing was changed",
                advice: "Remove them first: martlet account list --domain \(known.name)")
        }
        let reply = try await peers.directory.removeDomain(request, peers.change())
        terminal.answer(
            Page(name: known.name, removed: reply.removed),
            reply.removed ? "removed \(known.name)" : "\(known.name) was gone already")
    }
}
