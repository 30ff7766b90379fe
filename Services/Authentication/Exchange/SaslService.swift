import Contracts
import Foundation
import Logging
import Messaging
import Metrics
import SASL

/// The contract Sasl: drives an exchange from one message of the client to the next.
///
/// A name that nobody has and a password that is wrong take the same way: the same statements, the same hash, the same
/// reply.
struct SaslService: Sasl {
    let store: CredentialStore
    let throttle: Throttle
    let checker: PasswordChecker
    let unknown: UnknownNames
    let seal: ExchangeSeal
    let allowsCleartext: Bool
    let logger: Logger

    func mechanisms(_ request: SaslMechanismsRequest, _ context: CallContext) async throws -> SaslMechanismsReply {
        let offered = Mechanism.offered(
            overTLS: request.overTls, hasChannelBinding: !request.channelBindingTypes.isEmpty,
            allowsCleartext: allowsCleartext)
        return .with { $0.mechanisms = offered.map(\.rawValue) }
    }

    func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply {
        guard let mechanism = Mechanism(rawValue: request.mechanism.uppercased()) else {
            return .failure(.unknownMechanism)
        }
        guard !mechanism.sendsPassword || request.overTls || allowsCleartext else {
            return .failure(.encryptionRequired)
        }
        guard mechanism != .scramSHA256Plus || !request.channelBindings.isEmpty else {
            return .failure(.unknownMechanism)
        }
        let bindings = request.channelBindings.map { SASL.ChannelBinding(type: $0.type, octets: Array($0.octets)) }
        var exchange = ServerExchange(mechanism, in: ServerExchange.Environment(channelBindings: bindings))
        let action =
            request.hasInitialResponse ? exchange.received(Array(request.initialResponse)) : exchange.began()
        let attempt = Attempt(client: request.clientAddress, context: context)
        return try await answering { try await perform(action, OpenExchange(exchange: exchange), attempt) }
    }

    func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply {
        let attempt = Attempt(client: request.clientAddress, context: context)
        var open: OpenExchange
        do {
            open = try seal.open(Array(request.exchange), client: request.clientAddress)
        } catch {
            switch error {
            // Whoever was too slow begins again.
            case .expired: return .failure(.credentials)
            case .forged: throw MessagingError(.malformed, "the exchange is not ours")
            }
        }
        let action = open.exchange.received(Array(request.response))
        return try await answering { try await perform(action, open, attempt) }
    }

    /// What belongs to one call.
    private struct Attempt {
        var client: String
        var context: CallContext
    }

    private func perform(_ action: ServerExchange.Action, _ open: OpenExchange, _ attempt: Attempt) async throws
        -> SaslStepReply
    {
        switch action {
        case .challenge(let octets):
            return try challenge(octets, open, attempt)
        case .findVerifier(let claim):
            return try await offerVerifier(claim, open, attempt)
        case .checkPassword(let claim, let password):
            return try await check(claim, password, open, attempt)
        case .proven(let claim, let additionalData):
            return try await proven(claim, additionalData, open, attempt)
        case .failed(.malformed(let reason)):
            logger.info("authentication malformed", metadata: metadata(open, attempt, reason: reason))
            count(open, "malformed")
            return .failure(.malformed)
        case .failed(.credentials), .failed(.authorization), .failed(.serverNotProven):
            return try await refuse(open.identity?.address, open, attempt)
        }
    }

    private func challenge(_ octets: [UInt8], _ open: OpenExchange, _ attempt: Attempt) throws -> SaslStepReply {
        guard let sealed = seal.seal(open, client: attempt.client) else {
            throw MessagingError(.failed, "the exchange cannot go on")
        }
        return .with {
            $0.challenge = Data(octets)
            $0.exchange = Data(sealed)
        }
    }

    /// SCRAM's first step: the salt of the name, whether it exists or not.
    private func offerVerifier(_ claim: Claim, _ open: OpenExchange, _ attempt: Attempt) async throws -> SaslStepReply {
        let name = LoginName.canonical(claim.name)
        let (credential, mustWait) = try await find(name, attempt)
        guard !mustWait else { return throttled(open, attempt) }
        let madeUp = unknown.verifier(of: name)
        var next = open
        next.identity = .with {
            // Zero for nobody: sealed, so only this service sees the difference.
            $0.accountID = credential?.accountID ?? 0
            $0.address = credential?.address ?? name
        }
        let action = next.exchange.found(credential?.verifier ?? madeUp)
        return try await perform(action, next, attempt)
    }

    private func check(_ claim: Claim, _ password: String, _ open: OpenExchange, _ attempt: Attempt) async throws
        -> SaslStepReply
    {
        let name = LoginName.canonical(claim.name)
        guard password.utf8.count <= PasswordChecker.octetLimit else {
            return try await refuse(name, open, attempt)
        }
        let (credential, mustWait) = try await find(name, attempt)
        guard !mustWait else { return throttled(open, attempt) }
        let madeUp = unknown.verifier(of: name)
        let matches = try await checker.matches(
            name: name, password: password, verifier: credential?.verifier ?? madeUp,
            deadline: attempt.context.deadline)
        guard matches, let credential else { return try await refuse(name, open, attempt) }
        let identity = Identity.with {
            $0.accountID = credential.accountID
            $0.address = credential.address
        }
        return try await accept(claim, identity, additionalData: nil, open, attempt)
    }

    private func proven(_ claim: Claim, _ additionalData: [UInt8], _ open: OpenExchange, _ attempt: Attempt)
        async throws -> SaslStepReply
    {
        guard let identity = open.identity, identity.accountID > 0 else {
            return try await refuse(open.identity?.address, open, attempt)
        }
        // Failures since the exchange began count: otherwise many could be begun before the first one fails.
        let mustWait = try await throttle.mustWait(
            client: attempt.client, name: identity.address, deadline: attempt.context.deadline)
        guard !mustWait else { return throttled(open, attempt) }
        return try await accept(claim, identity, additionalData: additionalData, open, attempt)
    }

    /// Nobody acts as somebody else (RFC 4422, 3.4.1): the identity that is asked for is empty or the own one.
    private func accept(
        _ claim: Claim, _ identity: Identity, additionalData: [UInt8]?, _ open: OpenExchange, _ attempt: Attempt
    ) async throws -> SaslStepReply {
        guard claim.authorization.isEmpty || LoginName.canonical(claim.authorization) == identity.address else {
            logger.notice("authorization refused", metadata: metadata(open, attempt, name: identity.address))
            count(open, "authorization")
            return .failure(.authorization)
        }
        count(open, "success")
        logger.info("authenticated", metadata: metadata(open, attempt, name: identity.address))
        return .with { reply in
            reply.success = .with {
                $0.identity = identity
                if let additionalData { $0.additionalData = Data(additionalData) }
            }
        }
    }

    private func find(_ name: String, _ attempt: Attempt) async throws -> (Credential?, mustWait: Bool) {
        let (credential, answer) = try await store.find(
            name, with: throttle.question(client: attempt.client, name: name), deadline: attempt.context.deadline)
        return (credential, try throttle.mustWait(answer))
    }

    /// - Parameter name: nil if the client did not get so far as to say one.
    private func refuse(_ name: String?, _ open: OpenExchange, _ attempt: Attempt) async throws -> SaslStepReply {
        try await throttle.failed(client: attempt.client, name: name, deadline: attempt.context.deadline)
        count(open, "credentials")
        logger.notice("authentication failed", metadata: metadata(open, attempt, name: name))
        return .failure(.credentials)
    }

    private func throttled(_ open: OpenExchange, _ attempt: Attempt) -> SaslStepReply {
        count(open, "throttled")
        logger.notice("authentication throttled", metadata: metadata(open, attempt))
        return .failure(.throttled)
    }

    private func metadata(_ open: OpenExchange, _ attempt: Attempt, name: String? = nil, reason: String? = nil)
        -> Logger.Metadata
    {
        var metadata: Logger.Metadata = [
            "transaction": "\(attempt.context.transaction)", "client": "\(attempt.client)",
            "mechanism": "\(open.exchange.mechanism.rawValue)",
        ]
        if let name { metadata["name"] = "\(name)" }
        if let reason { metadata["reason"] = "\(reason)" }
        return metadata
    }

    private func count(_ open: OpenExchange, _ outcome: String) {
        Counter(
            label: "martlet_authentication_attempts_total",
            dimensions: [("mechanism", open.exchange.mechanism.rawValue), ("outcome", outcome)]
        ).increment()
    }
}

extension SaslStepReply {
    fileprivate static func failure(_ failure: SaslFailure) -> SaslStepReply {
        .with { $0.failure = failure }
    }
}
