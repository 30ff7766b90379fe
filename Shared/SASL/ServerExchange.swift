import Cryptography

/// The server's side of one authentication, as a value: the client's messages go in, and what to do comes out. It keeps
/// no secret but the verifier's keys and can be encoded between two messages, so that any replica goes on with it.
public struct ServerExchange: Sendable, Hashable {
    /// What the connection is like.
    public struct Environment: Sendable, Hashable {
        /// What can be bound to; if there is any, SCRAM-SHA-256-PLUS is offered.
        public var channelBindings: [ChannelBinding]

        /// Nothing can be bound to unless it is named.
        public init(channelBindings: [ChannelBinding] = []) {
            self.channelBindings = channelBindings
        }
    }

    /// What the owner of the exchange does next.
    public enum Action: Sendable, Hashable {
        /// Sends this to the client and hands in the answer with `received`.
        case challenge([UInt8])
        /// Finds the verifier of this name and compares the password with it. The exchange is over.
        case checkPassword(Claim, password: String)
        /// Finds the verifier of this name, a made-up one if there is none, and hands it in with `found`.
        case findVerifier(Claim)
        /// The client proved that he knows the password of the verifier, and reads this as the server's last word. The
        /// exchange is over.
        case proven(Claim, additionalData: [UInt8])
        /// The exchange is over.
        case failed(ExchangeFailure)
    }

    enum State: Sendable, Hashable {
        case awaitingFirst
        case awaitingLoginName
        case awaitingLoginPassword(name: String)
        /// The owner is looking for the verifier.
        case awaitingVerifier(Scram)
        case awaitingProof(Scram, ScramVerifier)
        case over
    }

    /// What SCRAM remembers between its messages.
    struct Scram: Sendable, Hashable {
        var claim: Claim
        var clientFirstBare: String
        var serverFirst: String
        var nonce: String
        /// What the client must repeat: its GS2 header and the binding data.
        var channelBinding: [UInt8]
    }

    /// Longer messages are refused unread.
    public static let messageLimit = 4096

    /// The mechanism that the client chose.
    public let mechanism: Mechanism
    var state: State
    let environment: Environment
    private let makeNonce: @Sendable () -> String

    /// An exchange in which nothing was said.
    public init(_ mechanism: Mechanism, in environment: Environment) {
        self.init(mechanism, in: environment) { Base64.encode(SecureRandom.octets(18)) }
    }

    init(
        _ mechanism: Mechanism, in environment: Environment, state: State = .awaitingFirst,
        nonce: @escaping @Sendable () -> String
    ) {
        self.mechanism = mechanism
        self.environment = environment
        self.state = state
        makeNonce = nonce
    }

    /// The client chose the mechanism and sent nothing along (RFC 4422, 4: no initial response).
    public mutating func began() -> Action {
        switch (state, mechanism) {
        case (.awaitingFirst, .login):
            state = .awaitingLoginName
            return .challenge(Array("Username:".utf8))
        case (.awaitingFirst, _):
            return .challenge([])
        default:
            return fail(.malformed("out of order"))
        }
    }

    /// The client's initial response or its answer to a challenge.
    public mutating func received(_ message: [UInt8]) -> Action {
        guard message.count <= Self.messageLimit else { return fail(.malformed("message too long")) }
        do throws(ExchangeFailure) {
            switch state {
            case .awaitingFirst:
                switch mechanism {
                case .plain: return try plain(message)
                case .login: return try loginName(message)
                case .scramSHA256, .scramSHA256Plus: return try scramFirst(message)
                }
            case .awaitingLoginName:
                return try loginName(message)
            case .awaitingLoginPassword(let name):
                state = .over
                return .checkPassword(Claim(name: name), password: try text(message))
            case .awaitingProof(let scram, let verifier):
                return try scramFinal(message, scram, verifier)
            case .awaitingVerifier, .over:
                throw .malformed("out of order")
            }
        } catch {
            return fail(error)
        }
    }

    /// The verifier for which `findVerifier` asked.
    public mutating func found(_ verifier: ScramVerifier) -> Action {
        guard case .awaitingVerifier(var scram) = state else { return fail(.malformed("out of order")) }
        scram.serverFirst = "r=\(scram.nonce),s=\(Base64.encode(verifier.salt)),i=\(verifier.iterations)"
        state = .awaitingProof(scram, verifier)
        return .challenge(Array(scram.serverFirst.utf8))
    }

    /// Two exchanges are the same if they have come to the same point in the same way.
    public static func == (first: Self, second: Self) -> Bool {
        first.mechanism == second.mechanism && first.environment == second.environment && first.state == second.state
    }

    /// Agrees with `==`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(mechanism)
        hasher.combine(environment)
        hasher.combine(state)
    }

    private mutating func fail(_ failure: ExchangeFailure) -> Action {
        state = .over
        return .failed(failure)
    }

    // MARK: Mechanisms that show the password

    /// RFC 4616, 2: `[authzid] NUL authcid NUL passwd`.
    private mutating func plain(_ message: [UInt8]) throws(ExchangeFailure) -> Action {
        state = .over
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("PLAIN has three parts") }
        let authorization = try parts[0].isEmpty ? "" : prepared(name: text(Array(parts[0])))
        let name = try prepared(name: text(Array(parts[1])))
        let password = try text(Array(parts[2]))
        return .checkPassword(Claim(name: name, authorization: authorization), password: password)
    }

    private mutating func loginName(_ message: [UInt8]) throws(ExchangeFailure) -> Action {
        state = .awaitingLoginPassword(name: try prepared(name: text(message)))
        return .challenge(Array("Password:".utf8))
    }

    private func text(_ octets: [UInt8]) throws(ExchangeFailure) -> String {
        guard !octets.isEmpty, !octets.contains(0), let text = String(validating: octets, as: UTF8.self) else {
            throw .malformed("empty, or not UTF-8")
        }
        return text
    }

    /// RFC 4616, 2 and RFC 5802, 5.1: names are prepared; one that cannot be is nobody's.
    private func prepared(name: String) throws(ExchangeFailure) -> String {
        guard let octets = try? SASLprep.prepare(name, for: .query), !octets.isEmpty else { throw .credentials }
        return String(decoding: octets, as: UTF8.self)
    }

    // MARK: SCRAM (RFC 5802, 5 and 6)

    private mutating func scramFirst(_ message: [UInt8]) throws(ExchangeFailure) -> Action {
        let first = try ScramMessages.ClientFirst(message)
        var channelBinding = Array(first.header.utf8)
        switch (first.flag, mechanism) {
        case (.used(let type), .scramSHA256Plus):
            guard let binding = environment.channelBindings.first(where: { $0.type == type }) else {
                throw .malformed("unsupported channel binding type")
            }
            channelBinding += binding.octets
        case (.unsupported, .scramSHA256):
            break
        case (.notOffered, .scramSHA256):
            // We did offer it, so somebody took it out of the list (RFC 5802, 6).
            guard environment.channelBindings.isEmpty else { throw .credentials }
        case (.used, _), (.unsupported, _), (.notOffered, _):
            throw .malformed("the channel binding flag does not belong to the mechanism")
        }
        let claim = Claim(
            name: try prepared(name: first.name),
            authorization: try first.authorization.isEmpty ? "" : prepared(name: first.authorization))
        state = .awaitingVerifier(
            Scram(
                claim: claim, clientFirstBare: first.bare, serverFirst: "", nonce: first.nonce + makeNonce(),
                channelBinding: channelBinding))
        return .findVerifier(claim)
    }

    private mutating func scramFinal(_ message: [UInt8], _ scram: Scram, _ verifier: ScramVerifier)
        throws(ExchangeFailure) -> Action
    {
        state = .over
        let final = try ScramMessages.ClientFinal(message)
        let signed = Array("\(scram.clientFirstBare),\(scram.serverFirst),\(final.withoutProof)".utf8)
        let clientSignature = HMACSHA256.authenticate(signed, key: verifier.storedKey)
        let clientKey = exclusiveOr(final.proof, clientSignature)
        guard constantTimeEqual(SHA256.hash(clientKey), verifier.storedKey),
            constantTimeEqual(final.channelBinding, scram.channelBinding), final.nonce == scram.nonce
        else { throw .credentials }
        let serverSignature = HMACSHA256.authenticate(signed, key: verifier.serverKey)
        return .proven(scram.claim, additionalData: Array("v=\(Base64.encode(serverSignature))".utf8))
    }
}
