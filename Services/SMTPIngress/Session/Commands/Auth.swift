import Contracts
import Cryptography
import NIOCore
import SMTPSyntax

/// AUTH (RFC 4954): offered to users, under TLS only, so that no password and no exchange goes in the clear.
extension SessionMachine {
    var offersAuthentication: Bool { settings.kind.isSubmission && tls != nil && identity == nil }

    /// Without something to bind to, mechanisms that bind are not offered (RFC 5802, 6).
    var offeredMechanisms: [String] {
        let canBind = tls?.bindings.isEmpty == false
        return mechanisms.filter { canBind || !$0.hasSuffix("-PLUS") }
    }

    mutating func performAuth(_ mechanism: String, _ initialResponse: String?) -> SessionAction? {
        guard settings.kind.isSubmission else { return refused(Replies.notImplemented) }
        guard greeting?.isExtended == true else { return refused(Replies.greetFirst) }
        guard identity == nil else { return refused(Replies.authenticatedAlready) }
        guard tls != nil else { return refused(Replies.encryptionRequired) }
        guard transaction == nil else { return refused(Replies.notDuringTransaction) }
        guard offeredMechanisms.contains(mechanism) else { return refused(Replies.unknownMechanism) }
        var octets: [UInt8]?
        switch initialResponse {
        case nil: octets = nil
        case "=": octets = []
        case .some(let text):
            guard let decoded = Base64.decode(text) else { return refused(Replies.badBase64) }
            octets = decoded
        }
        phase = .authenticating
        return .authenticate(.start(mechanism: mechanism, initialResponse: octets))
    }

    private mutating func refused(_ reply: Reply) -> SessionAction? {
        refuse(reply)
        return nil
    }

    /// The client's answer to a challenge.
    mutating func nextAuthenticationLine(_ input: inout ByteBuffer) -> SessionAction? {
        let line: ByteBuffer
        switch framer.next(&input, limit: settings.limits.authenticationLineOctets) {
        case .needMore:
            return .read
        case .tooLong:
            phase = .commands
            return refused(Replies.authenticationLineTooLong)
        case .line(let octets):
            line = octets
        }
        let before = phase
        phase = .commands
        let octets = Array(line.readableBytesView)
        if octets == [UInt8(ascii: "*")] { return refused(Replies.authenticationCancelled) }
        guard let response = octets == [UInt8(ascii: "=")] ? [] : Base64.decode(octets) else {
            return refused(Replies.badBase64)
        }
        if case .challenged(let exchange) = before {
            phase = .authenticating
            return .authenticate(.respond(exchange: exchange, response: response))
        }
        if case .confirming(let identity) = before {
            guard response.isEmpty else { return refused(Replies.authenticationMalformed) }
            authenticated(identity)
        }
        return nil
    }

    /// Authentication's answer.
    mutating func authenticationAnswered(_ answer: AuthenticationAnswer) {
        guard case .authenticating = phase else { return }
        phase = .commands
        switch answer {
        case .challenge(let challenge, let exchange):
            sayChallenge(challenge)
            phase = .challenged(exchange: exchange)
        case .success(let identity, nil):
            authenticated(identity)
        case .success(let identity, .some(let lastWord)):
            // SMTP's 235 has no room for it, so it goes as a challenge whose answer is empty (RFC 4954, 4).
            sayChallenge(lastWord)
            phase = .confirming(identity)
        case .failure(let failure):
            refuse(Replies.authenticationFailure(failure))
            authenticationFailureCount += 1
            if case .closing = phase { return }
            if authenticationFailureCount >= settings.limits.authenticationFailures {
                sayLast(Replies.tooManyAuthenticationFailures)
            }
        case .unavailable:
            say(Replies.authenticationUnavailable)
        }
    }

    private mutating func authenticated(_ identity: Identity) {
        self.identity = identity
        idleCommandCount = 0
        say(Replies.authenticated)
    }

    private mutating func sayChallenge(_ challenge: [UInt8]) {
        say(Reply(code: 334, lines: [Base64.encode(challenge)]))
    }
}
