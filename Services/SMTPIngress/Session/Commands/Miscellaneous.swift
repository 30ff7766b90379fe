import SMTPSyntax

/// RSET, NOOP, VRFY, HELP, QUIT (RFC 5321, 4.1.1.5 to 4.1.1.10): they cost us little and bring the client nothing, so only so
/// many of them in a row are answered.
extension SessionMachine {
    mutating func performRset() {
        abandonTransaction()
        performIdle(Replies.ok)
    }

    mutating func performQuit() {
        abandonTransaction()
        sayLast(Replies.goodbye)
    }

    mutating func performIdle(_ reply: Reply) {
        idleCommandCount += 1
        if idleCommandCount > settings.limits.idleCommands {
            sayLast(Replies.tooManyIdleCommands)
        } else {
            say(reply)
        }
    }
}
