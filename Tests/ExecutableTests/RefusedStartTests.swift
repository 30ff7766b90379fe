import Foundation
import TestSupport
import Testing

/// What keeps a program from starting: status 78, and one line on standard error that names it and says what to do.
@Suite("A start is refused", .timeLimit(.minutes(8)))
struct RefusedStartTests {
    // MARK: Keys and values

    @Test("for a key that nobody knows, in its own section or at the top", arguments: Executable.all)
    func unknownKey(_ executable: Executable) async throws {
        try await House.run { house in
            let before = house.configuration.withLock(\.self)
            house.configuration.withLock { $0.sections[executable.service, default: []].append("colour: blue") }
            let line = try #require(house.configuration.withLock { $0.line(of: "colour") })
            try await house.expectRefusal(
                of: executable,
                says: ["\(house.path)/martlet.yaml:\(line): ", "\(executable.service).colour: unknown key: expected "])
            house.configuration.withLock {
                $0 = before
                $0.lines = ["drain_limt: 3s"]
            }
            try await house.expectRefusal(
                of: executable, says: [": drain_limt: unknown key: expected a known key, perhaps drain_limit"])
        }
    }

    private static let badValues: [(executable: Executable, key: String, lines: [String], says: String)] = [
        (.ingress, "event_loops", ["event_loops: many"], "many"),
        (.ingress, "limits.message", ["limits:", "  message: -1"], "-1"),
        (.access, "threads", ["threads: 0"], "0"),
        (.ingress, "proxy.trusted", ["proxy:", "  trusted: [\"10.0.0.1/8\"]"], "10.0.0.1/8"),
        (.access, "proxy.trusted", ["proxy:", "  trusted: [\"::1\", \"balancer\"]"], "balancer"),
        (.access, "imap.listen", ["imap:", "  listen: [\"nowhere\"]"], "nowhere"),
        (.content, "limits.depth", ["limits:", "  depth: deep"], "deep"),
        (.authentication, "password.iterations", ["password:", "  iterations: 1"], "1"),
        (.storage, "commit.writers", ["commit:", "  writers: 0"], "0"),
        (.command, "timeout", ["timeout: soon"], "soon"),
        (.command, "expected", ["expected: [the-cat]"], "the-cat"),
    ]

    @Test(
        "for a value that cannot be: the line says which key, what is expected and what was found", arguments: badValues
    )
    func badValue(_ bad: (executable: Executable, key: String, lines: [String], says: String)) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.sections[bad.executable.service] = bad.lines }
            try await house.expectRefusal(
                of: bad.executable,
                says: [
                    "\(house.path)/martlet.yaml:", "\(bad.executable.service).\(bad.key): expected ",
                    "found \"\(bad.says)\"",
                ])
        }
    }

    @Test("for a value that every service has and that cannot be", arguments: Executable.all)
    func badCommonValue(_ executable: Executable) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.lines = ["drain_limit: soon"] }
            try await house.expectRefusal(of: executable, says: ["drain_limit: expected ", "found \"soon\""])
        }
    }

    @Test("for a configuration that is not there, or is no YAML", arguments: Executable.all)
    func noConfiguration(_ executable: Executable) async throws {
        try await House.run { house in
            let ordinary = executable == .command ? ["account", "list"] : []
            try await house.expectRefusal(
                of: executable, ordinary + ["--config", "\(house.path)/none.yaml"],
                says: ["\(house.path)/none.yaml: expected a readable YAML file: No such file", "--config FILE"])
            house.configuration.withLock { $0.lines = ["a: b: c"] }
            try await house.expectRefusal(of: executable, says: ["\(house.path)/martlet.yaml:", "expected YAML"])
        }
    }

    @Test("for a configuration that --check-config finds wrong, with the same line", arguments: Executable.services)
    func check(_ executable: Executable) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.sections[executable.service, default: []].append("colour: blue") }
            try await house.expectRefusal(
                of: executable, ["--check-config"], says: ["\(executable.service).colour: unknown key"])
        }
    }

    // MARK: Keys of messaging

    @Test("for a CURVE key that is missing, or that others may read", arguments: Executable.all)
    func curveKey(_ executable: Executable) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.logLevel = "critical" }
            let file = "\(house.path)/keys/\(executable == .command ? "martlet" : executable.service).key"
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
            try await house.expectRefusal(of: executable, says: ["\(file): ", "chmod 600 \(file)"])
            try FileManager.default.removeItem(atPath: file)
            try await house.expectRefusal(
                of: executable, says: ["\(file): No such file", "martlet keys generate \(house.path)/keys"])
        }
    }

    // MARK: Databases

    @Test(
        "for a schema that a later release has changed, or that is another than this program's",
        arguments: [
            (Executable.storage, "directory"), (.storage, "mail"), (.storage, "queue"),
            (.authentication, "authentication"),
        ])
    func schema(_ executable: Executable, _ schema: String) async throws {
        let database = try await PostgreSQLDatabase.fresh()
        try await House.run { house in
            house.configuration.withLock {
                $0.set(
                    database: database.connectionString(
                        role: executable == .storage ? "martlet_storage" : "martlet_authentication"), for: executable)
            }
            try await house.ready(executable).terminate()
            house.configuration.withLock { $0.logLevel = "critical" }
            try await database.query(
                "INSERT INTO \(schema).migrations (number, name, checksum) VALUES (99, 'tomorrow', 'x')")
            try await house.expectRefusal(
                of: executable,
                says: ["the schema \(schema) has migration 99 (tomorrow)", "run the release that applied it"])
            try await database.query("DELETE FROM \(schema).migrations WHERE number = 99")
            try await database.query("UPDATE \(schema).migrations SET checksum = 'x' WHERE number = 1")
            try await house.expectRefusal(
                of: executable, says: ["the schema \(schema) has migration 1 ", "with another text", "restore"])
        }
    }

    @Test(
        "for a database in which nobody has prepared the schema",
        arguments: [(Executable.storage, "directory"), (.authentication, "authentication")])
    func noSchema(_ executable: Executable, _ schema: String) async throws {
        let database = try await PostgreSQLDatabase.fresh()
        try await database.query("DROP SCHEMA \(schema) CASCADE")
        try await House.run { house in
            house.configuration.withLock {
                $0.logLevel = "critical"
                $0.set(
                    database: database.connectionString(
                        role: executable == .storage ? "martlet_storage" : "martlet_authentication"), for: executable)
            }
            try await house.expectRefusal(
                of: executable, says: ["the schema \(schema) is not there", "deploy/postgresql/roles.sql"])
        }
    }
}
