import Contracts
import Database
import Foundation
import Logging
import Messaging
import SASL
import TestSupport
import Testing

@testable import Authentication

/// A real service over a real PostgreSQL, asked through the contracts' clients.
struct Harness: AuthenticationCaller {
    let database: PostgreSQLDatabase
    let engine: AuthenticationEngine
    let sasl: any Sasl
    let accounts: any Accounts
    private let pair: MessagingPair
    private let work: Task<Void, Never>

    static let iterations = 4096

    static func start(
        on given: PostgreSQLDatabase? = nil, secret: String = "secret",
        _ change: (inout AuthenticationEngine.Options) -> Void = { _ in }
    ) async throws -> Harness {
        let database: PostgreSQLDatabase
        if let given { database = given } else { database = try await PostgreSQLDatabase.fresh() }
        var options = AuthenticationEngine.Options()
        options.iterations = iterations
        options.connections = 2
        change(&options)
        let engine = AuthenticationEngine(
            connectionString: database.connectionString(role: "martlet_authentication"), secret: Array(secret.utf8),
            options: options, logger: .quiet)
        let pair = try MessagingPair.inproc([SaslServer(engine.sasl), AccountsServer(engine.accounts)])
        let work = Task { await engine.run() }
        try await engine.prepareSchema()
        return Harness(
            database: database, engine: engine, sasl: SaslClient(pair.client), accounts: AccountsClient(pair.client),
            pair: pair, work: work)
    }

    func stop() async {
        await pair.close()
        work.cancel()
        await work.value
    }
}
