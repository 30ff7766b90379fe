import Contracts
import Foundation
import Messaging
import SASL

/// What tests ask of authentication through its contracts, whether it runs in the test or as a process.
package protocol AuthenticationCaller: Sendable {
    var sasl: any Sasl { get }
    var accounts: any Accounts { get }
}

extension AuthenticationCaller {
    package func set(_ password: String, for address: String, id: Int64 = 1) async throws -> Bool {
        try await accounts.setPassword(
            .with {
                $0.accountID = id
                $0.address = address
                $0.password = password
            }, CallContext(idempotencyKey: .next())
        ).replaced
    }

    /// A whole login, as ingress would relay it.
    /// - Parameters:
    ///   - other: who is asked from the second step on.
    ///   - between: what happens before each step but the first.
    package func login(
        _ mechanism: Mechanism, _ name: String, _ password: String, authorization: String = "",
        client: String = "192.0.2.1", overTLS: Bool = true, clientBindings: [SASL.ChannelBinding] = [],
        serverBindings: [SASL.ChannelBinding] = [], offered: [Mechanism] = [], then other: Self? = nil,
        between: () async throws -> Void = {}
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
                try await between()
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

/// How a login ended.
package enum Outcome: Equatable {
    case identity(Int64, String)
    case failure(SaslFailure)
}
