import ServiceRuntime

/// The section `imap-access` of the configuration.
struct IMAPConfiguration: ServiceConfiguration {
    static let keys: [ConfigurationKey] = [
        .listen(
            "imap.listen", default: ["0.0.0.0:143"],
            "Where IMAP is spoken in clear until STARTTLS; replicas share the port."),
        .listen(
            "imaps.listen", default: ["0.0.0.0:993"],
            "Where IMAP is spoken over TLS from the first octet; replicas share the port."),
        .readableFile(
            "tls.certificate", default: "",
            "PEM file with the certificate and those that lead to its authority. Without it there is no TLS and no login "
                + "by password, and imaps.listen must be empty.", reloadable: true),
        .readableFile("tls.key", default: "", "PEM file with the certificate's private key.", reloadable: true),
        .trustedProxies,
        .proxyTimeout(default: Limits().proxyHeaderTimeout),
        .integer(
            "threads", default: 2, in: 1...256, "Event loops; each serves many sessions."),
        .octets(
            "message.limit", default: 64 << 20, in: 1024...(4 << 30) - 1,
            "The largest message that APPEND takes."),
        .octets(
            "literal.limit", default: 1 << 20, in: 1024...(64 << 20),
            "The largest command with its literals, APPEND's message apart; and all messages of an APPEND that has "
                + "several, and what a client sends itself of messages that CATENATE puts together."),
        .octets(
            "line.limit", default: 64 << 10, in: 1000...(1 << 20), "The longest command line without its literals."),
        .octets(
            "pipeline.limit", default: 64 << 10, in: 1024...(16 << 20),
            "Octets of commands that may wait in one session while another runs; reading stops beyond it."),
        .integer(
            "command.messages", default: 0, in: 0...1_000_000_000,
            "How many messages one SEARCH, FETCH, STORE, COPY, MOVE, UID EXPUNGE or APPEND may deal with, announced as "
                + "MESSAGELIMIT (RFC 9738): at least 1000, or 0 for as many as there are. Clients that do not know it miss "
                + "the older messages of larger mailboxes."),
        .integer(
            "bad_commands.limit", default: 20, in: 1...10_000, "Errors of syntax or order in a row that end a session."),
        .integer("login_failures.limit", default: 3, in: 1...100, "Failed logins that end a session."),
        .integer("sessions.limit", default: 10_000, in: 1...1_000_000, "Sessions of one replica."),
        .integer(
            "sessions.per_address", default: 100, in: 1...1_000_000, "Sessions of one replica with one client address."),
        .integer(
            "mailboxes.resting", default: Limits().restingMessages, in: 0...1_000_000_000,
            "Messages of mailboxes that no session of this replica has selected any more and whose flags and dates are kept, "
                + "so that they open at once; each takes 32 octets."),
        .octets(
            "messages.cached", default: Limits().cachedOctets, in: 0...(64 << 30),
            "What all sessions of this replica together keep in memory of messages that were read: envelopes, headers, "
                + "and small messages as a whole. Half of that may each be kept of what messages are sorted by, of "
                + "threads, and of fields that are searched."),
        .boolean(
            "unauthenticate", default: true,
            "Whether clients may log out and in again as another user on one connection (UNAUTHENTICATE, RFC 8437). Say "
                + "false behind a proxy that speaks IMAP itself and checks logins by rules of its own."),
        .list(
            "urlauth.submitters", default: [],
            "Accounts that message submission servers log in with: they may fetch what a URL gives for submission on a "
                + "user's behalf (URLAUTH=submit+, RFC 4467)."),
        .duration(
            "idle.timeout", default: .seconds(1800), in: .seconds(1) ... .seconds(86_400),
            "How long a session that has logged in may be silent (RFC 9051, 5.4: at least 30 minutes)."),
        .duration(
            "login.timeout", default: .seconds(60), in: .seconds(1) ... .seconds(3600),
            "How long a session that has not logged in may be silent."),
        .duration(
            "write.timeout", default: .seconds(300), in: .seconds(1) ... .seconds(3600),
            "How long a client may leave an answer unread."),
        .duration(
            "peer.timeout", default: .seconds(30), in: .milliseconds(100) ... .seconds(600),
            "How long one request to another service may take."),
        .duration(
            "drain.timeout", default: .seconds(20), in: .zero ... .seconds(600),
            "How long a command in hand may take when the service stops."),
    ]

    let plainAddresses: [ListenAddress]
    let tlsAddresses: [ListenAddress]
    let certificateFile: String?
    let keyFile: String?
    let trustedProxies: [AddressRange]
    let threads: Int
    let limits: Limits
    let offersUnauthenticate: Bool
    let submitters: Set<String>

    init(from values: ConfigurationValues) throws(ConfigurationError) {
        plainAddresses = try values.listenAddresses("imap.listen")
        tlsAddresses = try values.listenAddresses("imaps.listen")
        certificateFile = try values.file("tls.certificate")
        keyFile = try values.file("tls.key")
        trustedProxies = try values.addressRanges("proxy.trusted")
        threads = try values.integer("threads")
        offersUnauthenticate = try values.boolean("unauthenticate")
        submitters = Set(try values.list("urlauth.submitters").map { $0.lowercased() })
        var limits = Limits()
        limits.messageOctets = try values.octets("message.limit")
        limits.commandOctets = try values.octets("literal.limit")
        limits.lineOctets = try values.octets("line.limit")
        limits.pipelinedOctets = try values.octets("pipeline.limit")
        limits.commandMessages = try values.integer("command.messages")
        guard limits.commandMessages == 0 || limits.commandMessages >= 1000 else {
            throw values.error("command.messages", "expected 0 or at least 1000")
        }
        limits.badCommands = try values.integer("bad_commands.limit")
        limits.loginFailures = try values.integer("login_failures.limit")
        limits.sessions = try values.integer("sessions.limit")
        limits.sessionsPerAddress = try values.integer("sessions.per_address")
        limits.restingMessages = try values.integer("mailboxes.resting")
        limits.cachedOctets = try values.octets("messages.cached")
        limits.idleTimeout = try values.duration("idle.timeout")
        limits.unauthenticatedTimeout = try values.duration("login.timeout")
        limits.writeTimeout = try values.duration("write.timeout")
        limits.proxyHeaderTimeout = try values.duration("proxy.timeout")
        limits.peerTimeout = try values.duration("peer.timeout")
        limits.drainTimeout = try values.duration("drain.timeout")
        self.limits = limits
        if (certificateFile == nil) != (keyFile == nil) {
            throw values.error(
                certificateFile == nil ? "tls.certificate" : "tls.key",
                "expected both tls.certificate and tls.key, or neither")
        }
        if certificateFile == nil, !tlsAddresses.isEmpty {
            throw values.error("tls.certificate", "expected a certificate, since imaps.listen is not empty")
        }
    }
}
