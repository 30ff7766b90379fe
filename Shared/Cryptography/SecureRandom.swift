import COpenSSL

/// Octets that nobody can foresee.
public enum SecureRandom {
    /// - Parameter count: how many.
    public static func octets(_ count: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { octets, written in
            let made = RAND_bytes(octets.baseAddress, Int32(clamping: count))
            // Predictable secrets are worse than no service.
            precondition(made == 1, "OpenSSL: no randomness")
            written = count
        }
    }
}

/// Whether two sequences of octets are equal, in a time that depends on their lengths only.
public func constantTimeEqual(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    first.count == second.count && CRYPTO_memcmp(first, second, first.count) == 0
}
