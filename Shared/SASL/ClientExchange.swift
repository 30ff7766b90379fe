import Cryptography

/// The client's side of one authentication, as a value: the server's challenges go in, the answers come out.
public struct ClientExchange: Sendable {
    private enum State: Sendable {
        case fresh
        case loginNameSent
        case scramFirstSent(bare: String, nonce: String)
        case scramFinalSent(serverSignature: [UInt8])
        case complete
        case over
    }

    /// A server that asks for more work than this is not answered.
    public static let iterationLimit = 1_000_000

    /// The mechanism.
    public let mechanism: Mechanism
    private let claim: Claim
    private let password: String
    private let binding: ChannelBinding?
    private let flag: String
    private let makeNonce: @Sendable () -> String
    private var state = State.fresh

    /// - Parameters:
    ///   - offered: what the server offers. With it the client notices when somebody takes the bound mechanism out.
    ///   - channelBindings: what the TLS connection gives, strongest first.
    public init(
        _ mechanism: Mechanism, claim: Claim, password: String, offered: [Mechanism] = [],
        channelBindings: [ChannelBinding] = []
    ) {
        self.init(
            mechanism, claim: claim, password: password, offered: offered, channelBindings: channelBindings
        ) { Base64.encode(SecureRandom.octets(18)) }
    }

    init(
        _ mechanism: Mechanism, claim: Claim, password: String, offered: [Mechanism],
        channelBindings: [ChannelBinding], nonce: @escaping @Sendable () -> String
    ) {
        self.mechanism = mechanism
        self.claim = claim
        self.password = password
        makeNonce = nonce
        switch mechanism {
        case .scramSHA256Plus:
            binding = channelBindings.first
            flag = "p=\(channelBindings.first?.type ?? "")"
        case .scramSHA256:
            binding = nil
            // RFC 5802, 6: `y` only if the server did not offer what we could have done.
            flag = channelBindings.isEmpty || offered.contains(.scramSHA256Plus) ? "n" : "y"
        case .plain, .login:
            binding = nil
            flag = ""
        }
    }

    /// What the client says first, or nil if the server speaks first.
    public mutating func initialResponse() throws(ExchangeFailure) -> [UInt8]? {
        guard case .fresh = state else { throw .malformed("out of order") }
        switch mechanism {
        case .plain:
            state = .complete
            return Array("\(claim.authorization)\0\(claim.name)\0\(password)".utf8)
        case .login:
            return nil
        case .scramSHA256, .scramSHA256Plus:
            if mechanism == .scramSHA256Plus, binding == nil { throw .malformed("nothing to bind to") }
            let nonce = makeNonce()
            let bare = "n=\(ScramMessages.escaped(try prepared(claim.name))),r=\(nonce)"
            state = .scramFirstSent(bare: bare, nonce: nonce)
            return Array((header + bare).utf8)
        }
    }

    /// The answer to a challenge.
    public mutating func challenged(_ challenge: [UInt8]) throws(ExchangeFailure) -> [UInt8] {
        switch state {
        case .fresh:
            if mechanism == .login {
                state = .loginNameSent
                return Array(claim.name.utf8)
            }
            // The server waits for what the client says first (RFC 4422, 4).
            return try initialResponse() ?? []
        case .loginNameSent:
            state = .complete
            return Array(password.utf8)
        case .scramFirstSent(let bare, let nonce):
            return try answer(challenge, bare: bare, nonce: nonce)
        case .scramFinalSent:
            // A protocol without additional data sends the server's last word as a challenge.
            try succeeded(additionalData: challenge)
            return []
        case .complete, .over:
            throw .malformed("out of order")
        }
    }

    /// The server says that it is satisfied. Throws if it did not prove itself.
    public mutating func succeeded(additionalData: [UInt8]?) throws(ExchangeFailure) {
        switch state {
        case .complete:
            break
        case .scramFinalSent(let expected):
            state = .over
            guard let additionalData, let text = String(validating: additionalData, as: UTF8.self),
                let first = text.split(separator: ",").first,
                constantTimeEqual(try ScramMessages.base64(try ScramMessages.value("v", first)), expected)
            else { throw .serverNotProven }
            state = .complete
        case .fresh, .loginNameSent, .scramFirstSent, .over:
            throw .serverNotProven
        }
    }

    private var header: String {
        let authorization = claim.authorization.isEmpty ? "" : "a=\(ScramMessages.escaped(claim.authorization))"
        return "\(flag),\(authorization),"
    }

    private mutating func answer(_ challenge: [UInt8], bare: String, nonce: String) throws(ExchangeFailure)
        -> [UInt8]
    {
        state = .over
        let first = try ScramMessages.ServerFirst(challenge)
        guard first.nonce.hasPrefix(nonce), first.nonce.utf8.count > nonce.utf8.count else {
            throw .malformed("the server's nonce does not continue ours")
        }
        guard first.iterations <= Self.iterationLimit else { throw .malformed("too many iterations") }
        let channelBinding = Base64.encode(Array(header.utf8) + (binding?.octets ?? []))
        let withoutProof = "c=\(channelBinding),r=\(first.nonce)"
        let signed = Array("\(bare),\(String(decoding: challenge, as: UTF8.self)),\(withoutProof)".utf8)

        let keys = ScramKeys(
            prepared: Array(try prepared(password).utf8), salt: first.salt, iterations: first.iterations)
        let clientSignature = HMACSHA256.authenticate(signed, key: SHA256.hash(keys.clientKey))
        let proof = exclusiveOr(keys.clientKey, clientSignature)
        state = .scramFinalSent(serverSignature: HMACSHA256.authenticate(signed, key: keys.serverKey))
        return Array("\(withoutProof),p=\(Base64.encode(proof))".utf8)
    }

    private func prepared(_ text: String) throws(ExchangeFailure) -> String {
        guard let octets = try? SASLprep.prepare(text, for: .query), !octets.isEmpty else {
            throw .malformed("cannot be prepared")
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
