import Cryptography

/// What a server keeps instead of a password (RFC 5802, 3). It serves SCRAM, PLAIN and LOGIN alike, and whoever steals
/// it can neither log in nor compute the password except by guessing.
public struct ScramVerifier: Sendable, Hashable, LosslessStringConvertible {
    /// Random, for each password its own.
    public var salt: [UInt8]

    /// How often the hash runs (RFC 7677, 4: at least 4096).
    public var iterations: Int

    /// The digest of the client's key.
    public var storedKey: [UInt8]

    /// With this the server proves itself.
    public var serverKey: [UInt8]

    /// A verifier whose parts are known.
    public init(salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8]) {
        self.salt = salt
        self.iterations = iterations
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Computes the verifier of a new password. Costs as much time as `iterations` ask for.
    public init(password: String, salt: [UInt8] = SecureRandom.octets(16), iterations: Int)
        throws(SASLprep.Failure)
    {
        let prepared = try SASLprep.prepare(password, for: .stored)
        self.init(prepared: prepared, salt: salt, iterations: iterations)
    }

    init(prepared: [UInt8], salt: [UInt8], iterations: Int) {
        let keys = ScramKeys(prepared: prepared, salt: salt, iterations: iterations)
        self.init(
            salt: salt, iterations: iterations, storedKey: SHA256.hash(keys.clientKey), serverKey: keys.serverKey)
    }

    /// Whether this is the password. Costs as much time as making the verifier, whatever the answer is, and whatever
    /// the password is made of.
    public func matches(password: String) -> Bool {
        let prepared = try? SASLprep.prepare(password, for: .query)
        let candidate = ScramVerifier(prepared: prepared ?? Array(password.utf8), salt: salt, iterations: iterations)
        // Both are compared in any case.
        let storedKeysAgree = constantTimeEqual(candidate.storedKey, storedKey)
        let serverKeysAgree = constantTimeEqual(candidate.serverKey, serverKey)
        return storedKeysAgree && serverKeysAgree && prepared != nil
    }

    /// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` (RFC 5803, 3).
    public var description: String {
        "SCRAM-SHA-256$\(iterations):\(Base64.encode(salt))$\(Base64.encode(storedKey)):\(Base64.encode(serverKey))"
    }

    /// Reads what `description` wrote.
    public init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false).map {
            $0.split(separator: ":", omittingEmptySubsequences: false)
        }
        guard parts.count == 3, parts[0] == ["SCRAM-SHA-256"], parts[1].count == 2, parts[2].count == 2,
            let iterations = Int(parts[1][0]), iterations > 0, let salt = Base64.decode(String(parts[1][1])),
            let storedKey = Base64.decode(String(parts[2][0])), storedKey.count == SHA256.octetCount,
            let serverKey = Base64.decode(String(parts[2][1])), serverKey.count == SHA256.octetCount
        else { return nil }
        self.init(salt: salt, iterations: iterations, storedKey: storedKey, serverKey: serverKey)
    }
}

/// The keys of RFC 5802, 3.
struct ScramKeys {
    let clientKey: [UInt8]
    let serverKey: [UInt8]

    init(prepared: [UInt8], salt: [UInt8], iterations: Int) {
        let salted = PBKDF2.sha256(password: prepared, salt: salt, iterations: iterations)
        clientKey = HMACSHA256.authenticate(Array("Client Key".utf8), key: salted)
        serverKey = HMACSHA256.authenticate(Array("Server Key".utf8), key: salted)
    }
}

func exclusiveOr(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
    zip(first, second).map { $0 ^ $1 }
}
