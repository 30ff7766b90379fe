import Cryptography
import SASL

/// Verifiers for names that nobody has, so that an exchange with such a name goes like any other and fails only at its
/// end (RFC 5802, 9: the salt must not tell). The same name always gets the same one, from every replica. No password
/// belongs to it.
struct UnknownNames: Sendable {
    private let secret: [UInt8]
    private let iterations: Int

    init(secret: [UInt8], iterations: Int) {
        self.secret = HMACSHA256.authenticate(Array("martlet: verifiers of unknown names".utf8), key: secret)
        self.iterations = iterations
    }

    func verifier(of name: String) -> ScramVerifier {
        ScramVerifier(
            salt: Array(octets("salt", name).prefix(16)), iterations: iterations, storedKey: octets("stored", name),
            serverKey: octets("server", name))
    }

    private func octets(_ label: String, _ name: String) -> [UInt8] {
        HMACSHA256.authenticate(Array("\(label)\0\(name)".utf8), key: secret)
    }
}
