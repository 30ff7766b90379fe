import Database

/// The schemas that storage owns, with their whole history.
enum Schema {
    /// In the order in which they are applied.
    static let migrators = [
        Migrator(
            schema: "directory",
            migrations: [
                migration(1, "accounts", PackageResources.directory_0001_accounts_sql),
                migration(2, "hot rows", PackageResources.directory_0002_hot_rows_sql),
                migration(3, "shared accounts", PackageResources.directory_0003_shared_accounts_sql),
            ]),
        Migrator(
            schema: "mail", migrations: mail,
            definitions: Definitions(
                number: 2, sql: String(decoding: PackageResources.mail_functions_sql, as: UTF8.self))),
        Migrator(
            schema: "queue",
            migrations: [
                migration(1, "entries", PackageResources.queue_0001_entries_sql),
                migration(2, "receipts", PackageResources.queue_0002_receipts_sql),
            ]),
    ]

    static let mail = [
        migration(1, "mailboxes", PackageResources.mail_0001_mailboxes_sql),
        migration(2, "exactly once", PackageResources.mail_0002_exactly_once_sql),
        migration(3, "moments", PackageResources.mail_0003_moments_sql),
        migration(4, "receipts by time", PackageResources.mail_0004_receipts_by_time_sql),
        migration(5, "saved dates", PackageResources.mail_0005_saved_dates_sql),
        migration(6, "metadata", PackageResources.mail_0006_metadata_sql),
        migration(7, "text index", PackageResources.mail_0007_text_index_sql),
        migration(8, "url keys", PackageResources.mail_0008_url_keys_sql),
        migration(9, "rights", PackageResources.mail_0009_rights_sql),
        migration(10, "flag changes", PackageResources.mail_0010_flag_changes_sql),
        migration(11, "released batches", PackageResources.mail_0011_released_batches_sql),
    ]

    private static func migration(_ number: Int, _ name: String, _ octets: [UInt8]) -> Migration {
        Migration(number: number, name: name, sql: String(decoding: octets, as: UTF8.self))
    }

    /// Brings all of them up to date; returns what was applied.
    static func apply(on connection: DatabaseConnection) async throws -> [String] {
        var applied: [String] = []
        for migrator in migrators {
            applied += try await migrator.apply(on: connection)
        }
        return applied
    }
}
