import COpenSSL

/// HMAC (RFC 2104) with SHA-256.
public enum HMACSHA256 {
    /// The code of these octets under this key, 32 octets.
    public static func authenticate(_ octets: [UInt8], key: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: SHA256.octetCount) { code, count in
            let made = HMAC(
                Algorithms.sha256.pointer, key, Int32(clamping: key.count), octets, octets.count, code.baseAddress, nil)
            precondition(made != nil, "OpenSSL: HMAC failed")
            count = SHA256.octetCount
        }
    }
}

/// PBKDF2 (RFC 8018, 5.2) with HMAC-SHA-256: a key from a password, slowly.
public enum PBKDF2 {
    /// - Parameters:
    ///   - iterations: at least 1; the work grows in proportion.
    ///   - count: how many octets to derive.
    public static func sha256(password: [UInt8], salt: [UInt8], iterations: Int, count: Int = SHA256.octetCount)
        -> [UInt8]
    {
        guard count > 0 else { return [] }
        return password.withUnsafeBytes { password in
            [UInt8](unsafeUninitializedCapacity: count) { derived, written in
                let made = PKCS5_PBKDF2_HMAC(
                    password.assumingMemoryBound(to: CChar.self).baseAddress, Int32(clamping: password.count), salt,
                    Int32(clamping: salt.count), Int32(clamping: max(1, iterations)), Algorithms.sha256.pointer,
                    Int32(clamping: count), derived.baseAddress)
                precondition(made == 1, "OpenSSL: PBKDF2 failed")
                written = count
            }
        }
    }
}
