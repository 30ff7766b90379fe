import Contracts
import Logging
import Messaging
import ServiceRuntime

/// The way from this command to the services: the configuration, the key `martlet.key`, and the sockets.
struct Connection: Sendable {
    let configuration: AdministrationConfiguration
    let connections: ServiceConnections
    let common: CommonConfiguration

    /// The name of the command among the peers, and of its key files.
    static let name = "martlet"

    /// Reads the configuration; nothing is asked yet.
    init(config: String?) throws {
        let read = try ServiceProcess.readConfiguration(
            service: "administration", as: AdministrationConfiguration.self, file: config)
        configuration = read.own
        common = read.common
        // What messaging has to say of itself is no part of a command's answer.
        var logger = Logger(label: Self.name, factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        connections = try ServiceConnections(name: Self.name, common: read.common, logger: logger)
    }

    /// Clients of the services that commands ask.
    func peers() throws -> Peers {
        // A command is given once: that a service is just being restarted, or busy, is no reason to give it again.
        let patience = min(configuration.timeout, .seconds(5))
        let storage = try connections.peer("storage", patience: patience)
        let authentication = try connections.peer("authentication", patience: patience)
        return Peers(
            directory: DirectoryClient(storage), accounts: AccountsClient(authentication),
            mailStore: MailStoreClient(storage), ledger: LedgerClient(storage), timeout: configuration.timeout)
    }

    func close() async { await connections.close() }
}
