import Database
import TestSupport

/// A connection to a new database, as the superuser.
func freshConnection() async throws -> (PostgreSQLDatabase, DatabaseConnection) {
    let database = try await PostgreSQLDatabase.fresh()
    let connection = DatabaseConnection(
        ConnectionConfiguration(connectionString: database.connectionString(role: "postgres")))
    try await connection.connect()
    return (database, connection)
}
