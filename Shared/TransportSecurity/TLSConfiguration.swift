/// The two files that let a server prove who it is.
public struct TLSIdentityFiles: Sendable, Hashable {
    /// PEM: the server's certificate, then the intermediate ones up to, but without, the root.
    public var certificateChainFile: String

    /// PEM: the private key of the first certificate, without a passphrase.
    public var privateKeyFile: String

    /// Names the files; nothing is read yet.
    public init(certificateChainFile: String, privateKeyFile: String) {
        self.certificateChainFile = certificateChainFile
        self.privateKeyFile = privateKeyFile
    }
}

/// What a server offers.
public struct TLSServerConfiguration: Sendable {
    /// The certificates. The one whose names match the client's SNI (RFC 6066, 3) is shown, otherwise the first.
    public var identities: [TLSIdentityFiles]

    /// The protocols for ALPN (RFC 7301) in the order of preference. Empty: ALPN is not negotiated. Otherwise a
    /// client that offers only others is refused, so that an answer meant for one protocol cannot reach another.
    public var applicationProtocols: [String] = []

    /// The lowest version that is spoken.
    public var minimumVersion: TLSVersion = .v1_2

    /// How long a client may come back with its session ticket.
    public var sessionLifetime: Duration = .seconds(7200)

    /// Several certificates, chosen by the client's SNI.
    public init(identities: [TLSIdentityFiles]) {
        self.identities = identities
    }

    /// One certificate.
    public init(certificateChainFile: String, privateKeyFile: String) {
        self.init(identities: [
            TLSIdentityFiles(certificateChainFile: certificateChainFile, privateKeyFile: privateKeyFile)
        ])
    }
}

/// What a client expects.
public struct TLSClientConfiguration: Sendable {
    /// Whom the client believes.
    public enum Trust: Sendable, Hashable {
        /// The certification authorities of the operating system.
        case system
        /// The authorities in this PEM file and no others.
        case authorities(file: String)
        /// Anybody: for tests, and for opportunistic encryption where the name proves nothing.
        case insecure
    }

    /// Whom the client believes.
    public var trust: Trust

    /// The protocols that are offered by ALPN, in the order of preference; empty: none.
    public var applicationProtocols: [String] = []

    /// The lowest version that is spoken.
    public var minimumVersion: TLSVersion = .v1_2

    /// The highest version that is spoken; lower than the newest only in tests.
    public var maximumVersion: TLSVersion = .v1_3

    /// For how many server names a session is kept to be resumed; 0: none.
    public var resumableServers: Int = 256

    /// Trusts the system's authorities unless told otherwise.
    public init(trust: Trust = .system) {
        self.trust = trust
    }
}

/// A version of the protocol. Older ones are not spoken (RFC 8996).
public enum TLSVersion: Sendable, Hashable, Comparable, CaseIterable, CustomStringConvertible {
    /// TLS 1.2 (RFC 5246).
    case v1_2
    /// TLS 1.3 (RFC 8446).
    case v1_3

    /// The name as it stands in a Received field: `TLSv1.3`.
    public var description: String {
        switch self {
        case .v1_2: "TLSv1.2"
        case .v1_3: "TLSv1.3"
        }
    }
}
