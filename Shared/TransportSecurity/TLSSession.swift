import COpenSSL
import NIOCore

/// One connection's TLS state, without any channel: ciphertext in and out through `ciphertext`, plaintext through the
/// methods. Owns OpenSSL's pointer and belongs to one event loop.
final class TLSSession {
    enum HandshakeProgress {
        case completed
        case needsInput
        case failed(String)
    }

    enum DecryptionOutcome {
        /// All that came is decrypted.
        case drained
        /// The peer said that nothing more comes.
        case closeNotify
        case failed(String)
    }

    let ciphertext = CiphertextBuffers()
    let generation: TLSGeneration

    /// Under which name a client keeps its session.
    let resumptionName: String?

    private let ssl: OpaquePointer
    private let isServer: Bool

    /// How much of a record that is not complete OpenSSL has taken.
    private var incompleteOctets = 0

    init(server context: TLSContext) throws(TLSError) {
        generation = context.generation
        resumptionName = nil
        isServer = true
        ssl = try Self.make(generation, over: ciphertext)
        attach()
        SSL_set_accept_state(ssl)
    }

    init(client context: TLSContext, serverName: String?) throws(TLSError) {
        generation = context.generation
        resumptionName = serverName
        isServer = false
        ssl = try Self.make(generation, over: ciphertext)
        attach()
        SSL_set_connect_state(ssl)
        guard let serverName else { return }
        OpenSSLErrors.clear()
        let verification = SSL_get0_param(ssl)
        // An address is no SNI (RFC 6066, 3) and is compared with the certificate's addresses.
        if X509_VERIFY_PARAM_set1_ip_asc(verification, serverName) != 1 {
            OpenSSLErrors.clear()
            guard COpenSSL_SSL_set_tlsext_host_name(ssl, serverName) == 1,
                !generation.verifiesPeer || SSL_set1_host(ssl, serverName) == 1
            else { throw TLSError(code: .internalFailure, reason: OpenSSLErrors.drain()) }
        }
        if let session = generation.sessions?.take(for: serverName) { SSL_set_session(ssl, session.pointer) }
    }

    deinit {
        SSL_free(ssl)
    }

    private static func make(_ generation: TLSGeneration, over buffers: CiphertextBuffers) throws(TLSError)
        -> OpaquePointer
    {
        OpenSSLErrors.clear()
        guard let ssl = SSL_new(generation.initialContext) else {
            throw TLSError(code: .internalFailure, reason: OpenSSLErrors.drain())
        }
        guard let bio = CiphertextBIO.make(over: buffers) else {
            SSL_free(ssl)
            throw TLSError(code: .internalFailure, reason: OpenSSLErrors.drain())
        }
        SSL_set_bio(ssl, bio, bio)
        return ssl
    }

    /// Lets OpenSSL's callbacks find this object. It frees `ssl`, so the pointer never outlives it.
    private func attach() {
        COpenSSL_SSL_set_app_data(ssl, Unmanaged.passUnretained(self).toOpaque())
    }

    static func of(_ connection: OpaquePointer?) -> TLSSession? {
        guard let connection, let data = COpenSSL_SSL_get_app_data(connection) else { return nil }
        return Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
    }

    func handshake() -> HandshakeProgress {
        OpenSSLErrors.clear()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .completed }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        default: return .failed(reason())
        }
    }

    /// Decrypts all that came so far onto the end of `plaintext`.
    func decrypt(into plaintext: inout ByteBuffer) -> DecryptionOutcome {
        while true {
            let received = ciphertext.inbound.readableBytes
            // Plaintext is shorter than its ciphertext: room for what came and for what OpenSSL holds is enough.
            let expected = received + incompleteOctets + Int(SSL_pending(ssl))
            var result: Int32 = 0
            OpenSSLErrors.clear()
            plaintext.writeWithUnsafeMutableBytes(
                minimumWritableBytes: max(min(expected, Self.decryptionStep), Self.smallestStep)
            ) { target in
                var count = 0
                result = SSL_read_ex(ssl, target.baseAddress, target.count, &count)
                return result == 1 ? count : 0
            }
            if result == 1 {
                incompleteOctets = 0
                if ciphertext.inbound.readableBytes == 0, SSL_pending(ssl) == 0 { return .drained }
                continue
            }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                incompleteOctets += received - ciphertext.inbound.readableBytes
                return .drained
            case SSL_ERROR_ZERO_RETURN: return .closeNotify
            default: return .failed(reason())
            }
        }
    }

    private static let decryptionStep = 64 << 10
    private static let smallestStep = 256

    /// The size of the largest record (RFC 8446, 5.1).
    static let recordSize = 16 << 10

    /// An upper bound for what encryption adds to a record.
    static let recordOverhead = 64

    /// Encrypts all of `plaintext` into `ciphertext`.
    /// - Returns: why it failed, or nil.
    func encrypt(_ plaintext: UnsafeRawBufferPointer) -> String? {
        guard plaintext.count > 0 else { return nil }
        OpenSSLErrors.clear()
        var count = 0
        // The BIO takes everything, so a write is never partial.
        return SSL_write_ex(ssl, plaintext.baseAddress, plaintext.count, &count) == 1 ? nil : reason()
    }

    /// Says that nothing more comes from us. Harmless when it was said already.
    func sendCloseNotify() {
        OpenSSLErrors.clear()
        SSL_shutdown(ssl)
        OpenSSLErrors.clear()
    }

    private func reason() -> String {
        let verification = SSL_get_verify_result(ssl)
        let reason = OpenSSLErrors.drain()
        guard !isServer, generation.verifiesPeer, Int32(truncatingIfNeeded: verification) != X509_V_OK,
            let text = X509_verify_cert_error_string(verification)
        else { return reason }
        return "\(reason): \(String(cString: text))"
    }

    /// What the handshake settled.
    func summary() -> TLSHandshakeCompleted {
        let version: TLSVersion = SSL_version(ssl) == TLS1_2_VERSION ? .v1_2 : .v1_3
        let cipher = SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }
        return TLSHandshakeCompleted(
            version: version,
            cipher: cipher.map { String(cString: $0) } ?? "",
            applicationProtocol: applicationProtocol(),
            serverName: SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) },
            resumed: SSL_session_reused(ssl) == 1,
            peerCertificate: SSL_get1_peer_certificate(ssl).map { Certificate(owned: $0).der },
            channelBindings: channelBindings(version: version))
    }

    private func applicationProtocol() -> String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }
}

extension TLSSession {
    /// The bindings of this connection, strongest first.
    private func channelBindings(version: TLSVersion) -> [TLSChannelBinding] {
        var bindings: [TLSChannelBinding] = []
        // Before TLS 1.3 only the extended master secret makes the session's keys unique to it (RFC 9266, 3; RFC 7627).
        if version == .v1_3 || COpenSSL_SSL_get_extms_support(ssl) == 1 {
            if let octets = exporter() { bindings.append(TLSChannelBinding(type: "tls-exporter", octets: octets)) }
            if version == .v1_2 {
                let octets = firstFinished()
                if !octets.isEmpty { bindings.append(TLSChannelBinding(type: "tls-unique", octets: octets)) }
            }
        }
        if let octets = serverEndPoint() {
            bindings.append(TLSChannelBinding(type: "tls-server-end-point", octets: octets))
        }
        return bindings
    }

    /// RFC 9266, 2: 32 octets exported under its own label with an empty context.
    private func exporter() -> [UInt8]? {
        let label = "EXPORTER-Channel-Binding"
        var octets = [UInt8](repeating: 0, count: 32)
        OpenSSLErrors.clear()
        let result = SSL_export_keying_material(ssl, &octets, octets.count, label, label.utf8.count, [], 0, 1)
        OpenSSLErrors.clear()
        return result == 1 ? octets : nil
    }

    /// RFC 5929, 3.1: the first Finished message of the handshake; the server's when a session is resumed.
    private func firstFinished() -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        let ours = isServer == (SSL_session_reused(ssl) == 1)
        let count =
            ours ? SSL_get_finished(ssl, &octets, octets.count) : SSL_get_peer_finished(ssl, &octets, octets.count)
        return Array(octets.prefix(count))
    }

    /// RFC 5929, 4.1: the digest of the server's certificate, by the digest of its signature, SHA-256 instead of the
    /// broken ones. Not defined for a signature without a digest.
    private func serverEndPoint() -> [UInt8]? {
        let shown = isServer ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl)
        guard let shown else { return nil }
        var digestName: Int32 = 0
        guard X509_get_signature_info(shown, &digestName, nil, nil, nil) == 1, digestName != NID_undef else {
            OpenSSLErrors.clear()
            return nil
        }
        let name = digestName == NID_md5 || digestName == NID_sha1 ? NID_sha256 : digestName
        guard let method = EVP_get_digestbyname(OBJ_nid2sn(name)) else { return nil }
        var octets = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(shown, method, &octets, &count) == 1 else { return nil }
        return Array(octets.prefix(Int(count)))
    }
}
