import SMTPSyntax

/// STARTTLS (RFC 3207).
extension SessionMachine {
    mutating func performStartTLS() -> SessionAction? {
        if !settings.offersTLS {
            refuse(Replies.tlsNotOffered)
        } else if tls != nil {
            refuse(Replies.tlsAlready)
        } else if greeting == nil {
            refuse(Replies.greetFirst)
        } else if transaction != nil {
            refuse(Replies.notDuringTransaction)
        } else {
            say(Replies.readyForTLS)
            // RFC 3207, 4.2: all that was learnt from the client before is forgotten.
            greeting = nil
            identity = nil
            framer.reset()
            phase = .handshaking
            return .startTLS
        }
        return nil
    }

    /// The handshake is done.
    mutating func tlsEstablished(_ facts: TLSFacts) {
        switch phase {
        case .unconnected:
            connected(tls: facts)
        case .handshaking:
            tls = facts
            phase = .commands
        case .commands, .resolving, .checkingSender, .findingCheckpoint, .authenticating, .challenged, .confirming,
            .data, .chunk, .accepting, .closing:
            // Renegotiation is not ours to see.
            break
        }
    }
}
