/// One connection to PostgreSQL. Its code runs on a thread of its own, where libpq may block.
///
/// A connection makes no attempt to connect by itself: `connect()` does, and again after the connection was lost.
/// Statements prepare themselves on each new session. Whoever shares one connection between tasks must know that an
/// open transaction is everybody's; a `ConnectionPool` lends each connection to one task at a time.
public actor DatabaseConnection {
    private let thread = ConnectionThread()
    private let configuration: ConnectionConfiguration
    private var session: ServerSession?

    /// A connection that is not yet connected.
    public init(_ configuration: ConnectionConfiguration) {
        self.configuration = configuration
    }

    deinit { thread.stop() }

    /// The connection's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// The same thread for a task that works with this connection most of its time: whatever it waits for, it comes back
    /// here without a change of thread on the way. The connection must outlive the task.
    public nonisolated var taskExecutor: any TaskExecutor { thread }

    /// Connects unless the connection stands; a connection that the server closed meanwhile is made anew.
    public func connect() throws(DatabaseError) {
        if let session, !session.isInTransaction {
            session.noticeClosure()
            if session.isOpen { return }
        }
        session = nil
        session = try ServerSession(configuration)
    }

    /// Closes the connection; an open transaction is rolled back by the server.
    public func close() { session = nil }

    /// Whether the connection stands, as far as is known without asking the server.
    public var isOpen: Bool { session?.isOpen ?? false }

    /// The server's process behind this connection, as in `pg_stat_activity.pid`.
    public var serverProcess: Int32? { session?.processIdentifier }

    /// Runs one command.
    @discardableResult
    public func run(_ command: Command) throws(DatabaseError) -> Rows {
        guard let rows = try run([command]).first else {
            throw DatabaseError(.badResult, "a command without an answer")
        }
        return rows
    }

    /// Runs the commands in one round trip. Outside `transaction` they are one transaction: all take effect or none.
    /// The error is the first command's that failed.
    @discardableResult
    public func run(_ commands: [Command]) throws(DatabaseError) -> [Rows] {
        guard let session, session.isOpen else { throw DatabaseError(.connectionLost, "not connected") }
        do {
            return try session.exchange(commands)
        } catch {
            if !session.isOpen || error.code == .connectionLost { self.session = nil }
            throw error
        }
    }

    /// Runs the commands as one transaction block in one round trip.
    ///
    /// When it throws, nothing took effect, but for one case: after `connectionLost` the commit may have happened.
    @discardableResult
    public func transaction(_ commands: [Command]) throws(DatabaseError) -> [Rows] {
        do {
            return Array(try run([Self.begin()] + commands + [Self.commit()]).dropFirst().dropLast())
        } catch {
            if session?.isInTransaction ?? false { try run(Self.rollback()) }
            throw error
        }
    }

    /// Runs `body` inside a transaction block, which ends with it: committed when it returns, else rolled back.
    /// On the connection's own thread, so that nothing else of this connection comes between but what awaits inside.
    @discardableResult
    public func transaction<Value: Sendable>(
        _ isolation: TransactionIsolation = .readCommitted,
        _ body: @Sendable (isolated DatabaseConnection) async throws -> Value
    ) async throws -> Value {
        try run(isolation.begin())
        let value: Value
        do {
            value = try await body(self)
            let ending = try run(Self.commit())
            guard ending.tag == "COMMIT" else {
                throw DatabaseError(.transactionAborted, "a statement had failed, so that all was rolled back")
            }
        } catch {
            if session?.isInTransaction ?? false { _ = try? run(Self.rollback()) }
            throw error
        }
        return value
    }

    /// Runs SQL text that may hold many statements, for migrations and tests.
    public func execute(script: String) throws(DatabaseError) {
        guard let session, session.isOpen else { throw DatabaseError(.connectionLost, "not connected") }
        do {
            try session.execute(script: script)
        } catch {
            if !session.isOpen || error.code == .connectionLost { self.session = nil }
            throw error
        }
    }

    private static let begin = Statement("BEGIN")
    private static let commit = Statement("COMMIT")
    private static let rollback = Statement("ROLLBACK")
}

/// What a transaction sees of others.
public enum TransactionIsolation: Sendable {
    /// Each statement sees what was committed before it began.
    case readCommitted
    /// Every statement sees what was committed before the first one began; nothing is written.
    case snapshot

    fileprivate var begin: Statement {
        switch self {
        case .readCommitted: Self.plain
        case .snapshot: Self.repeatableRead
        }
    }

    private static let plain = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
    private static let repeatableRead = Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
}
