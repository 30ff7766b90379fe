import Contracts
import Cryptography
import SASL
import ServiceRuntime

/// An exchange between two messages of the client, and whose verifier it holds.
struct OpenExchange: Sendable {
    var exchange: ServerExchange
    /// Nil for a name that nobody has, and before a name was said.
    var identity: Identity?
}

/// Exchanges travel sealed with the caller, so that any replica goes on with them. A seal is good for one client address
/// and a short time; what it holds nobody outside can read or change. The mechanism is inside.
struct ExchangeSeal: Sendable {
    private let token: SealedToken
    private let lifetime: Int64

    init(secret: [UInt8], lifetime: Duration) {
        token = SealedToken(secret: secret, purpose: "martlet: authentication exchange")
        self.lifetime = lifetime.components.seconds * 1_000_000
    }

    func seal(_ open: OpenExchange, client: String, now: Int64 = WallClock.microseconds) -> [UInt8]? {
        guard let encoded = open.exchange.encoded else { return nil }
        let identity: [UInt8]? = open.identity.flatMap { try? $0.serializedBytes() }
        guard let count = UInt8(exactly: identity?.count ?? 0) ?? nil else { return nil }
        return token.seal([count] + (identity ?? []) + encoded, associated: Array(client.utf8), expiry: now + lifetime)
    }

    func open(_ sealed: [UInt8], client: String, now: Int64 = WallClock.microseconds) throws(SealedToken.Failure)
        -> OpenExchange
    {
        let octets = try token.open(sealed, associated: Array(client.utf8), now: now)
        guard let count = octets.first.map(Int.init), octets.count > count,
            let exchange = ServerExchange(encoded: Array(octets[(1 + count)...]))
        else { throw .forged }
        guard count > 0 else { return OpenExchange(exchange: exchange) }
        guard let identity = try? Identity(serializedBytes: Array(octets[1...count])) else { throw .forged }
        return OpenExchange(exchange: exchange, identity: identity)
    }
}
