/// One step of a schema's history: a file `0001-accounts.sql`.
public struct Migration: Sendable {
    /// Its place in the history, from 1 on without gaps.
    public let number: Int
    /// What it is about.
    public let name: String
    /// The SQL; runs inside a transaction.
    public let sql: String

    /// A migration.
    public init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// A migration from a file `<number>-<name>.sql` and its octets, as SwiftPM embeds them.
    public init?(fileName: String, octets: [UInt8]) {
        let parts = fileName.split(separator: "-", maxSplits: 1)
        guard parts.count == 2, let number = Int(parts[0]), parts[1].hasSuffix(".sql") else { return nil }
        self.init(
            number: number, name: String(parts[1].dropLast(4)), sql: String(decoding: octets, as: UTF8.self))
    }
}

/// What may be stated anew at any time, functions above all: one text that holds as a whole, where a migration holds one
/// change. A release that changes the text gives it the next number; the release before must still be able to work with it.
public struct Definitions: Sendable {
    /// Which statement of them it is, from 1 on.
    public let number: Int
    /// The SQL; runs inside a transaction, over whatever earlier statement there is.
    public let sql: String

    /// Definitions.
    public init(number: Int, sql: String) {
        self.number = number
        self.sql = sql
    }
}

/// Why a schema cannot be used, in one sentence that says what to do.
public struct MigrationError: Error, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String
}

/// Brings one schema to the state that this program knows, and refuses any other.
///
/// What was applied stands in `<schema>.migrations` with a checksum, and which definitions hold in `<schema>.definitions`:
/// later ones than this program's are left alone. All happens in one transaction under an advisory
/// lock, so that replicas that start together wait for each other, and a migration that fails leaves nothing behind.
public struct Migrator: Sendable {
    private let schema: String
    private let migrations: [Migration]
    private let definitions: Definitions?

    /// The schema's name, a plain lower-case identifier, its history so far, and what holds after all of it.
    public init(schema: String, migrations: [Migration], definitions: Definitions? = nil) {
        self.schema = schema
        self.definitions = definitions
        self.migrations = migrations.sorted { $0.number < $1.number }
    }

    /// Applies what is missing; returns the names of what it applied.
    @discardableResult
    public func apply(on connection: DatabaseConnection) async throws -> [String] {
        try check(numbering: migrations)
        return try await connection.transaction { connection in
            try connection.run(Self.wait())
            try connection.run(Self.lock(schema))
            try makeSchema(on: connection)
            let applied = try connection.run(history()).decode(Int.self, String.self, String.self)
            var names: [String] = []
            for (number, name, _) in applied where number > migrations.count {
                throw refusal(
                    "has migration \(number) (\(name)), which this program does not know: "
                        + "run the release that applied it, or a later one")
            }
            for migration in migrations {
                let checksum = try connection.run(Self.checksum(migration.sql)).first?.decode(0, as: String.self)
                if let known = applied.first(where: { $0.0 == migration.number }) {
                    guard known.2 == checksum else {
                        throw refusal(
                            "has migration \(migration.number) (\(known.1)) with another text than this program's: "
                                + "run the release that applied it, or restore the database from before")
                    }
                    continue
                }
                try execute(migration.sql, "migration \(migration.number) (\(migration.name))", on: connection)
                try connection.run(record()(migration.number, migration.name, checksum))
                names.append("\(schema) \(migration.number) (\(migration.name))")
            }
            if let definitions, try define(definitions, on: connection) {
                names.append("\(schema) definitions \(definitions.number)")
            }
            return names
        }
    }

    /// Whether they had to be stated.
    private func define(
        _ definitions: Definitions, on connection: isolated DatabaseConnection
    ) throws -> Bool {
        let checksum = try connection.run(Self.checksum(definitions.sql)).first?.decode(0, as: String.self)
        if let (number, known) = try connection.run(definition()).decode(Int.self, String.self).first {
            if number > definitions.number { return false }
            if number == definitions.number {
                guard known == checksum else {
                    throw refusal(
                        "has definitions \(number) with another text than this program's: "
                            + "run the release that applied them, or restore the database from before")
                }
                return false
            }
        }
        try execute(definitions.sql, "definitions \(definitions.number)", on: connection)
        try connection.run(redefine()(definitions.number, checksum))
        return true
    }

    private func execute(_ sql: String, _ what: String, on connection: isolated DatabaseConnection) throws {
        do throws(DatabaseError) {
            try connection.execute(script: sql)
        } catch {
            guard error.fault == .program || error.fault == .caller else { throw error }
            throw refusal("refuses \(what): \(error.message)")
        }
    }

    private func check(numbering migrations: [Migration]) throws {
        for (index, migration) in migrations.enumerated() where migration.number != index + 1 {
            throw refusal("has a gap in this program's migrations before \(migration.number): mend the program")
        }
    }

    private func makeSchema(on connection: isolated DatabaseConnection) throws {
        let exists = try connection.run(Self.schemaExists(schema)).first?.decode(0, as: Bool.self) ?? false
        do throws(DatabaseError) {
            if !exists { try connection.execute(script: "CREATE SCHEMA \(schema)") }
            try connection.execute(
                script: """
                    CREATE TABLE IF NOT EXISTS \(schema).migrations (
                        number integer PRIMARY KEY,
                        name text NOT NULL,
                        checksum text NOT NULL,
                        applied_at timestamptz NOT NULL DEFAULT now());
                    CREATE TABLE IF NOT EXISTS \(schema).definitions (
                        one boolean PRIMARY KEY DEFAULT true CHECK (one),
                        number integer NOT NULL,
                        checksum text NOT NULL,
                        applied_at timestamptz NOT NULL DEFAULT now())
                    """)
        } catch {
            guard error.code == .insufficientPrivilege else { throw error }
            throw refusal(
                "is not there or belongs to another role (\(error.message)): "
                    + "run deploy/postgresql/roles.sql as a superuser of the database")
        }
    }

    private func refusal(_ text: String) -> MigrationError {
        MigrationError(description: "the schema \(schema) \(text)")
    }

    private func history() -> Command {
        Statement("SELECT number::bigint, name, checksum FROM \(schema).migrations ORDER BY number")()
    }

    private func record() -> Statement {
        Statement("INSERT INTO \(schema).migrations (number, name, checksum) VALUES ($1::bigint, $2, $3)")
    }

    private func definition() -> Command {
        Statement("SELECT number::bigint, checksum FROM \(schema).definitions")()
    }

    private func redefine() -> Statement {
        Statement(
            """
            INSERT INTO \(schema).definitions (number, checksum) VALUES ($1::bigint, $2)
            ON CONFLICT (one) DO UPDATE SET number = excluded.number, checksum = excluded.checksum, applied_at = now()
            """)
    }

    /// A migration of a large table takes its time.
    private static let wait = Statement("SELECT set_config('statement_timeout', '0', true)")
    private static let lock = Statement(
        "SELECT pg_advisory_xact_lock(hashtextextended('martlet migrations ' || $1, 0))")
    private static let checksum = Statement("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')")
    private static let schemaExists = Statement("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
}
