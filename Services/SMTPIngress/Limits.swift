import Messaging

/// All that a client could make grow, and how far it may.
struct Limits: Sendable, Hashable {
    /// The largest message, also announced (RFC 1870).
    var messageOctets = 50 << 20
    /// Of a message that was refused while it came: so many more octets are read and thrown away, to give the client
    /// its reply in order; beyond that the connection ends.
    var discardedOctets = 100 << 20
    /// A command line with its CRLF. RFC 5321, 4.5.3.1.4 asks for 512, and each extension for room of its own.
    var commandLineOctets = 2_048
    /// A line of an AUTH exchange (RFC 4954, 4 asks for 12288).
    var authenticationLineOctets = 12_288
    /// Recipients of one transaction (RFC 5321, 4.5.3.1.8 asks for 100).
    var recipients = 1_000
    /// Transactions of one session.
    var transactions = 10_000
    /// Commands that were refused in one session, unknown recipients among them.
    var errors = 50
    /// Commands in a row that bring no mail any nearer: NOOP, RSET, EHLO and the like.
    var idleCommands = 100
    /// Failed authentications of one session.
    var authenticationFailures = 3
    /// Sessions in all, in this process.
    var sessions = 2_000
    /// Sessions from one network address.
    var sessionsPerAddress = 500
    /// Connections that are not sessions: on their way in, or being turned away. Beyond it none is accepted, and the
    /// system's own queue keeps the others, which costs us nothing.
    var refusals = 1_000
    /// Messages with content processing at once, large ones apart. Beyond it client addresses take turns: so many messages
    /// stand in front of a client that has a single session. It is a whole batch of storage's.
    var acceptances = 64
    /// Octets of a message that stay in memory; a longer one goes to a file.
    var memoryOctets = Payload.inlineLimit
    /// What is kept of transactions whose client was lost.
    var checkpoints = CheckpointLimits()
}

/// How much is kept for clients that come again to go on with a transaction (RFC 1845), in this process.
struct CheckpointLimits: Sendable, Hashable {
    /// For how long; zero keeps nothing, and then the extension is not offered. RFC 1845, 3 thinks of 48 hours, for state
    /// that outlives the process and is all there is; here a client that comes later sends all again.
    var keep = Duration.seconds(600)
    /// How many.
    var count = 1_000
    /// From one network address.
    var countPerAddress = 100
    /// Octets in memory, about.
    var memoryOctets = 64 << 20
    /// Octets of unfinished messages on disk.
    var diskOctets = 1 << 30
}

/// How long we wait for others.
struct Timeouts: Sendable, Hashable {
    /// For the client's next octet (RFC 5321, 4.5.3.2.7).
    var idle = Duration.seconds(300)
    /// For the client to close the connection after our last word.
    var linger = Duration.seconds(5)
    /// For a client beyond the limit of sessions that comes again at once to be told so: to greet and turn away thousands
    /// a second would leave no time for those who are in. The first time it is told at once.
    var refusal = Duration.seconds(1)
    /// For an answer of the directory or of authentication.
    var question = Duration.seconds(10)
    /// For content processing to take a message. Clients wait ten minutes (RFC 5321, 4.5.3.2.6).
    /// A disk that takes many large messages at once is slow and makes headway: who gives up early makes it start anew.
    var acceptance = Duration.seconds(300)
    /// How long the directory's word that an address leads somewhere holds without a new question.
    var resolution = Duration.seconds(1)
    /// For the PROXY header of a connection from a trusted proxy.
    var proxyHeader = Duration.seconds(5)
}
