import Contracts
import NIOCore

/// What the machine wants done. After `read`, `wait` and `close` it has nothing more to say for now.
enum SessionAction: Sendable {
    /// Octets are needed to go on.
    case read
    /// Somebody has been asked, and the answer is not here yet.
    case wait
    /// Ask the directory where these addresses lead; answer with `resolved`.
    case resolve([String])
    /// Ask the directory whether this address leads to the account; answer with `senderChecked`.
    case checkSender(String, accountID: Int64)
    /// Ask authentication; answer with `authenticationAnswered`.
    case authenticate(AuthenticationStep)
    /// Send what is in `output`, drop what was read, begin TLS; answer with `tlsEstablished`.
    case startTLS
    /// Look for what there may be of a transaction that its client named; answer with `checkpointAnswered`.
    case findCheckpoint(Transaction)
    /// The client gave up a transaction that an earlier connection handed over.
    case forgetCheckpoint(HandedOverTransaction)
    /// The next octets of the message.
    case content(ByteBuffer)
    /// The message so far is to be forgotten.
    case discard
    /// Hand the message over; answer with `accepted` or `notAccepted`.
    case accept(Transaction)
    /// Wait for what becomes of a transaction that an earlier connection handed over; answer with `answered`.
    case awaitOutcome(HandedOverTransaction)
    /// Send what is in `output` and close.
    case close
}

/// One step of an AUTH exchange (RFC 4954, 4).
enum AuthenticationStep: Sendable, Hashable {
    case start(mechanism: String, initialResponse: [UInt8]?)
    case respond(exchange: [UInt8], response: [UInt8])
}

/// What authentication answered.
enum AuthenticationAnswer: Sendable {
    case challenge([UInt8], exchange: [UInt8])
    case success(Identity, additionalData: [UInt8]?)
    case failure(SaslFailure)
    case unavailable
}

/// What a session knows of its TLS layer.
struct TLSFacts: Sendable, Hashable {
    var version: String
    var cipher: String
    var bindings: [Binding] = []

    /// Something to bind an authentication to (RFC 5056).
    struct Binding: Sendable, Hashable {
        var type: String
        var octets: [UInt8]
    }
}

/// Why a peer of ours gave no answer.
enum PeerFailure: Sendable, Hashable {
    /// Away, too slow, or failed: 451 4.3.0.
    case unavailable
    /// It has as much in hand as it takes: 451 4.3.2.
    case overloaded
    /// It does not let us in or does not understand us: 451 4.3.5.
    case misconfigured
}
