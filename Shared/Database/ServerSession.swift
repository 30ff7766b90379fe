import CPostgreSQL
import Glibc

/// One session with PostgreSQL: owns libpq's connection, belongs to the thread of its `DatabaseConnection`.
///
/// The session stays in pipeline mode. Everything is sent without blocking and read as it comes, so that neither side
/// waits with a full buffer for the other; only `poll` blocks, and never beyond a deadline.
final class ServerSession {
    private let owned: OpaquePointer
    private let statementTimeout: Duration
    private var prepared: Set<Int> = []

    /// Connects; blocks the thread until it is done or the time is up.
    init(_ configuration: ConnectionConfiguration) throws(DatabaseError) {
        statementTimeout = configuration.statementTimeout
        owned = try Self.connect(configuration)
        // Notices are for a person at a terminal; whatever a program must know comes as an error.
        PQsetNoticeProcessor(owned, { _, _ in }, nil)
        guard PQsetnonblocking(owned, 1) == 0, PQenterPipelineMode(owned) == 1 else {
            throw lost("the session cannot enter pipeline mode")
        }
        var settings = configuration.settings
        settings["statement_timeout"] = String(configuration.statementTimeout.wholeMilliseconds)
        _ = try exchange(
            settings.sorted { $0.key < $1.key }.map { Self.set($0.key, $0.value) })
    }

    deinit { PQfinish(owned) }

    private static let set = Statement("SELECT set_config($1, $2, false)")

    private static func connect(_ configuration: ConnectionConfiguration) throws(DatabaseError) -> OpaquePointer {
        let pairs = [
            ("dbname", configuration.connectionString), ("fallback_application_name", configuration.applicationName),
            ("client_encoding", "UTF8"),
        ]
        let keywords = pairs.map { strdup($0.0) }
        let values = pairs.map { strdup($0.1) }
        defer { (keywords + values).forEach { free($0) } }
        let started = PQconnectStartParams(
            keywords.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil], 1)
        guard let connection = started else {
            throw DatabaseError(.outOfResources, "no memory for a connection")
        }
        let timeout = askedTimeout(of: connection) ?? configuration.connectTimeout
        let deadline = ContinuousClock.now + timeout
        var failure: DatabaseError?
        var waitsFor = PGRES_POLLING_WRITING
        while PQstatus(connection) != CONNECTION_BAD && waitsFor != PGRES_POLLING_OK {
            let events = waitsFor == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard wait(PQsocket(connection), for: Int16(events), until: deadline) else {
                failure = DatabaseError(.cannotConnect, "no answer within \(timeout)")
                break
            }
            waitsFor = PQconnectPoll(connection)
            if waitsFor == PGRES_POLLING_FAILED { break }
        }
        if failure == nil && PQstatus(connection) != CONNECTION_OK {
            let text = DatabaseError.line(String(cString: PQerrorMessage(connection)))
            // Before the session stands libpq tells no SQLSTATE, only words; these two are worth telling apart.
            let isRefusal = PQconnectionNeedsPassword(connection) == 1 || text.contains("authentication failed")
            failure = DatabaseError(isRefusal ? .authenticationFailed : .cannotConnect, text)
        }
        if let failure {
            PQfinish(connection)
            throw failure
        }
        return connection
    }

    /// The `connect_timeout` of the connection string, which libpq leaves to whoever does not block in it. To wait without
    /// end, which it would mean by 0, is not to be had.
    private static func askedTimeout(of connection: OpaquePointer) -> Duration? {
        let options = PQconninfo(connection)
        defer { PQconninfoFree(options) }
        var next = options
        while let option = next, let keyword = option.pointee.keyword {
            if strcmp(keyword, "connect_timeout") == 0, let value = option.pointee.val {
                return Int64(String(cString: value)).flatMap { $0 > 0 ? .seconds($0) : nil }
            }
            next = option + 1
        }
        return nil
    }

    /// False when the connection is known to be broken.
    var isOpen: Bool { PQstatus(owned) == CONNECTION_OK }

    /// The server's process that serves this session.
    var processIdentifier: Int32 { PQbackendPID(owned) }

    /// Whether a transaction block is open.
    var isInTransaction: Bool {
        switch PQtransactionStatus(owned) {
        case PQTRANS_INTRANS, PQTRANS_INERROR: true
        default: false
        }
    }

    /// Looks, without waiting, whether the server closed the connection while nobody used it.
    func noticeClosure() {
        // First comes the server's farewell, then the end.
        while isOpen && Self.wait(PQsocket(owned), for: Int16(POLLIN), until: .now) {
            if PQconsumeInput(owned) != 1 { return }
        }
    }

    /// Sends the commands at once, ends them with one synchronisation point and reads their results. Outside a
    /// transaction block they are one transaction. The first that fails is thrown; those after it were not run.
    func exchange(_ commands: [Command]) throws(DatabaseError) -> [Rows] {
        var expected: [(command: Int, prepares: Bool)] = []
        expected.reserveCapacity(commands.count + 2)
        var announced: Set<Int> = []
        for (index, command) in commands.enumerated() {
            let statement = command.statement
            let isNew = !prepared.contains(statement.identifier) && announced.insert(statement.identifier).inserted
            let isSent = command.parameters.withLibpqArrays { count, types, values, lengths, formats in
                if isNew, PQsendPrepare(owned, statement.name, statement.text, count, types) != 1 { return false }
                return PQsendQueryPrepared(owned, statement.name, count, values, lengths, formats, 1) == 1
            }
            guard isSent else { throw lost("cannot send", commands[index].statement) }
            if isNew { expected.append((index, true)) }
            expected.append((index, false))
        }
        guard PQpipelineSync(owned) == 1 else { throw lost("cannot send") }
        // The server ends a statement that takes too long; this is for a server that answers no more.
        return try readResults(of: commands, expected, until: .now + statementTimeout + .seconds(5))
    }

    private func readResults(
        of commands: [Command], _ expected: [(command: Int, prepares: Bool)], until deadline: ContinuousClock.Instant
    ) throws(DatabaseError) -> [Rows] {
        var rows: [Rows] = []
        rows.reserveCapacity(commands.count)
        var failure: DatabaseError?
        for (index, prepares) in expected {
            let statement = commands[index].statement
            while let result = try nextResult(statement, until: deadline) {
                switch PQresultStatus(result.owned) {
                case PGRES_COMMAND_OK where prepares:
                    prepared.insert(statement.identifier)
                case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                    rows.append(Rows(handle: result))
                case PGRES_PIPELINE_ABORTED:
                    break
                default:
                    let error = DatabaseError(borrowedResult: result.owned, statement: Self.beginning(of: statement))
                    guard isOpen else { throw error.code == .shuttingDown ? error : lost(error.message, statement) }
                    failure = failure ?? error
                }
            }
        }
        guard let end = try nextResult(nil, until: deadline), PQresultStatus(end.owned) == PGRES_PIPELINE_SYNC else {
            throw lost("the server's answers are out of step")
        }
        if let failure { throw failure }
        guard rows.count == commands.count else { throw lost("an answer is missing") }
        return rows
    }

    /// Runs SQL text of any number of statements, for migrations. It has its own results only as success or failure.
    func execute(script: String) throws(DatabaseError) {
        guard PQexitPipelineMode(owned) == 1, PQsendQuery(owned, script) == 1 else { throw lost("cannot send") }
        var failure: DatabaseError?
        while let result = try nextResult(nil, until: nil) {
            switch PQresultStatus(result.owned) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: break
            default: failure = failure ?? DatabaseError(borrowedResult: result.owned, statement: nil)
            }
        }
        guard isOpen, PQenterPipelineMode(owned) == 1 else { throw failure ?? lost("cannot return to pipeline mode") }
        if let failure { throw failure }
    }

    /// The next result, nil at the end of one command's results.
    private func nextResult(
        _ statement: Statement?, until deadline: ContinuousClock.Instant?
    ) throws(DatabaseError) -> ResultHandle? {
        while true {
            let unsent = PQflush(owned)
            if unsent < 0 { throw lost("cannot send", statement) }
            if PQisBusy(owned) == 0 { break }
            let events = Int16(POLLIN) | (unsent == 1 ? Int16(POLLOUT) : 0)
            guard Self.wait(PQsocket(owned), for: events, until: deadline) else {
                throw lost("no answer in time", statement)
            }
            if PQconsumeInput(owned) != 1 { throw lost("the connection broke", statement) }
        }
        return PQgetResult(owned).map(ResultHandle.init(owning:))
    }

    /// The error of a session that is of no more use.
    private func lost(_ what: String, _ statement: Statement? = nil) -> DatabaseError {
        let cause = DatabaseError.line(String(cString: PQerrorMessage(owned)))
        // libpq keeps the server's farewell in its own message: an administrator's shutdown reads "terminating …".
        return DatabaseError(
            .connectionLost, cause.isEmpty || cause == what ? what : "\(what): \(cause)",
            statement: statement.map(Self.beginning))
    }

    private static func beginning(of statement: Statement) -> String {
        let words = statement.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count > 120 ? words.prefix(120) + " …" : words
    }

    /// Waits until the socket is ready; false when the time is up.
    private static func wait(_ socket: Int32, for events: Int16, until deadline: ContinuousClock.Instant?) -> Bool {
        while true {
            var descriptor = pollfd(fd: socket, events: events, revents: 0)
            let milliseconds =
                deadline.map { Int32(clamping: ContinuousClock.now.duration(to: $0).wholeMilliseconds) } ?? -1
            let count = poll(&descriptor, 1, milliseconds)
            if count > 0 { return true }
            if count == 0 { return false }
            if errno != EINTR { return true }
        }
    }
}
