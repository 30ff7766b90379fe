/// The mechanisms that Martlet speaks (RFC 4422, 3.1), strongest first.
public enum Mechanism: String, Sendable, Hashable, CaseIterable {
    /// RFC 7677 with channel binding: nobody can stand between.
    case scramSHA256Plus = "SCRAM-SHA-256-PLUS"
    /// RFC 7677: the password does not travel.
    case scramSHA256 = "SCRAM-SHA-256"
    /// RFC 4616: the password travels; only under TLS.
    case plain = "PLAIN"
    /// draft-murchison-sasl-login: the same in two steps, for old clients.
    case login = "LOGIN"

    /// Whether the client shows its password to the server.
    public var sendsPassword: Bool {
        switch self {
        case .scramSHA256Plus, .scramSHA256: false
        case .plain, .login: true
        }
    }

    /// What a server offers on a connection, strongest first.
    /// - Parameters:
    ///   - hasChannelBinding: whether both sides can know something of the TLS connection.
    ///   - allowsCleartext: offers mechanisms that show the password without TLS too.
    public static func offered(overTLS: Bool, hasChannelBinding: Bool, allowsCleartext: Bool = false) -> [Mechanism] {
        allCases.filter { mechanism in
            switch mechanism {
            case .scramSHA256Plus: overTLS && hasChannelBinding
            case .scramSHA256: true
            case .plain, .login: overTLS || allowsCleartext
            }
        }
    }
}

/// Something that both ends of the TLS connection know (RFC 5056).
public struct ChannelBinding: Sendable, Hashable {
    /// `tls-exporter`, `tls-server-end-point` or `tls-unique`.
    public var type: String

    /// The binding data.
    public var octets: [UInt8]

    /// A binding as the TLS connection gave it.
    public init(type: String, octets: [UInt8]) {
        self.type = type
        self.octets = octets
    }
}

/// Why an exchange ended without success.
public enum ExchangeFailure: Error, Sendable, Hashable {
    /// The peer's message breaks the mechanism's syntax, or says what it may not say here.
    case malformed(String)
    /// Name or password, without a difference, or a proof that does not fit the channel.
    case credentials
    /// The user may not act as the one that he asked for.
    case authorization
    /// A client only: the server did not prove that it knows the verifier (RFC 5802, 3).
    case serverNotProven
}

/// What a client says of itself.
public struct Claim: Sendable, Hashable {
    /// Who he is (the authentication identity), after SASLprep.
    public var name: String

    /// As whom he wants to act (the authorisation identity); empty: as himself.
    public var authorization: String

    /// Who, and as whom.
    public init(name: String, authorization: String = "") {
        self.name = name
        self.authorization = authorization
    }
}
