import ArgumentParser
import Contracts
import Foundation
import Messaging
import ServiceRuntime

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The configuration file of the system to ask.", valueName: "file"))
    var config: String?

    @Flag(name: .long, help: "Answer in JSON, one object; the shapes stay the same. Errors too, on standard error.")
    var json = false
}

/// The services that commands ask.
struct Peers: Sendable {
    var directory: any Directory
    var accounts: any Accounts
    var mailStore: any MailStore
    var ledger: any Ledger
    /// How long one question may take.
    var timeout: Duration = .seconds(10)

    /// The context of a question.
    func question() -> CallContext { CallContext(timeout: timeout) }

    /// The context of a change: it carries a key, so that it may be sent again when a service dies on the way.
    func change() -> CallContext { CallContext(timeout: timeout, idempotencyKey: .next()) }
}

/// A command that asks the services.
protocol OperatorCommand: AsyncParsableCommand {
    var options: CommonOptions { get }

    /// Does the work; the tests call it with stubs.
    func execute(_ peers: Peers, _ terminal: Terminal) async throws
}

extension OperatorCommand {
    /// Connects, executes, and turns every error into its words and status.
    mutating func run() async throws {
        let command = self
        try await Failure.reporting(json: options.json) {
            let connection = try Connection(config: command.options.config)
            do {
                try await command.execute(connection.peers(), Terminal(isJSON: command.options.json))
                await connection.close()
            } catch {
                await connection.close()
                throw Failure(error)
            }
        }
    }
}

/// The section `administration` of the configuration.
struct AdministrationConfiguration: ServiceConfiguration {
    static let keys: [ConfigurationKey] = [
        .list(
            "expected", default: ["storage", "authentication", "content-processing", "smtp-ingress", "imap-access"],
            "Services of which `martlet status` expects at least one replica."),
        .duration(
            "timeout", default: .seconds(10), in: .milliseconds(100) ... .seconds(600),
            "How long one question to a service may take."),
    ]

    let expected: [String]
    let timeout: Duration

    init(from values: ConfigurationValues) throws(ConfigurationError) {
        expected = try values.list("expected")
        timeout = try values.duration("timeout")
        for service in expected where !CommonConfiguration.services.contains(service) {
            throw values.error(
                "expected",
                "expected names of services (\(CommonConfiguration.services.joined(separator: ", "))), "
                    + "found \"\(service)\"")
        }
    }
}
