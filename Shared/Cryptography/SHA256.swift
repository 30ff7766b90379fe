import COpenSSL

/// SHA-256 (FIPS 180-4), fed piece by piece. A copy goes on from where the original stood.
///
/// Once memory is short OpenSSL cannot make its state; a digest that would silently be wrong is worse than none, so
/// that case, and no other, ends the process.
public struct SHA256: Sendable {
    /// The number of octets in a digest.
    public static let octetCount = 32

    private var state: DigestState

    /// A digest of nothing yet.
    public init() {
        state = DigestState()
    }

    /// Takes the next octets.
    public mutating func update(_ octets: UnsafeRawBufferPointer) {
        if !isKnownUniquelyReferenced(&state) { state = DigestState(copying: state) }
        state.update(octets)
    }

    /// Takes the next octets.
    public mutating func update(_ octets: RawSpan) {
        octets.withUnsafeBytes { update($0) }
    }

    /// Takes the next octets.
    public mutating func update(_ octets: [UInt8]) {
        octets.withUnsafeBytes { update($0) }
    }

    /// The digest of all octets so far. Then the state is that of a new digest.
    public mutating func finish() -> [UInt8] {
        if !isKnownUniquelyReferenced(&state) { state = DigestState(copying: state) }
        return state.finish()
    }

    /// The digest of these octets.
    public static func hash(_ octets: UnsafeRawBufferPointer) -> [UInt8] {
        var digest = SHA256()
        digest.update(octets)
        return digest.finish()
    }

    /// The digest of these octets.
    public static func hash(_ octets: [UInt8]) -> [UInt8] {
        octets.withUnsafeBytes { hash($0) }
    }
}

/// OpenSSL's state; owns its pointer. `SHA256` changes it only while it is the one owner, so that it may be sent.
private final class DigestState: @unchecked Sendable {
    private let pointer: OpaquePointer

    init() {
        pointer = Self.allocate()
        start()
    }

    init(copying other: DigestState) {
        pointer = Self.allocate()
        let copied = EVP_MD_CTX_copy_ex(pointer, other.pointer)
        precondition(copied == 1, "OpenSSL: no memory for a digest")
    }

    deinit {
        EVP_MD_CTX_free(pointer)
    }

    func update(_ octets: UnsafeRawBufferPointer) {
        guard octets.count > 0 else { return }
        let updated = EVP_DigestUpdate(pointer, octets.baseAddress, octets.count)
        precondition(updated == 1, "OpenSSL: digest failed")
    }

    func finish() -> [UInt8] {
        let digest = [UInt8](unsafeUninitializedCapacity: SHA256.octetCount) { octets, count in
            let finished = EVP_DigestFinal_ex(pointer, octets.baseAddress, nil)
            precondition(finished == 1, "OpenSSL: digest failed")
            count = SHA256.octetCount
        }
        start()
        return digest
    }

    private func start() {
        let started = EVP_DigestInit_ex2(pointer, Algorithms.sha256.pointer, nil)
        precondition(started == 1, "OpenSSL: SHA-256 is not available")
    }

    private static func allocate() -> OpaquePointer {
        guard let pointer = EVP_MD_CTX_new() else { preconditionFailure("OpenSSL: no memory for a digest") }
        return pointer
    }
}
