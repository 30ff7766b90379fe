import SMTPSyntax

/// HELO, EHLO and LHLO (RFC 5321, 4.1.1.1; RFC 2033, 4.1), and what they announce.
extension SessionMachine {
    mutating func greeted(_ greeting: Greeting) {
        switch (greeting, settings.kind.isLMTP) {
        case (.lhlo, false):
            return refuse(Replies.wrongProtocolSMTP)
        case (.helo, true), (.ehlo, true):
            return refuse(Replies.wrongProtocolLMTP)
        case (.lhlo, true), (.helo, false), (.ehlo, false):
            break
        }
        // RFC 5321, 4.1.4: as if RSET had been given.
        abandonTransaction()
        self.greeting = greeting
        if greeting.isExtended {
            performIdle(extensions.reply(greeting: "\(settings.serverName) greets \(greeting.name)"))
        } else {
            performIdle(Reply(code: 250, lines: [settings.serverName]))
        }
    }

    /// What this listener offers in the state that the session is in.
    var extensions: ExtensionList {
        let limits = settings.limits
        var list: [ExtensionList.Item] = [
            .init("PIPELINING"),
            .init("SIZE", ["\(limits.messageOctets)"]),
            .init("8BITMIME"),
            .init("BINARYMIME"),
            .init("CHUNKING"),
            .init("SMTPUTF8"),
            .init("ENHANCEDSTATUSCODES"),
        ]
        if settings.offersCheckpoints { list.append(.init(ExtensionList.checkpoint)) }
        list.append(.init("LIMITS", ["MAILMAX=\(limits.transactions)", "RCPTMAX=\(limits.recipients)"]))
        if settings.offersTLS, tls == nil { list.append(.init("STARTTLS")) }
        if offersAuthentication { list.append(.init("AUTH", offeredMechanisms)) }
        return ExtensionList(list)
    }
}
