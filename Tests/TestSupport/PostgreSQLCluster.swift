import Foundation

/// A private PostgreSQL for tests: a cluster of its own in a temporary directory, reached by a unix socket only.
///
/// It is gone when this process is, however that ends: a janitor process waits for the end of a pipe whose other end
/// only this process has, then stops the server and removes the directory.
public final class PostgreSQLCluster: Sendable {
    /// Where the server's programs are; psql is one of them, without the wrapper in Perl that the path has.
    fileprivate static let programs = "/usr/lib/postgresql/15/bin"
    /// Where the cluster and its socket are.
    public let directory: String
    private let janitor: Janitor

    private static let started = Task { try await separate() }

    /// The cluster that all suites of this process share.
    public static func shared() async throws -> PostgreSQLCluster { try await started.value }

    /// Makes and starts a cluster, for a test that stops it or, durable, for a benchmark.
    public static func separate(isDurable: Bool = false) async throws -> PostgreSQLCluster {
        try await blocking {
            let cluster = try PostgreSQLCluster(isDurable: isDurable)
            try cluster.run()
            return cluster
        }
    }

    private let isDurable: Bool

    private init(isDurable: Bool) throws {
        self.isDurable = isDurable
        directory =
            Self.place(isDurable: isDurable) + "/martlet-postgresql-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        janitor = try Janitor(
            of: directory,
            script: """
                if [ -f "$0/data/postmaster.pid" ]; then
                    server=$(head -n 1 "$0/data/postmaster.pid")
                    kill -QUIT "$server"
                    while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
                fi
                rm -rf "$0"
                """)
        if geteuid() == 0 { try ChildProcess.run("chown", ["postgres", directory]) }
        try asServer(
            "\(Self.programs)/initdb",
            [
                "--pgdata", "\(directory)/data", "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
                "--locale", "C.UTF-8", "--no-sync",
            ])
    }

    /// In memory where there is room: to make a database is to write three hundred files, which takes a disk ten times as
    /// long as all that most tests do with it.
    private static func place(isDurable: Bool) -> String {
        let memory = "/dev/shm"
        let free = try? FileManager.default.attributesOfFileSystem(forPath: memory)[.systemFreeSize] as? Int64
        return !isDurable && free ?? 0 >= 8 << 30 ? memory : "/tmp"
    }

    /// Starts the server and waits until it answers.
    public func start() async throws { try await blocking { try self.run() } }

    private func run() throws {
        var options = "-k \(directory) -c listen_addresses='' -c max_connections=600"
        // A hundred databases that live for seconds are not worth their upkeep, whose snapshots and statistics would make
        // what a test sees a matter of chance.
        options +=
            isDurable
            ? " -c shared_buffers=512MB -c max_wal_size=4GB"
            : " -c shared_buffers=64MB -c fsync=off -c autovacuum=off"
        try asServer(
            "\(Self.programs)/pg_ctl",
            [
                "start", "--wait", "--silent", "--pgdata", "\(directory)/data", "--log", "\(directory)/log",
                "--options",
                options,
            ])
    }

    /// Stops the server at once, as a crash would.
    public func kill() async throws {
        try await blocking {
            try self.asServer(
                "\(Self.programs)/pg_ctl",
                ["stop", "--wait", "--silent", "--mode", "immediate", "--pgdata", "\(self.directory)/data"])
        }
    }

    /// Makes an empty database with Martlet's roles and schemas, or a copy of `template`, to which nothing may be
    /// connected.
    public func database(from template: PostgreSQLDatabase? = nil) async throws -> PostgreSQLDatabase {
        let name = "test_\(UInt64.random(in: 0...UInt64.max))"
        _ = try await blocking {
            try ChildProcess.run(
                "\(Self.programs)/createdb",
                ["--host", self.directory, "--username", "postgres", "--template", template?.name ?? "template1", name])
        }
        let database = PostgreSQLDatabase(cluster: self, name: name)
        if template == nil {
            let tree = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            try await database.psql(["--file", tree.appendingPathComponent("deploy/postgresql/roles.sql").path])
        }
        return database
    }

    private func asServer(_ program: String, _ arguments: [String]) throws {
        if geteuid() == 0 {
            try ChildProcess.run(
                "setpriv", ["--reuid", "postgres", "--regid", "postgres", "--init-groups", program] + arguments)
        } else {
            try ChildProcess.run(program, arguments)
        }
    }
}

/// One database of a cluster, empty but for roles and schemas.
public struct PostgreSQLDatabase: Sendable {
    /// Where it is.
    public let cluster: PostgreSQLCluster
    /// Its name.
    public let name: String

    private static let empty = Task { try await new() }

    /// A new database of the shared cluster, with roles and schemas alone, or as `template` is.
    public static func fresh(from template: PostgreSQLDatabase? = nil) async throws -> PostgreSQLDatabase {
        let original = if let template { template } else { try await empty.value }
        return try await original.cluster.database(from: original)
    }

    private static func new() async throws -> PostgreSQLDatabase {
        try await PostgreSQLCluster.shared().database()
    }

    /// How a service connects, as the role of this name. Sixteen tests that begin at once may keep a server busy for longer
    /// than a service would wait for it.
    public func connectionString(role: String = "martlet_storage") -> String {
        "host=\(cluster.directory) dbname=\(name) user=\(role) connect_timeout=60"
    }

    /// Runs psql as the superuser; returns what it prints, unaligned and without headers.
    @discardableResult
    public func psql(_ arguments: [String]) async throws -> String {
        try await blocking {
            try ChildProcess.run(
                "\(PostgreSQLCluster.programs)/psql",
                [
                    "--host", self.cluster.directory, "--username", "postgres", "--dbname", self.name, "--no-psqlrc",
                    "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1",
                ] + arguments
            ).trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    /// Runs SQL as the superuser.
    @discardableResult
    public func query(_ sql: String) async throws -> String { try await psql(["--command", sql]) }
}
