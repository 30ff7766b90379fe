import Contracts
import Messaging
import TestSupport

/// A running authentication with a database of its own.
struct AuthenticationHouse: AuthenticationCaller {
    let house: House
    let sasl: any Sasl
    let accounts: any Accounts
    private let process: Mutexed<RunningExecutable>

    static func run(
        on given: PostgreSQLDatabase? = nil, isReady: Bool = true, _ body: (AuthenticationHouse) async throws -> Void
    ) async throws {
        let database: PostgreSQLDatabase
        if let given { database = given } else { database = try await PostgreSQLDatabase.fresh() }
        try await House.run { house in
            house.configuration.withLock {
                $0.set(database: database.connectionString(role: "martlet_authentication"), for: .authentication)
                $0.sections[Executable.authentication.service]? += ["password:", "  iterations: 4096"]
            }
            let started = try house.start(.authentication)
            let authentication = AuthenticationHouse(
                house: house, sasl: SaslClient(try house.client(to: .authentication, as: "smtp-ingress")),
                accounts: AccountsClient(try house.client(to: .authentication, as: "martlet")),
                process: Mutexed(started))
            if isReady { try await house.untilServed(by: started) }
            try await body(authentication)
        }
    }

    var running: RunningExecutable { process.value }

    /// kill -9, and a new process at once.
    func restart() async throws {
        try await running.kill()
        process.value = try house.start(.authentication)
    }
}
