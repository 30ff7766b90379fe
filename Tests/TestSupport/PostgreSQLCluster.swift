import Foundation
import Synchronization

/// A private PostgreSQL for tests: a cluster of its own in a temporary directory, reached by a unix socket only.
///
/// It is gone when this process is, however that ends: a janitor process waits for the end of a pipe whose other end
/// only this process has, then stops the server and removes the directory.
public final class PostgreSQLCluster: Sendable {
    /// What went wrong, with the program's own words.
    public struct Failure: Error, CustomStringConvertible {
        /// The words.
        public let description: String
    }

    /// Where the server's programs are.
    private static let programs = "/usr/lib/postgresql/15/bin"
    /// Where the cluster and its socket are.
    public let directory: String
    private let janitor: FileHandle

    /// Held while a pipe is made and while a program starts, so that no program inherits the janitor's pipe.
    private static let spawning = Mutex(())
    private static let started = Task { try PostgreSQLCluster() }

    /// The cluster that all suites of this process share.
    public static func shared() async throws -> PostgreSQLCluster { try await started.value }

    private let isDurable: Bool

    /// Makes and starts a cluster, for a test that stops it or, durable, for a benchmark.
    public init(isDurable: Bool = false) throws {
        self.isDurable = isDurable
        directory = "/tmp/martlet-postgresql-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        janitor = try Self.startJanitor(directory)
        if geteuid() == 0 { try Self.run("chown", ["postgres", directory]) }
        try asServer(
            "\(Self.programs)/initdb",
            [
                "--pgdata", "\(directory)/data", "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
                "--locale", "C.UTF-8", "--no-sync",
            ])
        try start()
    }

    /// Starts the server and waits until it answers.
    public func start() throws {
        var options = "-k \(directory) -c listen_addresses='' -c max_connections=300"
        options += isDurable ? " -c shared_buffers=512MB -c max_wal_size=4GB" : " -c shared_buffers=64MB -c fsync=off"
        try asServer(
            "\(Self.programs)/pg_ctl",
            [
                "start", "--wait", "--silent", "--pgdata", "\(directory)/data", "--log", "\(directory)/log",
                "--options",
                options,
            ])
    }

    /// Stops the server at once, as a crash would.
    public func kill() throws {
        try asServer(
            "\(Self.programs)/pg_ctl",
            ["stop", "--wait", "--silent", "--mode", "immediate", "--pgdata", "\(directory)/data"])
    }

    /// Makes an empty database with Martlet's roles and schemas.
    public func database() throws -> PostgreSQLDatabase {
        let name = "test_\(UInt64.random(in: 0...UInt64.max))"
        try Self.run("\(Self.programs)/createdb", ["--host", directory, "--username", "postgres", name])
        let database = PostgreSQLDatabase(cluster: self, name: name)
        let tree = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        try database.psql(["--file", tree.appendingPathComponent("deploy/postgresql/roles.sql").path])
        return database
    }

    private func asServer(_ program: String, _ arguments: [String]) throws {
        if geteuid() == 0 {
            try Self.run(
                "setpriv", ["--reuid", "postgres", "--regid", "postgres", "--init-groups", program] + arguments)
        } else {
            try Self.run(program, arguments)
        }
    }

    private static func startJanitor(_ directory: String) throws -> FileHandle {
        let (input, janitor) = try spawning.withLock { _ in
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw Failure(description: "no pipe: error \(errno)") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return (ends[0], ends[1])
        }
        defer { close(input) }
        let script = """
            trap '' INT TERM HUP
            cat >/dev/null
            if [ -f "$0/data/postmaster.pid" ]; then
                server=$(head -n 1 "$0/data/postmaster.pid")
                kill -QUIT "$server"
                while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
            fi
            rm -rf "$0"
            """
        _ = try spawn("sh", ["-c", script, directory], input: input, output: nil)
        return FileHandle(fileDescriptor: janitor, closeOnDealloc: true)
    }

    /// Runs a program to its end.
    @discardableResult
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        // A file, not a pipe: a server that is started keeps its standard output.
        let file = "/tmp/martlet-output-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(file) }
        let child = try spawn(program, arguments, input: nil, output: file)
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        guard status == 0 else {
            throw Failure(description: "\(program) \(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }

    /// Starts a program with nothing of this process but what is named here: Foundation's `Process` waits for the end
    /// of a socket that its child inherits, and a server that the child leaves behind would keep it open.
    private static func spawn(
        _ program: String, _ arguments: [String], input: Int32?, output: String?
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output ?? "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // The server's user may not enter the folder that the tests run in.
        let words = (["env", "--chdir=/tmp", program] + arguments).map { strdup($0) }
        defer { words.forEach { free($0) } }
        var child: pid_t = 0
        let code = spawning.withLock { _ in posix_spawnp(&child, "env", &actions, nil, words + [nil], environ) }
        guard code == 0 else { throw Failure(description: "\(program) does not start: error \(code)") }
        return child
    }
}

/// One database of a cluster, empty but for roles and schemas.
public struct PostgreSQLDatabase: Sendable {
    /// Where it is.
    public let cluster: PostgreSQLCluster
    /// Its name.
    public let name: String

    /// A new database of the shared cluster.
    public static func fresh() async throws -> PostgreSQLDatabase {
        try await PostgreSQLCluster.shared().database()
    }

    /// How a service connects, as the role of this name.
    public func connectionString(role: String = "martlet_storage") -> String {
        "host=\(cluster.directory) dbname=\(name) user=\(role)"
    }

    /// Runs psql as the superuser; returns what it prints, unaligned and without headers.
    @discardableResult
    public func psql(_ arguments: [String]) throws -> String {
        try PostgreSQLCluster.run(
            "psql",
            [
                "--host", cluster.directory, "--username", "postgres", "--dbname", name, "--no-psqlrc", "--quiet",
                "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1",
            ] + arguments
        ).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs SQL as the superuser.
    @discardableResult
    public func query(_ sql: String) throws -> String { try psql(["--command", sql]) }
}
