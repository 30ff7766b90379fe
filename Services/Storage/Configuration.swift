import Database
import ServiceRuntime

/// The section `storage` of the configuration.
struct StorageConfiguration: ServiceConfiguration {
    let connectionString: String
    let readers: Int
    let writers: Int
    let batchCount: Int
    let batchOctets: Int
    let waitingCount: Int
    let waitingOctets: Int
    let mailboxLimit: Int
    let contentGrace: Duration
    let receiptAge: Duration
    let receiptMemory: Duration
    let settlementGrace: Duration
    let settlerSilence: Duration
    let ledgerDays: Int

    static let keys: [ConfigurationKey] = [
        .text(
            "database.connection", default: "dbname=martlet user=martlet_storage",
            "PostgreSQL's connection string or URI (libpq): host=/run/postgresql dbname=martlet connect_timeout=2."),
        .integer(
            "database.connections", default: 8, in: 1...256, "Connections for reading and for changes of mailboxes."),
        .integer("commit.writers", default: 2, in: 1...64, "Connections that commit messages, each a batch at a time."),
        .integer("commit.batch_messages", default: 64, in: 1...1000, "Most messages of one batch."),
        .octets("commit.batch_octets", default: 8 << 20, "Most octets of one batch."),
        .integer(
            "commit.waiting_messages", default: 4096, in: 1...100_000,
            "Most messages that wait for a batch; beyond it senders are told to come again."),
        .octets("commit.waiting_octets", default: 128 << 20, "Most octets that wait for a batch."),
        .integer("mailbox.limit", default: 10_000, in: 10...1_000_000, "Most mailboxes of one account."),
        .duration(
            "content.grace", default: .seconds(6 * 3600), in: .seconds(60) ... .seconds(30 * 86400),
            "How long a content without reference is kept: longer than any commit takes from staging to its end."),
        .duration(
            "receipt.age", default: .seconds(5 * 86400), in: .seconds(3600) ... .seconds(60 * 86400),
            "How long a delivery is recognised whose client may not know of it: as long as clients repeat."),
        .duration(
            "receipt.memory", default: .seconds(20 * 60), in: .seconds(300) ... .seconds(86400),
            "How long a delivery is remembered after its client knew; half of that a request may be on its way inside."),
        .duration(
            "receipt.settlement_grace", default: .milliseconds(500), in: .zero ... .seconds(30),
            "How long the end of a client's connection may take until a front service sees it."),
        .duration(
            "receipt.settler_silence", default: .seconds(15), in: .seconds(1) ... .seconds(300),
            "A front service that says nothing for so long is not asked any more whether a client knows of a delivery."),
        .integer("ledger.days", default: 30, in: 1...3650, "How many days the record of all transactions goes back."),
    ]

    init(from values: ConfigurationValues) throws(ConfigurationError) {
        connectionString = try values.text("database.connection")
        readers = try values.integer("database.connections")
        writers = try values.integer("commit.writers")
        batchCount = try values.integer("commit.batch_messages")
        batchOctets = try values.octets("commit.batch_octets")
        waitingCount = try values.integer("commit.waiting_messages")
        waitingOctets = try values.octets("commit.waiting_octets")
        mailboxLimit = try values.integer("mailbox.limit")
        contentGrace = try values.duration("content.grace")
        receiptAge = try values.duration("receipt.age")
        receiptMemory = try values.duration("receipt.memory")
        settlementGrace = try values.duration("receipt.settlement_grace")
        settlerSilence = try values.duration("receipt.settler_silence")
        ledgerDays = try values.integer("ledger.days")
    }
}

/// How sessions of the two kinds behave.
enum SessionSettings {
    /// Every statement goes by keys. Plans are made once, when tables may still be empty, and must be right when they
    /// are large.
    private static let byKey = [
        "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off",
        "enable_mergejoin": "off", "jit": "off",
    ]

    static let writer = byKey.merging(["idle_in_transaction_session_timeout": "30000"]) { $1 }
    static let reader = byKey.merging(["idle_in_transaction_session_timeout": "60000"]) { $1 }
}
