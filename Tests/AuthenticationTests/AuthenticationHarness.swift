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
struct Harness {
    let database: PostgreSQLDatabase
    let engine: AuthenticationEngine
    let sasl: SaslClient
    let accounts: AccountsClient
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

    func set(_ password: String, for address: String, id: Int64 = 1) async throws -> Bool {
        try await accounts.setPassword(
            .with {
                $0.accountID = id
                $0.address = address
                $0.password = password
            }, CallContext(idempotencyKey: .next())
        ).replaced
    }

    /// A whole login, as ingress would relay it.
    func login(
        _ mechanism: Mechanism, _ name: String, _ password: String, authorization: String = "",
        client: String = "192.0.2.1", overTLS: Bool = true, clientBindings: [SASL.ChannelBinding] = [],
        serverBindings: [SASL.ChannelBinding] = [], offered: [Mechanism] = [], then other: Harness? = nil
    ) async throws -> Outcome {
        var exchange = ClientExchange(
            mechanism, claim: Claim(name: name, authorization: authorization), password: password, offered: offered,
            channelBindings: clientBindings)
        let initial = try exchange.initialResponse()
        var reply = try await sasl.start(
            .with {
                $0.mechanism = mechanism.rawValue
                if let initial { $0.initialResponse = Data(initial) }
                $0.service = "smtp"
                $0.clientAddress = client
                $0.overTls = overTLS
                $0.channelBindings = serverBindings.map { binding in
                    .with {
                        $0.type = binding.type
                        $0.octets = Data(binding.octets)
                    }
                }
            }, CallContext())
        while true {
            switch reply.step {
            case .success(let success):
                try exchange.succeeded(
                    additionalData: success.hasAdditionalData ? Array(success.additionalData) : nil)
                return .identity(success.identity.accountID, success.identity.address)
            case .failure(let failure):
                return .failure(failure)
            case .challenge(let challenge):
                let response = try exchange.challenged(Array(challenge))
                let sealed = reply.exchange
                reply = try await (other ?? self).sasl.respond(
                    .with {
                        $0.exchange = sealed
                        $0.response = Data(response)
                        $0.clientAddress = client
                    }, CallContext())
            case nil:
                throw MessagingError(.malformed, "no step")
            }
        }
    }
}

enum Outcome: Equatable {
    case identity(Int64, String)
    case failure(SaslFailure)
}
