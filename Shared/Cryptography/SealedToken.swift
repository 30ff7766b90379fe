import COpenSSL

/// Seals octets that travel through hands that shall neither read nor change them, until a moment (AES-256-GCM,
/// NIST SP 800-38D). Whoever has the same key opens them.
///
/// Layout: version (1 octet, 1), expiry (8, microseconds since 1970, big endian), nonce (12), ciphertext, tag (16).
/// Version and expiry are authenticated along with the associated data.
public struct SealedToken: Sendable {
    /// Why a token does not open.
    public enum Failure: Error, Sendable, Hashable {
        /// It was not sealed with this key for this purpose, or was changed.
        case forged
        /// It was good until then.
        case expired
    }

    /// How much longer a token is than what it seals.
    public static let overhead = 1 + 8 + nonceCount + tagCount

    private static let version: UInt8 = 1
    private static let nonceCount = 12
    private static let tagCount = 16

    private let key: [UInt8]

    /// - Parameter key: any secret octets; they are brought to the cipher's length with `purpose` as a label, so that
    ///   one secret serves several purposes that cannot be confused.
    public init(secret key: [UInt8], purpose: String) {
        self.key = HMACSHA256.authenticate(Array(purpose.utf8), key: key)
    }

    /// Seals octets.
    /// - Parameters:
    ///   - associated: not in the token, and needed to open it.
    ///   - expiry: microseconds since 1970, after which it does not open.
    public func seal(_ octets: [UInt8], associated: [UInt8], expiry: Int64) -> [UInt8] {
        var token: [UInt8] = [Self.version]
        withUnsafeBytes(of: expiry.bigEndian) { token.append(contentsOf: $0) }
        let header = token
        let nonce = SecureRandom.octets(Self.nonceCount)
        token.append(contentsOf: nonce)
        guard let cipher = Cipher(key: key, nonce: nonce, sealing: true),
            cipher.authenticate(header), cipher.authenticate(associated),
            let sealed = cipher.transform(octets), let tag = cipher.finishSealing()
        else { preconditionFailure("OpenSSL: AES-256-GCM failed") }
        return token + sealed + tag
    }

    /// Opens a token.
    /// - Parameter now: microseconds since 1970.
    public func open(_ token: [UInt8], associated: [UInt8], now: Int64) throws(Failure) -> [UInt8] {
        guard token.count >= Self.overhead, token[0] == Self.version else { throw .forged }
        let header = Array(token[..<9])
        let nonce = Array(token[9..<(9 + Self.nonceCount)])
        let sealed = Array(token[(9 + Self.nonceCount)..<(token.count - Self.tagCount)])
        let tag = Array(token[(token.count - Self.tagCount)...])
        guard let cipher = Cipher(key: key, nonce: nonce, sealing: false),
            cipher.authenticate(header), cipher.authenticate(associated),
            let octets = cipher.transform(sealed), cipher.finishOpening(tag: tag)
        else { throw .forged }
        let expiry = header[1...].reduce(into: Int64(0)) { $0 = $0 << 8 | Int64($1) }
        guard now <= expiry else { throw .expired }
        return octets
    }
}

/// One use of the cipher; owns OpenSSL's state.
private final class Cipher {
    private let pointer: OpaquePointer

    init?(key: [UInt8], nonce: [UInt8], sealing: Bool) {
        guard let pointer = EVP_CIPHER_CTX_new() else { return nil }
        self.pointer = pointer
        guard
            EVP_CipherInit_ex2(pointer, Algorithms.aes256GCM.pointer, key, nonce, sealing ? 1 : 0, nil) == 1
        else { return nil }
    }

    deinit {
        EVP_CIPHER_CTX_free(pointer)
    }

    /// Adds associated data.
    func authenticate(_ octets: [UInt8]) -> Bool {
        guard !octets.isEmpty else { return true }
        var count: Int32 = 0
        return EVP_CipherUpdate(pointer, nil, &count, octets, Int32(clamping: octets.count)) == 1
    }

    func transform(_ octets: [UInt8]) -> [UInt8]? {
        guard !octets.isEmpty else { return [] }
        var transformed = [UInt8](repeating: 0, count: octets.count)
        var count: Int32 = 0
        guard EVP_CipherUpdate(pointer, &transformed, &count, octets, Int32(clamping: octets.count)) == 1,
            Int(count) == octets.count
        else { return nil }
        return transformed
    }

    func finishSealing() -> [UInt8]? {
        var rest = [UInt8](repeating: 0, count: 16)
        var count: Int32 = 0
        var tag = [UInt8](repeating: 0, count: 16)
        guard EVP_CipherFinal_ex(pointer, &rest, &count) == 1,
            EVP_CIPHER_CTX_ctrl(pointer, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), &tag) == 1
        else { return nil }
        return tag
    }

    func finishOpening(tag: [UInt8]) -> Bool {
        var tag = tag
        var rest = [UInt8](repeating: 0, count: 16)
        var count: Int32 = 0
        let opened =
            EVP_CIPHER_CTX_ctrl(pointer, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1
            && EVP_CipherFinal_ex(pointer, &rest, &count) == 1
        ERR_clear_error()
        return opened
    }
}
