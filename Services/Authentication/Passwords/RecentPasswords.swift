import Cryptography
import Synchronization

/// Remembers for a while that a password was right, so that a client who comes every minute does not cost a hash each
/// time. What is kept is a code under a key that dies with the process. The code covers the verifier, which is read from
/// PostgreSQL every time: when the password changes, on whatever replica, it does not match any more.
final class RecentPasswords: Sendable {
    private struct Entry {
        var code: [UInt8]
        var expiry: ContinuousClock.Instant
    }

    private let entries = Mutex<[String: Entry]>([:])
    private let key = SecureRandom.octets(32)
    private let lifetime: Duration
    private let limit: Int

    init(lifetime: Duration, limit: Int = 10_000) {
        self.lifetime = lifetime
        self.limit = limit
    }

    func contains(name: String, password: String, verifier: String, now: ContinuousClock.Instant = .now) -> Bool {
        // Computed in any case, so that a name without entry costs the same.
        let code = code(name, password, verifier)
        guard let entry = entries.withLock({ $0[name] }), now < entry.expiry else { return false }
        return constantTimeEqual(entry.code, code)
    }

    func insert(name: String, password: String, verifier: String, now: ContinuousClock.Instant = .now) {
        guard lifetime > .zero else { return }
        let entry = Entry(code: code(name, password, verifier), expiry: now + lifetime)
        entries.withLock { entries in
            if entries[name] == nil, entries.count >= limit {
                entries = entries.filter { now < $0.value.expiry }
                // Only right passwords come here, so nobody can push the others out on purpose.
                if entries.count >= limit, let any = entries.keys.first { entries[any] = nil }
            }
            entries[name] = entry
        }
    }

    private func code(_ name: String, _ password: String, _ verifier: String) -> [UInt8] {
        HMACSHA256.authenticate(Array("\(verifier)\0\(name)\0\(password)".utf8), key: key)
    }
}
