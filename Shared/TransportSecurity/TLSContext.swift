import COpenSSL
import Synchronization

/// Certificates, keys and rules that any number of connections share. Make one for each group of listeners, and one for
/// each kind of client. Connections that have begun keep what they began with when `reload()` brings new certificates.
public final class TLSContext: Sendable {
    enum Role: Sendable {
        case server(TLSServerConfiguration, TicketKeys)
        case client(TLSClientConfiguration, SessionCache)
    }

    let role: Role
    private let current: Mutex<TLSGeneration>

    /// A context for listeners. Reads the files.
    public init(server configuration: TLSServerConfiguration) throws(TLSConfigurationError) {
        let tickets = TicketKeys(lifetime: configuration.sessionLifetime)
        role = .server(configuration, tickets)
        current = Mutex(try TLSGeneration(server: configuration, tickets: tickets))
    }

    /// A context for connections to others. Reads the file of authorities, if one is named.
    public init(client configuration: TLSClientConfiguration) throws(TLSConfigurationError) {
        let sessions = SessionCache(limit: configuration.resumableServers)
        role = .client(configuration, sessions)
        current = Mutex(try TLSGeneration(client: configuration, sessions: sessions))
    }

    /// Reads the files again. From then on new connections use what they hold now; session tickets stay valid.
    /// If anything is wrong with them the error says what, and everything stays as it was.
    public func reload() throws(TLSConfigurationError) {
        let next =
            switch role {
            case .server(let configuration, let tickets): try TLSGeneration(server: configuration, tickets: tickets)
            case .client(let configuration, let sessions): try TLSGeneration(client: configuration, sessions: sessions)
            }
        current.withLock { $0 = next }
    }

    /// What the operator should know about the certificates in use.
    public var warnings: [TLSConfigurationWarning] {
        var found = generation.warnings
        // A certificate may have expired since it was loaded.
        for identity in generation.identities {
            guard let warning = identity.leaf.warning(file: identity.file), !found.contains(warning) else { continue }
            found.append(warning)
        }
        return found
    }

    var generation: TLSGeneration { current.withLock { $0 } }
}
