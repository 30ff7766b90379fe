import COpenSSL

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A certificate; owns its pointer.
final class Certificate {
    let pointer: OpaquePointer

    /// - Parameter owned: freed by this object.
    init(owned: OpaquePointer) {
        pointer = owned
    }

    deinit {
        X509_free(pointer)
    }

    var der: [UInt8] {
        let count = Int(i2d_X509(pointer, nil))
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { octets, written in
            var end = octets.baseAddress
            written = max(0, Int(i2d_X509(pointer, &end)))
        }
    }

    func matches(host: String) -> Bool {
        X509_check_host(pointer, host, 0, 0, nil) == 1
    }

    /// What is odd about the time for which the certificate was issued.
    func warning(file: String) -> TLSConfigurationWarning? {
        if let end = X509_get0_notAfter(pointer), X509_cmp_current_time(end) < 0 {
            return TLSConfigurationWarning(
                code: .expired, file: file, text: "the certificate expired at \(Self.text(of: end))")
        }
        if let start = X509_get0_notBefore(pointer), X509_cmp_current_time(start) > 0 {
            return TLSConfigurationWarning(
                code: .notYetValid, file: file, text: "the certificate is not valid before \(Self.text(of: start))")
        }
        return nil
    }

    private static func text(of time: UnsafePointer<ASN1_TIME>) -> String {
        guard let bio = BIO_new(BIO_s_mem()) else { return "?" }
        defer { BIO_free(bio) }
        ASN1_TIME_print(bio, time)
        var text = [UInt8](repeating: 0, count: 64)
        let count = Int(BIO_read(bio, &text, Int32(text.count)))
        return String(decoding: text.prefix(max(0, count)), as: UTF8.self)
    }
}

/// A private key; owns its pointer.
final class PrivateKey {
    let pointer: OpaquePointer

    /// - Parameter owned: freed by this object.
    init(owned: OpaquePointer) {
        pointer = owned
    }

    deinit {
        EVP_PKEY_free(pointer)
    }
}

/// Certificates and keys from PEM files (RFC 7468).
enum PEMFiles {
    /// All certificates of a file, at least one.
    static func certificates(in file: String) throws(TLSConfigurationError) -> [Certificate] {
        try withFile(file) { bio throws(TLSConfigurationError) in
            var found: [Certificate] = []
            OpenSSLErrors.clear()
            while let pointer = PEM_read_bio_X509(bio, nil, nil, nil) {
                found.append(Certificate(owned: pointer))
            }
            // The loop ends with an error in any case; it is harmless only when no further PEM block was there.
            let last = ERR_peek_last_error()
            let atEnd = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE
            let reason = OpenSSLErrors.drain()
            guard atEnd else {
                throw TLSConfigurationError(code: .malformed, file: file, text: "malformed certificate: \(reason)")
            }
            guard !found.isEmpty else {
                throw TLSConfigurationError(code: .malformed, file: file, text: "holds no PEM certificate")
            }
            return found
        }
    }

    static func privateKey(in file: String) throws(TLSConfigurationError) -> PrivateKey {
        try withFile(file) { bio throws(TLSConfigurationError) in
            OpenSSLErrors.clear()
            var askedForPassphrase = false
            // OpenSSL asks for a passphrase only when the key is encrypted; nobody sits at a daemon's terminal.
            let refuse: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 =
                { _, _, _, asked in
                    asked?.assumingMemoryBound(to: Bool.self).pointee = true
                    return -1
                }
            let pointer = withUnsafeMutablePointer(to: &askedForPassphrase) {
                PEM_read_bio_PrivateKey(bio, nil, refuse, $0)
            }
            let reason = OpenSSLErrors.drain()
            guard let pointer else {
                if askedForPassphrase {
                    throw TLSConfigurationError(
                        code: .encryptedKey, file: file,
                        text: "the private key is encrypted; store it without passphrase"
                    )
                }
                throw TLSConfigurationError(code: .malformed, file: file, text: "holds no PEM private key (\(reason))")
            }
            return PrivateKey(owned: pointer)
        }
    }

    private static func withFile<Result>(
        _ file: String, _ body: (OpaquePointer) throws(TLSConfigurationError) -> Result
    ) throws(TLSConfigurationError) -> Result {
        guard let stream = fopen(file, "re") else {
            let cause = errno
            throw TLSConfigurationError(
                code: cause == ENOENT ? .missing : .unreadable, file: file, text: String(cString: strerror(cause)))
        }
        guard let bio = BIO_new_fp(stream, BIO_CLOSE) else {
            fclose(stream)
            throw TLSConfigurationError(code: .unreadable, file: file, text: OpenSSLErrors.drain())
        }
        defer { BIO_free(bio) }
        return try body(bio)
    }
}
