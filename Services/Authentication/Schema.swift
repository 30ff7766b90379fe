import Database

/// The schema that authentication owns, with its whole history.
enum Schema {
    static let migrator = Migrator(
        schema: "authentication",
        migrations: [
            Migration(
                number: 1, name: "credentials",
                sql: String(decoding: PackageResources.authentication_0001_credentials_sql, as: UTF8.self))
        ])
}
