/// Where PostgreSQL is, as whom to log in, and how a session there behaves.
public struct ConnectionConfiguration: Sendable {
    /// libpq's connection string or URI: `host=/run/postgresql dbname=martlet user=martlet_storage`.
    public var connectionString: String
    /// Shown in `pg_stat_activity`.
    public var applicationName: String
    /// How long one attempt to connect may take, unless the connection string says so: `connect_timeout=10`, in seconds.
    public var connectTimeout: Duration
    /// How long one statement may run; the server ends it then, and this side gives up a little later.
    public var statementTimeout: Duration
    /// Settings of the session, applied after each connect, for example `["plan_cache_mode": "force_generic_plan"]`.
    public var settings: [String: String]

    /// A configuration with short timeouts: mail waits for PostgreSQL elsewhere, a connection never waits for long.
    public init(
        connectionString: String,
        applicationName: String = "martlet",
        connectTimeout: Duration = .seconds(2),
        statementTimeout: Duration = .seconds(30),
        settings: [String: String] = [:]
    ) {
        self.connectionString = connectionString
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.statementTimeout = statementTimeout
        self.settings = settings
    }
}

extension Duration {
    /// Whole milliseconds, rounded up, never negative.
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let part = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? Int.max : Int(clamping: product &+ part)
    }
}
