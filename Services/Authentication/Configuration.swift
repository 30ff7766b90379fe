import Database
import Messaging
import ServiceRuntime

/// The section `authentication` of the configuration.
struct AuthenticationConfiguration: ServiceConfiguration {
    let connectionString: String
    let options: AuthenticationEngine.Options

    static let keys: [ConfigurationKey] = [
        .text(
            "database.connection", default: "dbname=martlet user=martlet_authentication",
            "PostgreSQL's connection string or URI (libpq): host=/run/postgresql dbname=martlet connect_timeout=2."),
        .integer("database.connections", default: 4, in: 1...64, "Connections to PostgreSQL."),
        .integer(
            "password.iterations", default: 10_000, in: 4096...1_000_000,
            "How often the hash of a new password runs (RFC 7677, 4). A check costs as much."),
        .integer("password.threads", default: 2, in: 1...256, "Threads that check passwords."),
        .integer(
            "password.waiting", default: 512, in: 1...100_000,
            "Most checks that wait for a thread; beyond it clients are told to come again."),
        .duration(
            "password.remembered", default: .seconds(600), in: .zero ... .seconds(86400),
            "How long a password that was right is known again without the work; 0 for never."),
        .boolean("cleartext", default: false, "Lets clients show their password without TLS: for tests only."),
        .duration(
            "exchange.lifetime", default: .seconds(120), in: .seconds(10) ... .seconds(3600),
            "How long a client may take for one authentication."),
        .integer(
            "throttle.client_failures", default: 20, in: 1...1_000_000, "Failures from one address before it waits."),
        .duration(
            "throttle.client_window", default: .seconds(600), in: .seconds(1) ... .seconds(86400),
            "How long until that many failures are forgotten."),
        .integer("throttle.account_failures", default: 50, in: 1...1_000_000, "Failures for one name before it waits."),
        .duration(
            "throttle.account_window", default: .seconds(600), in: .seconds(1) ... .seconds(86400),
            "How long until that many failures are forgotten."),
    ]

    init(from values: ConfigurationValues) throws(ConfigurationError) {
        connectionString = try values.text("database.connection")
        var options = AuthenticationEngine.Options()
        options.connections = try values.integer("database.connections")
        options.iterations = try values.integer("password.iterations")
        options.threads = try values.integer("password.threads")
        options.waitingLimit = try values.integer("password.waiting")
        options.remembered = try values.duration("password.remembered")
        options.allowsCleartext = try values.boolean("cleartext")
        options.exchangeLifetime = try values.duration("exchange.lifetime")
        options.throttle.client = ThrottlePolicy.Bucket(
            failures: try values.integer("throttle.client_failures"),
            window: try values.duration("throttle.client_window"))
        options.throttle.name = ThrottlePolicy.Bucket(
            failures: try values.integer("throttle.account_failures"),
            window: try values.duration("throttle.account_window"))
        self.options = options
    }
}
