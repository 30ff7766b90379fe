import Database
import TestSupport
import Testing

@testable import Storage

@Suite("Roles")
struct RoleTests {
    @Test(
        "reach the schemas of their own service only",
        arguments: [
            (
                "martlet_authentication",
                [
                    "directory.accounts", "mail.messages", "mail.contents", "mail.metadata", "mail.rights",
                    "queue.entries",
                ]
            ),
            ("martlet_storage", ["authentication.credentials"]),
        ])
    func isolation(role: String, tables: [String]) async throws {
        try await withStorage { storage in
            try await storage.database.query(
                "SET ROLE martlet_authentication; CREATE TABLE authentication.credentials (verifier bytea)")
            let connection = DatabaseConnection(
                ConnectionConfiguration(connectionString: storage.database.connectionString(role: role)))
            try await connection.connect()
            for table in tables {
                for text in [
                    "SELECT * FROM \(table)", "DELETE FROM \(table)", "DROP TABLE \(table)",
                    "CREATE TABLE \(table)_mine (n bigint)",
                ] {
                    let error = await #expect(throws: DatabaseError.self) {
                        try await connection.run(Statement(text)())
                    }
                    #expect(error?.code == .insufficientPrivilege, "\(role): \(text)")
                }
            }
            for text in ["CREATE SCHEMA mine", "CREATE TABLE public.mine (n bigint)", "CREATE ROLE mine"] {
                let error = await #expect(throws: DatabaseError.self) { try await connection.run(Statement(text)()) }
                #expect(error?.code == .insufficientPrivilege, "\(role): \(text)")
            }
        }
    }

    @Test("can be set up again without harm")
    func idempotent() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let again = try await storage.database.cluster.database()
            #expect(again.name != storage.database.name)
            try await storage.engine.prepareSchema(logger: .init(label: "test"))
            #expect(try await storage.mailboxes(alice).count == 6)
        }
    }
}
