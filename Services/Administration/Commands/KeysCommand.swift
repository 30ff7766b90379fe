import ArgumentParser
import Contracts
import ServiceRuntime

/// `martlet keys …`
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "The CURVE keys by which the services know each other.",
        subcommands: [KeysGenerate.self])
}

/// `martlet keys generate`
struct KeysGenerate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Make the keys that are missing in a folder; those that are there stay.",
        discussion: """
            For each service, and for this command, NAME.key (secret, mode 0600) and NAME.pub. On a machine of its \
            own a service needs its own .key and everybody's .pub. To change a key, remove both its files, run this, \
            spread the .pub, restart that service and send the others SIGHUP.

            EXAMPLE
              martlet keys generate /etc/martlet/keys
            """)

    @Argument(help: "The folder; made when it is not there.")
    var folder: String
    @OptionGroup var options: CommonOptions

    private struct Page: Encodable {
        var folder: String
        var made: [String]
        var kept: [String]
    }

    mutating func run() async throws {
        let command = self
        try await Failure.reporting(json: options.json) { try command.execute(Terminal(isJSON: command.options.json)) }
    }

    func execute(_ terminal: Terminal) throws {
        let generated = try KeyDirectory(path: folder).generate(ContractAccess.services)
        terminal.answer(
            Page(folder: folder, made: generated.made, kept: generated.kept),
            generated.made.isEmpty
                ? "all keys are there" : "made the keys of \(generated.made.joined(separator: ", ")) in \(folder)")
    }
}
