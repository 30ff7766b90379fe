/// The keys that every service has: those at the top level of the file, and those that a service's own section may
/// set for that service alone.
public struct CommonConfiguration: Sendable {
    /// Sections of the file, one for each service; each process reads its own and leaves the others alone.
    public static let services = [
        "smtp-ingress", "imap-access", "content-processing", "authentication", "storage", "smtp-egress",
        "dns-registrar", "administration",
    ]

    /// Keys that stand at the top level or in a service's section; the section goes before the top level.
    static let shared: [ConfigurationKey] = [
        .choice(
            "log.level", default: "info", of: ["trace", "debug", "info", "notice", "warning", "error", "critical"],
            "Least level of the events that are logged.", reloadable: true),
        .text(
            "health.listen", default: "unix",
            "Where /live, /ready and /metrics are answered over HTTP: `unix` for the socket "
                + "`<messaging.directory>/<service>.<replica>.http`, a loopback address `127.0.0.1:9100` (each replica "
                + "adds its number to the port), or `off`."),
        .duration(
            "drain_limit", default: .seconds(25), in: .seconds(1) ... .seconds(3_600),
            "How long a service may take after SIGTERM to finish what it has in hand."),
    ]

    /// Keys that stand at the top level only.
    static let topLevel: [ConfigurationKey] =
        [
            .path(
                "messaging.directory", default: "run",
                "Folder of the Unix sockets by which the services reach each other."),
            .path(
                "messaging.key_directory", default: "keys",
                "Folder of the CURVE keys: `<service>.key` (secret, mode 0600) and `<service>.pub`."),
        ]
        + services.dropLast().map { service in
            .list(
                "peers.\(service)", default: [],
                "Endpoints of the replicas of \(service), for example `tcp://10.0.0.7:7001`; without any, those that "
                    + "have a socket in messaging.directory. Their events are 100 ports above.")
        }

    /// Keys that stand in a service's section only.
    static let sectionOnly: [ConfigurationKey] = [
        .text(
            "messaging.listen", default: "",
            "Endpoint where the service answers the others, for example `tcp://10.0.0.7:7001` (each replica adds its "
                + "number to the port); without it a Unix socket in messaging.directory.")
    ]

    /// The level of the log.
    public let logLevel: String
    /// Where HTTP is answered.
    public let health: HealthAddress
    /// How long draining may take.
    public let drainLimit: Duration
    /// Folder of the ipc endpoints.
    public let messagingDirectory: String
    /// Folder of the key files.
    public let keyDirectory: String
    /// Endpoint of our own server socket; nil for ipc.
    public let messagingEndpoint: String?
    /// Endpoints by service, where they were listed.
    public let peers: [String: [String]]

    /// Where a service answers HTTP.
    public enum HealthAddress: Sendable, Hashable {
        /// A Unix socket in the folder of the endpoints.
        case unixSocket
        /// A network address; each replica adds its number to the port.
        case network(host: String, port: Int)
        /// Nowhere.
        case off
    }

    /// Reads the common values of one service.
    init(from values: ConfigurationValues) throws(ConfigurationError) {
        logLevel = try values.text("log.level")
        switch try values.text("health.listen") {
        case "unix": health = .unixSocket
        case "off": health = .off
        case let text:
            guard case .network(let host, let port) = ListenAddress(text) else {
                throw values.error("health.listen", "expected unix, off or host:port, found \"\(text)\"")
            }
            health = .network(host: host, port: port)
        }
        drainLimit = try values.duration("drain_limit")
        messagingDirectory = try values.path("messaging.directory")
        keyDirectory = try values.path("messaging.key_directory")
        let endpoint = try values.text("messaging.listen")
        messagingEndpoint = endpoint.isEmpty ? nil : endpoint
        var peers: [String: [String]] = [:]
        for service in Self.services.dropLast() {
            let endpoints = try values.list("peers.\(service)")
            if !endpoints.isEmpty { peers[service] = endpoints }
        }
        self.peers = peers
        // "<directory>/<service>.<replica>.sock" must fit into sun_path, or nobody could be reached.
        let longest = messagingDirectory.utf8.count + "/content-processing.999.sock".utf8.count
        guard longest < UnixSocketPath.limit else {
            throw values.error(
                "messaging.directory",
                "expected a path of at most \(UnixSocketPath.limit - 1 - (longest - messagingDirectory.utf8.count)) octets, "
                    + "found \(messagingDirectory.utf8.count): a Unix socket's path is limited")
        }
    }
}
