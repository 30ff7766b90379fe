import COpenSSL

/// Algorithms that were looked up once: OpenSSL 3 otherwise searches its providers at every use. They are immutable and
/// live as long as the process.
enum Algorithms {
    struct Digest: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    struct Cipher: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    static let sha256: Digest = {
        guard let pointer = EVP_MD_fetch(nil, "SHA256", nil) else {
            preconditionFailure("OpenSSL: SHA-256 is not available")
        }
        return Digest(pointer: pointer)
    }()

    static let aes256GCM: Cipher = {
        guard let pointer = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil) else {
            preconditionFailure("OpenSSL: AES-256-GCM is not available")
        }
        return Cipher(pointer: pointer)
    }()
}
