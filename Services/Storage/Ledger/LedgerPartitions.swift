import Database

/// The ledger's partitions, one a day: made ahead, dropped when old, and made at once where one is missing.
enum LedgerPartitions {
    /// How many days ahead of today.
    static let daysAhead: Int32 = 2

    private static let makeThem = Statement("SELECT mail.make_ledger_partitions($1)")
    private static let dropThem = Statement("SELECT mail.drop_ledger_partitions($1)")

    /// Makes those that are missing, from yesterday on.
    static func make() -> Command { makeThem(daysAhead) }

    /// Drops those of days longer ago.
    static func drop(keeping days: Int) -> Command { dropThem(Int32(clamping: days)) }
}
