import ArgumentParser
import Contracts

/// `martlet alias …`
struct AliasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias", abstract: "Further addresses that lead to accounts or elsewhere: add, list, remove.",
        subcommands: [AliasAdd.self, AliasList.self, AliasRemove.self])
}

/// `martlet alias add`
struct AliasAdd: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add targets to an alias; the alias is made when it is not there.",
        discussion: """
            EXAMPLES
              martlet alias add sales@example.org alice@example.org bob@example.org
              martlet alias add @example.org alice@example.org     whatever is not known in the domain
            """)

    @Argument(help: "The alias, or @domain for every unknown address of a domain.")
    var address: String
    @Argument(help: "Where its mail goes.")
    var targets: [String]
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable { var alias: AliasPage }

    func validate() throws {
        if targets.isEmpty { throw ValidationError("give at least one address that the alias leads to") }
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var request = AddAliasRequest()
        request.address = try Addresses.checked(address, allowsCatchAll: true)
        request.targets = try targets.map { try Addresses.checked($0) }
        let reply = try await peers.directory.addAlias(request, peers.change())
        terminal.answer(
            Page(alias: AliasPage(reply.alias)),
            "\(reply.alias.address) leads to \(reply.alias.targets.joined(separator: ", "))")
    }
}

/// `martlet alias list`
struct AliasList: OperatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List aliases and where they lead.")

    @Option(help: ArgumentHelp("Only aliases of this domain.", valueName: "name"))
    var domain: String?
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable { var aliases: [AliasPage] }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var request = ListAliasesRequest()
        request.domain = try domain.map(Addresses.domain) ?? ""
        let pages = try await peers.directory.listAliases(request, peers.question()).aliases.map(AliasPage.init)
        terminal.answer(
            Page(aliases: pages),
            TextTable.text(
                ["ALIAS", "LEADS TO"], pages.map { [$0.address, $0.targets.joined(separator: ", ")] },
                whenEmpty: "There are no aliases yet: martlet alias add ADDRESS TARGET"))
    }
}

/// `martlet alias remove`
struct AliasRemove: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove targets from an alias, or the whole alias when none is named.",
        discussion: """
            EXAMPLES
              martlet alias remove sales@example.org bob@example.org
              martlet alias remove sales@example.org
            """)

    @Argument(help: "The alias.")
    var address: String
    @Argument(help: "Targets that it no longer leads to; all without any.")
    var targets: [String] = []
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var address: String
        var targets: [String]
        var removed: Bool
    }

    func execute(_ peers: Peers, _ terminal: Terminal) async throws {
        var request = RemoveAliasRequest()
        request.address = try Addresses.checked(address, allowsCatchAll: true)
        request.targets = try targets.map { try Addresses.checked($0) }
        let reply = try await peers.directory.removeAlias(request, peers.change())
        guard reply.removed else {
            throw Failure(
                .notFound,
                targets.isEmpty
                    ? "there is no alias \(request.address)"
                    : "\(request.address) does not lead to \(targets.joined(separator: ", "))",
                advice: "`martlet alias list` shows those there are.")
        }
        terminal.answer(
            Page(address: request.address, targets: request.targets, removed: true),
            targets.isEmpty
                ? "removed \(request.address)"
                : "\(request.address) no longer leads to \(targets.joined(separator: ", "))")
    }
}
