import Messaging
import ServiceRuntime

/// What an operator can say about ingress.
struct IngressConfiguration: ServiceConfiguration {
    static let keys: [ConfigurationKey] = listening + limiting + waiting + resuming

    private static let listening: [ConfigurationKey] = [
        .text(
            "hostname", default: "",
            "The name that the server gives itself in its greeting and in trace fields; empty means the machine's."),
        .text("postmaster", default: "", "Where mail to <Postmaster> goes; empty means postmaster@<hostname>."),
        .listen("relay.listen", default: ["0.0.0.0:25"], "Where other servers deliver mail (SMTP)."),
        .listen(
            "submission.listen", default: [], "Where users send mail after STARTTLS and AUTH; commonly port 587."),
        .listen("submissions.listen", default: [], "Where users send mail over implicit TLS; commonly port 465."),
        .listen("lmtp.listen", default: [], "Where local agents deliver mail by LMTP, with one reply a recipient."),
        .readableFile(
            "tls.certificate", default: "",
            "The certificate chain in PEM, read again on SIGHUP. Without it there is no TLS and no submission."),
        .readableFile("tls.key", default: "", "The certificate's private key in PEM."),
        .path(
            "spool.directory", default: "spool",
            "The folder for messages too large for memory while they come in; the files have no name."),
        .trustedProxies,
        .proxyTimeout(default: Timeouts().proxyHeader),
        .integer("event_loops", default: 0, in: 0...256, "Threads for connections; 0 means one a core."),
    ]

    private static let limiting: [ConfigurationKey] = {
        let limits = Limits()
        return [
            .octets("limits.message", default: limits.messageOctets, in: 1...(1 << 40), "The largest message."),
            .octets(
                "limits.discarded", default: limits.discardedOctets, in: 1...(1 << 40),
                "How much of a refused message is read and thrown away before the connection is cut."),
            .octets(
                "limits.memory", default: limits.memoryOctets, in: 1_024...Payload.inlineLimit,
                "How much of a message stays in memory; a longer one goes to the spool."),
            .octets(
                "limits.command_line", default: limits.commandLineOctets, in: 512...65_536,
                "The longest command line, with its end."),
            .octets(
                "limits.authentication_line", default: limits.authenticationLineOctets, in: 512...65_536,
                "The longest line of an AUTH exchange."),
            .integer("limits.recipients", default: limits.recipients, in: 1...50_000, "Recipients of one message."),
            .integer(
                "limits.transactions", default: limits.transactions, in: 1...Int.max, "Messages in one session."),
            .integer("limits.errors", default: limits.errors, in: 1...Int.max, "Refused commands in one session."),
            .integer(
                "limits.idle_commands", default: limits.idleCommands, in: 1...Int.max,
                "Commands in a row that bring no mail: NOOP, RSET, EHLO, VRFY, HELP."),
            .integer(
                "limits.authentication_failures", default: limits.authenticationFailures, in: 1...1_000,
                "Failed authentications in one session."),
            .integer("limits.sessions", default: limits.sessions, in: 1...1_000_000, "Sessions in all."),
            .integer(
                "limits.sessions_per_address", default: limits.sessionsPerAddress, in: 1...1_000_000,
                "Sessions from one network address."),
            .integer(
                "limits.refusals", default: limits.refusals, in: 1...1_000_000,
                "Connections at once that are being turned away; beyond it the others wait to be accepted."),
            .integer(
                "limits.acceptances", default: limits.acceptances, in: 1...100_000,
                "Messages handed over at once, those in the spool apart; beyond it the clients' addresses take turns."),
        ]
    }()

    private static let waiting: [ConfigurationKey] = {
        let timeouts = Timeouts()
        let range = Duration.milliseconds(10) ... .seconds(86_400)
        return [
            .duration("timeouts.idle", default: timeouts.idle, in: range, "For the client's next octet."),
            .duration(
                "timeouts.linger", default: timeouts.linger, in: range,
                "For the client to close after our last reply."),
            .duration(
                "timeouts.refusal", default: timeouts.refusal, in: .zero ... .seconds(60),
                "Before a client beyond the limit of sessions is told so when it comes again at once."),
            .duration(
                "timeouts.question", default: timeouts.question, in: range,
                "For an answer of storage's directory or of authentication."),
            .duration(
                "timeouts.acceptance", default: timeouts.acceptance, in: range,
                "For content processing to take a message; clients wait ten minutes."),
            .duration(
                "timeouts.resolution", default: timeouts.resolution, in: .zero ... .seconds(60),
                "How long the directory's word that an address leads somewhere holds; 0 asks for each RCPT."),
        ]
    }()

    private static let resuming: [ConfigurationKey] = {
        let limits = CheckpointLimits()
        return [
            .duration(
                "checkpoint.keep", default: limits.keep, in: .zero ... .seconds(7 * 86_400),
                "How long a client may take to come again and go on with a message that was cut off, or to hear a reply that"
                    + " was lost (SMTP's CHECKPOINT); 0 switches that off."),
            .integer(
                "checkpoint.limit", default: limits.count, in: 1...1_000_000,
                "How many of those messages are kept; beyond this and the next three limits the oldest is let go, and its"
                    + " client sends all again. Each one that is large holds a file open."),
            .integer(
                "checkpoint.limit_per_address", default: limits.countPerAddress, in: 1...1_000_000,
                "How many of them for one network address."),
            .octets(
                "checkpoint.memory", default: limits.memoryOctets, in: 4_096...(1 << 40),
                "How much memory they may hold."),
            .octets(
                "checkpoint.disk", default: limits.diskOctets, in: 0...(1 << 50),
                "How much of the spool's disk they may hold."),
        ]
    }()

    var serverName: String
    var postmaster: String?
    var listeners: [(kind: ListenerKind, address: ListenAddress)]
    var certificate: (chain: String, key: String)?
    var trustedProxies: [AddressRange]
    var spoolDirectory: String
    var eventLoops: Int
    var limits: Limits
    var timeouts: Timeouts

    init(from values: ConfigurationValues) throws(ConfigurationError) {
        let name = try values.text("hostname")
        serverName = name.isEmpty ? HostName.current : name
        let address = try values.text("postmaster")
        postmaster = address.isEmpty ? nil : address
        listeners = []
        for kind in ListenerKind.allCases {
            for address in try values.listenAddresses("\(kind.rawValue).listen") { listeners.append((kind, address)) }
        }
        let chain = try values.file("tls.certificate")
        let key = try values.file("tls.key")
        switch (chain, key) {
        case (.some(let chain), .some(let key)): certificate = (chain, key)
        case (nil, nil): certificate = nil
        case (.some, nil): throw values.error("tls.key", "expected beside tls.certificate")
        case (nil, .some): throw values.error("tls.certificate", "expected beside tls.key")
        }
        if certificate == nil, let (kind, _) = listeners.first(where: { $0.kind.isSubmission }) {
            throw values.error("\(kind.rawValue).listen", "submission needs TLS: expected tls.certificate and tls.key")
        }
        trustedProxies = try values.addressRanges("proxy.trusted")
        spoolDirectory = try values.path("spool.directory")
        eventLoops = try values.integer("event_loops")
        limits = try Self.limits(values)
        timeouts = Timeouts(
            idle: try values.duration("timeouts.idle"), linger: try values.duration("timeouts.linger"),
            refusal: try values.duration("timeouts.refusal"), question: try values.duration("timeouts.question"),
            acceptance: try values.duration("timeouts.acceptance"),
            resolution: try values.duration("timeouts.resolution"),
            proxyHeader: try values.duration("proxy.timeout"))
    }

    private static func limits(_ values: ConfigurationValues) throws(ConfigurationError) -> Limits {
        Limits(
            messageOctets: try values.octets("limits.message"),
            discardedOctets: try values.octets("limits.discarded"),
            commandLineOctets: try values.octets("limits.command_line"),
            authenticationLineOctets: try values.octets("limits.authentication_line"),
            recipients: try values.integer("limits.recipients"),
            transactions: try values.integer("limits.transactions"),
            errors: try values.integer("limits.errors"),
            idleCommands: try values.integer("limits.idle_commands"),
            authenticationFailures: try values.integer("limits.authentication_failures"),
            sessions: try values.integer("limits.sessions"),
            sessionsPerAddress: try values.integer("limits.sessions_per_address"),
            refusals: try values.integer("limits.refusals"),
            acceptances: try values.integer("limits.acceptances"),
            memoryOctets: try values.octets("limits.memory"),
            checkpoints: CheckpointLimits(
                keep: try values.duration("checkpoint.keep"), count: try values.integer("checkpoint.limit"),
                countPerAddress: try values.integer("checkpoint.limit_per_address"),
                memoryOctets: try values.octets("checkpoint.memory"),
                diskOctets: try values.octets("checkpoint.disk")))
    }
}
