import Database
import TestSupport
import Testing

@Suite("Migrations")
struct MigratorTests {
    private let first = Migration(
        number: 1, name: "birds", sql: "CREATE TABLE mail.birds (name text); ANALYZE mail.birds;")
    private let second = Migration(number: 2, name: "wings", sql: "ALTER TABLE mail.birds ADD COLUMN wings bigint")

    private func connect(_ database: PostgreSQLDatabase, role: String = "martlet_storage") async throws
        -> DatabaseConnection
    {
        let connection = DatabaseConnection(
            ConnectionConfiguration(connectionString: database.connectionString(role: role)))
        try await connection.connect()
        return connection
    }

    @Test("are applied in order, once, also by replicas that start together")
    func together() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let migrator = Migrator(schema: "mail", migrations: [second, first])
        let applied = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<4 {
                group.addTask { try await migrator.apply(on: try await connect(database)) }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied == ["mail 1 (birds)", "mail 2 (wings)"])
        #expect(try await database.query("SELECT count(*) FROM mail.migrations WHERE length(checksum) = 64") == "2")
    }

    @Test("of a later release are refused")
    func newer() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = try await connect(database)
        try await Migrator(schema: "mail", migrations: [first, second]).apply(on: connection)
        let error = await #expect(throws: MigrationError.self) {
            try await Migrator(schema: "mail", migrations: [first]).apply(on: connection)
        }
        #expect(
            error?.description
                == "the schema mail has migration 2 (wings), which this program does not know: "
                + "run the release that applied it, or a later one")
    }

    @Test("that were altered after they were applied are refused")
    func altered() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = try await connect(database)
        try await Migrator(schema: "mail", migrations: [first]).apply(on: connection)
        let other = Migration(number: 1, name: "birds", sql: first.sql + "\n-- a word more")
        let error = await #expect(throws: MigrationError.self) {
            try await Migrator(schema: "mail", migrations: [other]).apply(on: connection)
        }
        #expect(error?.description.contains("with another text") == true)
    }

    @Test("are followed by definitions, which hold as a whole; later ones than the program's are left alone")
    func definitions() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = try await connect(database)
        func state(_ number: Int, _ answer: String) async throws -> [String] {
            let sql = "CREATE OR REPLACE FUNCTION mail.answer() RETURNS text LANGUAGE sql AS $$ SELECT '\(answer)' $$"
            return try await Migrator(
                schema: "mail", migrations: [first], definitions: Definitions(number: number, sql: sql)
            ).apply(on: connection)
        }
        #expect(try await state(1, "one") == ["mail 1 (birds)", "mail definitions 1"])
        #expect(try await state(1, "one") == [])
        #expect(try await state(2, "two") == ["mail definitions 2"])
        #expect(try await state(1, "one") == [])
        #expect(try await database.query("SELECT mail.answer()") == "two")
        let error = await #expect(throws: MigrationError.self) { try await state(2, "other") }
        #expect(error?.description.contains("has definitions 2 with another text") == true)
    }

    @Test("that fail leave nothing behind")
    func failing() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = try await connect(database)
        let bad = Migration(
            number: 2, name: "fins", sql: "CREATE TABLE mail.fins (n bigint); SELECT * FROM mail.nowhere")
        let error = await #expect(throws: MigrationError.self) {
            try await Migrator(schema: "mail", migrations: [first, bad]).apply(on: connection)
        }
        #expect(error?.description.contains("refuses migration 2 (fins)") == true)
        #expect(try await database.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'mail'") == "0")
        try await Migrator(schema: "mail", migrations: [first]).apply(on: connection)
    }

    @Test("with a gap in their numbers are a fault of the program")
    func gap() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let connection = try await connect(database)
        await #expect(throws: MigrationError.self) {
            try await Migrator(schema: "mail", migrations: [second]).apply(on: connection)
        }
    }

    @Test("of a schema that belongs to another role say what to do")
    func foreignSchema() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        for (schema, role) in [("authentication", "martlet_storage"), ("unknown", "martlet_storage")] {
            let connection = try await connect(database, role: role)
            let error = await #expect(throws: MigrationError.self) {
                try await Migrator(schema: schema, migrations: []).apply(on: connection)
            }
            #expect(
                error?.description.hasSuffix("run deploy/postgresql/roles.sql as a superuser of the database") == true)
        }
    }

    @Test("are named by their files")
    func fileNames() {
        #expect(Migration(fileName: "0012-a-name.sql", octets: Array("SELECT 1".utf8))?.number == 12)
        #expect(Migration(fileName: "0012-a-name.sql", octets: [])?.name == "a-name")
        #expect(Migration(fileName: "name.sql", octets: []) == nil)
        #expect(Migration(fileName: "1-name.txt", octets: []) == nil)
    }
}
