import SMTPSyntax

/// RSET, NOOP, VRFY, HELP (RFC 5321, 4.1.1.5 to 4.1.1.9): they cost us little and bring the client nothing, so only so
/// many of them in a row are answered. And QUIT (4.1.1.10), which is answered once.
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
