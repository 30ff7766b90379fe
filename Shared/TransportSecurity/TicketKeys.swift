import COpenSSL
import Synchronization

/// The keys under which session tickets are sealed (RFC 5077, 4; RFC 8446, 4.6.1). They change during the life of the
/// process, because whoever learns one can read every session that was resumed under it; the one before stays valid
/// for as long as its tickets. They outlive a reload of the certificates.
final class TicketKeys: Sendable {
    struct Key: Sendable {
        var name: [UInt8]
        var encryption: [UInt8]
        var authentication: [UInt8]
        var made: ContinuousClock.Instant

        init?(made: ContinuousClock.Instant) {
            var octets = [UInt8](repeating: 0, count: 16 + 32 + 32)
            guard RAND_priv_bytes(&octets, Int32(octets.count)) == 1 else { return nil }
            name = Array(octets[..<16])
            encryption = Array(octets[16..<48])
            authentication = Array(octets[48...])
            self.made = made
        }
    }

    private struct Keys {
        var current: Key?
        var previous: Key?
    }

    private let keys = Mutex(Keys())
    private let lifetime: Duration

    init(lifetime: Duration) {
        self.lifetime = lifetime
    }

    /// The key for a new ticket.
    func sealing(now: ContinuousClock.Instant = .now) -> Key? {
        keys.withLock { keys in
            if let current = keys.current, now - current.made < lifetime { return current }
            keys.previous = keys.current
            keys.current = Key(made: now)
            return keys.current
        }
    }

    /// The key of a ticket that comes back, and whether the client should get a fresh one.
    func opening(name: UnsafeRawBufferPointer, now: ContinuousClock.Instant = .now) -> (key: Key, renew: Bool)? {
        keys.withLock { keys in
            if let current = keys.current, name.elementsEqual(current.name), now - current.made < lifetime * 2 {
                return (current, now - current.made >= lifetime)
            }
            if let previous = keys.previous, name.elementsEqual(previous.name), now - previous.made < lifetime * 2 {
                return (previous, true)
            }
            return nil
        }
    }

    /// Answers OpenSSL's ticket callback: prepares cipher and MAC to seal a ticket or to open one.
    /// - Returns: as SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: -1 failure, 0 no such key, 1 go on, 2 go on and renew.
    func prepare(
        name: UnsafeMutableRawBufferPointer, initializationVector: UnsafeMutableRawBufferPointer,
        cipher: OpaquePointer, mac: OpaquePointer, sealing: Bool
    ) -> Int32 {
        let vector = initializationVector.baseAddress?.assumingMemoryBound(to: UInt8.self)
        if sealing {
            guard let key = self.sealing() else { return -1 }
            name.copyBytes(from: key.name)
            guard RAND_bytes(vector, 16) == 1,
                EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.encryption, vector) == 1,
                Self.start(mac, key: key)
            else { return -1 }
            return 1
        }
        guard let (key, renew) = opening(name: UnsafeRawBufferPointer(name)) else { return 0 }
        guard Self.start(mac, key: key),
            EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.encryption, vector) == 1
        else { return -1 }
        return renew ? 2 : 1
    }

    private static func start(_ mac: OpaquePointer, key: Key) -> Bool {
        var digest = Array("SHA256".utf8CString)
        // A parameter keeps the pointer to its name, which must live as long as its value.
        return OSSL_MAC_PARAM_DIGEST.withCString { name in
            digest.withUnsafeMutableBufferPointer { digest in
                var parameters = [
                    OSSL_PARAM_construct_utf8_string(name, digest.baseAddress, 0), OSSL_PARAM_construct_end(),
                ]
                return EVP_MAC_init(mac, key.authentication, key.authentication.count, &parameters) == 1
            }
        }
    }
}
