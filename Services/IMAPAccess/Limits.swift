import IMAPSyntax

/// Everything that a stranger can make grow, and how far (RFC 9051, 11 leaves the numbers to servers).
struct Limits: Sendable, Equatable {
    /// One command line without its literals.
    var lineOctets = 64 * 1024
    /// A command with its literals, APPEND's message apart; and all messages of an APPEND that has several, and what a
    /// client sends of messages that CATENATE puts together.
    var commandOctets = 1024 * 1024
    /// One message in APPEND; beyond it NO [TOOBIG].
    var messageOctets = 64 * 1024 * 1024
    /// What is kept in memory of an appended message; a larger one streams through.
    var inlineOctets = 256 * 1024
    /// Messages that one command may name or search (RFC 9738), at least 1000; 0 for as many as there are.
    var commandMessages = 0
    /// Messages of one APPEND (RFC 3502).
    var appendedMessages = 1000
    /// Octets of commands that wait, unread by the parser, while another runs; reading stops at this many. Behind an APPEND
    /// it stops at `inlineOctets`.
    var pipelinedOctets = 64 * 1024
    /// APPENDs that are sent one behind the other and handed over together, of `inlineOctets` in all.
    var successiveAppends = 64
    /// Commands with errors of syntax or order in a row, after which the session ends.
    var badCommands = 20
    /// Failed logins in one session.
    var loginFailures = 3
    var sessions = 10_000
    var sessionsPerAddress = 100
    /// RFC 9051, 5.4: at least 30 minutes once authenticated.
    var idleTimeout: Duration = .seconds(30 * 60)
    var unauthenticatedTimeout: Duration = .seconds(60)
    /// For the PROXY header of a connection from a trusted proxy.
    var proxyHeaderTimeout: Duration = .seconds(5)
    /// How long one request to a peer may take.
    var peerTimeout: Duration = .seconds(30)
    /// A client that reads nothing for so long is gone.
    var writeTimeout: Duration = .seconds(5 * 60)
    /// For the client to end the connection after our last word.
    var lingerTimeout: Duration = .seconds(5)
    /// Messages of mailboxes that no session has selected and whose state is kept; each takes 32 octets.
    var restingMessages = 1_000_000
    /// Octets of messages that were read a while ago and are kept in memory; 0 for none. Half of that is for each kind of what
    /// searches have found out.
    var cachedOctets = 128 * 1024 * 1024
    /// Previews that are kept; each has 200 characters at most.
    var previews = 8192
    /// Previews that a FETCH with LAZY makes, and octets of the messages that it makes them of; what is more is NIL.
    var lazyPreviews = 64
    var lazyPreviewOctets = 256 * 1024
    /// Mailboxes of one ESEARCH; beyond it NO [LIMIT].
    var searchedMailboxes = 1000
    /// Searches of a session that are kept up to date, and messages in all their results, unless there is but one; and
    /// messages of one that is kept sorted.
    var searchContexts = 16
    var contextMessages = 1_000_000
    var sortedContextMessages = 20_000
    /// A command that takes longer says so now and then, so that nobody in between takes the connection for dead.
    var progressInterval: Duration = .seconds(10)
    /// How long a command in hand may take at shutdown.
    var drainTimeout: Duration = .seconds(20)

    /// What the parser takes from a client that has logged in; from a stranger it takes
    /// `ParsingLimits.unauthenticated`.
    var parsing: ParsingLimits {
        var parsing = ParsingLimits()
        parsing.lineOctets = lineOctets
        parsing.literalOctets = min(commandOctets, ParsingLimits().literalOctets)
        parsing.commandLiteralOctets = commandOctets
        parsing.messageOctets = messageOctets
        return parsing
    }

    /// `messageOctets` as it is announced (RFC 7889, 2); the configuration allows no more than fits.
    var appendLimit: UInt32 { UInt32(clamping: messageOctets) }

    /// Output beyond which a session stops producing until the client has read.
    var outputOctets: Int { 256 * 1024 }
}
