import COpenSSL

/// The contexts of OpenSSL made from one reading of the files. Immutable once made, so that threads may share it:
/// OpenSSL counts references atomically and only reads a context that connections use. Every connection keeps its
/// generation alive, because OpenSSL's callbacks point at it.
final class TLSGeneration: @unchecked Sendable {
    /// One certificate and the context that shows it.
    struct Identity {
        let leaf: Certificate
        let file: String
        let context: OpaquePointer
    }

    /// By preference; empty for a client.
    private(set) var identities: [Identity] = []
    private(set) var warnings: [TLSConfigurationWarning] = []
    let tickets: TicketKeys?
    let sessions: SessionCache?
    let verifiesPeer: Bool

    /// ALPN's wire format (RFC 7301, 3.1).
    private let protocols: [UInt8]
    private var contexts: [OpaquePointer] = []

    /// The context in which every connection begins.
    var initialContext: OpaquePointer { contexts[0] }

    init(server configuration: TLSServerConfiguration, tickets: TicketKeys) throws(TLSConfigurationError) {
        self.tickets = tickets
        sessions = nil
        verifiesPeer = false
        protocols = try Self.wireFormat(of: configuration.applicationProtocols)
        guard !configuration.identities.isEmpty else {
            throw TLSConfigurationError(code: .noCertificate, file: "", text: "no certificate is configured")
        }
        for files in configuration.identities {
            let context = try makeContext(TLS_server_method(), minimum: configuration.minimumVersion, maximum: .v1_3)
            SSL_CTX_set_options(context, COpenSSL_SSL_server_options())
            let leaf = try Self.install(files, in: context)
            identities.append(Identity(leaf: leaf, file: files.certificateChainFile, context: context))
            if let warning = leaf.warning(file: files.certificateChainFile) { warnings.append(warning) }
            prepareResumption(context, lifetime: configuration.sessionLifetime)
            let reference = Unmanaged.passUnretained(self).toOpaque()
            COpenSSL_SSL_CTX_set_tlsext_servername_callback(context, serverNameReceived, reference)
            if !protocols.isEmpty { SSL_CTX_set_alpn_select_cb(context, protocolsOffered, reference) }
        }
    }

    init(client configuration: TLSClientConfiguration, sessions: SessionCache) throws(TLSConfigurationError) {
        tickets = nil
        self.sessions = sessions
        protocols = try Self.wireFormat(of: configuration.applicationProtocols)
        verifiesPeer = configuration.trust != .insecure
        let context = try makeContext(
            TLS_client_method(), minimum: configuration.minimumVersion, maximum: configuration.maximumVersion)
        SSL_CTX_set_options(context, COpenSSL_SSL_client_options())
        OpenSSLErrors.clear()
        switch configuration.trust {
        case .insecure:
            SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        case .system:
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            guard SSL_CTX_set_default_verify_paths(context) == 1 else { throw Self.refused("system authorities") }
        case .authorities(let file):
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            // Read by our own loader first: it says what is wrong with the file.
            let authorities = try PEMFiles.certificates(in: file)
            let store = SSL_CTX_get_cert_store(context)
            for authority in authorities where X509_STORE_add_cert(store, authority.pointer) != 1 {
                throw Self.refused("authority", file: file)
            }
        }
        if !protocols.isEmpty, SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count)) != 0 {
            throw Self.refused("application protocols")
        }
        if configuration.resumableServers > 0 {
            COpenSSL_SSL_CTX_set_session_cache_mode(
                context, Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE))
            SSL_CTX_sess_set_new_cb(context, sessionReceived)
        }
    }

    deinit {
        for context in contexts { SSL_CTX_free(context) }
    }

    /// The context that suits the name that the client asked for.
    fileprivate func context(for serverName: String) -> OpaquePointer {
        (identities.first { $0.leaf.matches(host: serverName) })?.context ?? initialContext
    }

    /// Our first protocol that the client offers too (RFC 7301, 3.2).
    fileprivate func selectProtocol(offered: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        var wanted = protocols[...]
        while let length = wanted.popFirst() {
            let name = wanted.prefix(Int(length))
            wanted = wanted.dropFirst(Int(length))
            var rest = offered[...]
            while let length = rest.first {
                let candidate = rest.dropFirst().prefix(Int(length))
                if candidate.elementsEqual(name) { return UnsafeBufferPointer(rebasing: candidate) }
                rest = rest.dropFirst(1 + Int(length))
            }
        }
        return nil
    }

    private func makeContext(
        _ method: OpaquePointer?, minimum: TLSVersion, maximum: TLSVersion
    ) throws(TLSConfigurationError) -> OpaquePointer {
        OpenSSLErrors.clear()
        guard let context = SSL_CTX_new(method) else { throw Self.refused("context") }
        contexts.append(context)
        guard COpenSSL_SSL_CTX_set_min_proto_version(context, minimum.wireNumber) == 1,
            COpenSSL_SSL_CTX_set_max_proto_version(context, maximum.wireNumber) == 1,
            SSL_CTX_set_cipher_list(context, Self.ciphers) == 1,
            COpenSSL_SSL_CTX_set1_groups_list(context, Self.groups) == 1
        else { throw Self.refused("versions, ciphers or groups") }
        COpenSSL_SSL_CTX_set_mode(
            context, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        return context
    }

    /// TLS 1.2 suites with forward secrecy and authenticated encryption only (RFC 9325, 4.2). Those of TLS 1.3 all are.
    private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"

    /// The quickest and best examined first (RFC 8422, 5.1.1).
    private static let groups = "X25519:P-256:P-384"

    private static func install(_ files: TLSIdentityFiles, in context: OpaquePointer) throws(TLSConfigurationError)
        -> Certificate
    {
        let chain = try PEMFiles.certificates(in: files.certificateChainFile)
        let key = try PEMFiles.privateKey(in: files.privateKeyFile)
        OpenSSLErrors.clear()
        guard X509_check_private_key(chain[0].pointer, key.pointer) == 1 else {
            _ = OpenSSLErrors.drain()
            throw TLSConfigurationError(
                code: .keyMismatch, file: files.privateKeyFile,
                text: "the private key does not belong to the certificate in \(files.certificateChainFile)")
        }
        guard SSL_CTX_use_certificate(context, chain[0].pointer) == 1 else {
            throw refused("certificate", file: files.certificateChainFile)
        }
        guard SSL_CTX_use_PrivateKey(context, key.pointer) == 1 else {
            throw refused("private key", file: files.privateKeyFile)
        }
        for intermediate in chain.dropFirst() {
            guard COpenSSL_SSL_CTX_add1_chain_cert(context, intermediate.pointer) == 1 else {
                throw refused("certificate chain", file: files.certificateChainFile)
            }
        }
        return chain[0]
    }

    private func prepareResumption(_ context: OpaquePointer, lifetime: Duration) {
        // Tickets only: a cache on our side would grow with the number of strangers.
        COpenSSL_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_session_id_context(context, Self.sessionScope, UInt32(Self.sessionScope.count))
        SSL_CTX_set_timeout(context, Int(lifetime.components.seconds))
        SSL_CTX_set_num_tickets(context, 1)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticketKeyWanted)
    }

    private static let sessionScope = Array("martlet".utf8)

    private static func refused(_ what: String, file: String = "") -> TLSConfigurationError {
        TLSConfigurationError(code: .refused, file: file, text: "\(what) refused: \(OpenSSLErrors.drain())")
    }

    private static func wireFormat(of protocols: [String]) throws(TLSConfigurationError) -> [UInt8] {
        var octets: [UInt8] = []
        for name in protocols {
            guard let count = UInt8(exactly: name.utf8.count), count > 0 else {
                throw TLSConfigurationError(
                    code: .refused, file: "", text: "application protocol '\(name)' is not 1 to 255 octets long")
            }
            octets.append(count)
            octets.append(contentsOf: name.utf8)
        }
        return octets
    }
}

extension TLSVersion {
    var wireNumber: Int32 {
        switch self {
        case .v1_2: TLS1_2_VERSION
        case .v1_3: TLS1_3_VERSION
        }
    }
}

// OpenSSL's callbacks. They run inside a call on a connection, which keeps its generation alive.

private func serverNameReceived(
    _ connection: OpaquePointer?, _ alert: UnsafeMutablePointer<Int32>?, _ generation: UnsafeMutableRawPointer?
) -> Int32 {
    guard let generation, let name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name) else {
        return SSL_TLSEXT_ERR_NOACK
    }
    let context = Unmanaged<TLSGeneration>.fromOpaque(generation).takeUnretainedValue()
        .context(for: String(cString: name))
    return SSL_set_SSL_CTX(connection, context) == nil ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_OK
}

private func protocolsOffered(
    _ connection: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredCount: UInt32,
    _ generation: UnsafeMutableRawPointer?
) -> Int32 {
    guard let generation else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let selected = Unmanaged<TLSGeneration>.fromOpaque(generation).takeUnretainedValue()
        .selectProtocol(offered: UnsafeBufferPointer(start: offered, count: Int(offeredCount)))
    guard let selected else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    chosen?.pointee = selected.baseAddress
    chosenCount?.pointee = UInt8(truncatingIfNeeded: selected.count)
    return SSL_TLSEXT_ERR_OK
}

private func ticketKeyWanted(
    _ connection: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ vector: UnsafeMutablePointer<UInt8>?,
    _ cipher: OpaquePointer?, _ mac: OpaquePointer?, _ sealing: Int32
) -> Int32 {
    guard let session = TLSSession.of(connection), let tickets = session.generation.tickets, let cipher, let mac
    else { return -1 }
    let result = tickets.prepare(
        name: UnsafeMutableRawBufferPointer(start: name, count: 16),
        initializationVector: UnsafeMutableRawBufferPointer(start: vector, count: 16),
        cipher: cipher, mac: mac, sealing: sealing == 1)
    // A client of TLS 1.3 uses a ticket once: it needs another for the next time.
    return result == 1 && sealing == 0 && SSL_version(connection) == TLS1_3_VERSION ? 2 : result
}

private func sessionReceived(_ connection: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    guard let owner = TLSSession.of(connection), let cache = owner.generation.sessions, let session,
        let server = owner.resumptionName
    else { return 0 }
    cache.store(SessionCache.Session(owned: session), for: server)
    return 1  // The reference is ours now.
}
