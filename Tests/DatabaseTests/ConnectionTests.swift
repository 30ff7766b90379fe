import Database
import NIOCore
import TestSupport
import Testing

@Suite("A connection")
struct ConnectionTests {
    @Test("prepares a statement once for each session")
    func preparesOnce() async throws {
        let (_, connection) = try await freshConnection()
        let statement = Statement("SELECT $1::bigint + 1")
        for value in 0..<5 {
            #expect(try await connection.run(statement(value)).first?.decode(0, as: Int.self) == value + 1)
        }
        let count = Statement(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::bigint + 1%'")
        #expect(try await connection.run(count()).first?.decode(0, as: Int.self) == 1)
        await connection.close()
        try await connection.connect()
        #expect(try await connection.run(statement(1)).first?.decode(0, as: Int.self) == 2)
    }

    @Test("runs many commands in one round trip, as one transaction")
    func pipelines() async throws {
        let (_, connection) = try await freshConnection()
        try await connection.execute(script: "CREATE TABLE t (n bigint PRIMARY KEY, b bytea)")
        let insert = Statement("INSERT INTO t VALUES ($1, $2)")
        let big = ByteBuffer(repeating: 7, count: 300_000)
        let results = try await connection.run((0..<50).map { insert($0, big) })
        #expect(results.allSatisfy { $0.affected == 1 })
        // The last command breaks the key, so that none of these is there.
        await #expect(throws: DatabaseError.self) {
            try await connection.run([insert(100, big), insert(101, big), insert(1, big)])
        }
        let count = Statement("SELECT count(*) FROM t")
        #expect(try await connection.run(count()).first?.decode(0, as: Int.self) == 50)
    }

    @Test("neither side waits for ever when both have much to say")
    func largeBothWays() async throws {
        let (_, connection) = try await freshConnection()
        let echo = Statement("SELECT $1::bytea")
        let octets = ByteBuffer(repeating: 1, count: 4_000_000)
        let results = try await connection.run((0..<20).map { _ in echo(octets) })
        #expect(try results.allSatisfy { try $0.first?.decode(0, as: ByteBuffer.self) == octets })
    }

    @Test("says by its errors what went wrong and whose fault it is")
    func errors() async throws {
        let (_, connection) = try await freshConnection()
        try await connection.execute(
            script: """
                CREATE TABLE t (n bigint PRIMARY KEY CHECK (n > 0));
                CREATE TABLE u (n bigint NOT NULL REFERENCES t);
                INSERT INTO t VALUES (1);
                """)
        let cases: [(String, DatabaseError.Code, DatabaseError.Fault, String)] = [
            ("INSERT INTO t VALUES (1)", .uniqueViolation, .caller, "23505"),
            ("INSERT INTO t VALUES (-1)", .checkViolation, .caller, "23514"),
            ("INSERT INTO u VALUES (9)", .foreignKeyViolation, .caller, "23503"),
            ("INSERT INTO u VALUES (NULL)", .notNullViolation, .caller, "23502"),
            ("SELECT 1 / 0", .badValue, .caller, "22012"),
            ("SELECT * FROM nowhere", .undefinedObject, .program, "42P01"),
            ("SELEKT", .badStatement, .program, "42601"),
            ("SELECT pg_sleep(60)", .cancelled, .server, "57014"),
        ]
        for (text, code, fault, state) in cases {
            // The limit ends with the transaction, so that it does not meet what follows.
            if code == .cancelled { try await connection.execute(script: "BEGIN; SET LOCAL statement_timeout = 50") }
            let error = await #expect(throws: DatabaseError.self) { try await connection.run(Statement(text)()) }
            #expect(error?.code == code)
            #expect(error?.fault == fault)
            #expect(error?.sqlState == state)
            #expect(error?.statement == text)
        }
        // After every failure the connection is good for the next command.
        try await connection.execute(script: "ROLLBACK")
        #expect(try await connection.run(Statement("SELECT 1::bigint")()).first?.decode(0, as: Int.self) == 1)
    }

    @Test("rolls a transaction back when its body throws, and when a failure in it was overlooked")
    func transactions() async throws {
        let (_, connection) = try await freshConnection()
        try await connection.execute(script: "CREATE TABLE t (n bigint PRIMARY KEY)")
        let insert = Statement("INSERT INTO t VALUES ($1)")
        let count = Statement("SELECT count(*) FROM t")
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await connection.transaction { connection in
                try connection.run(insert(1))
                throw Stop()
            }
        }
        let error = await #expect(throws: DatabaseError.self) {
            try await connection.transaction { connection in
                try connection.run(insert(1))
                _ = try? connection.run(insert(1))
            }
        }
        #expect(error?.code == .transactionAborted)
        await #expect(throws: DatabaseError.self) { try await connection.transaction([insert(2), insert(2)]) }
        #expect(try await connection.run(count()).first?.decode(0, as: Int.self) == 0)
        try await connection.transaction { try $0.run(insert(3)) }
        _ = try await connection.transaction([insert(4)])
        #expect(try await connection.run(count()).first?.decode(0, as: Int.self) == 2)
    }

    @Test("streams rows a portion at a time, and can stop anywhere")
    func streams() async throws {
        let (_, connection) = try await freshConnection()
        let statement = StreamedStatement("SELECT generate_series(1, $1::bigint) AS n", portion: 1000)
        let (sum, portions) = try await connection.transaction(.snapshot) { connection in
            var sum = 0
            var portions = 0
            for try await rows in try connection.stream(statement, 10_500) {
                portions += 1
                for row in rows { sum += try row.decode(0, as: Int.self) }
            }
            return (sum, portions)
        }
        #expect(sum == 10_500 * 10_501 / 2)
        #expect(portions == 11)
        let first = try await connection.transaction { connection in
            let stream = try connection.stream(statement, 1_000_000_000)
            for try await rows in stream { return try rows.first?.decode(0, as: Int.self) }
            return nil
        }
        #expect(first == 1)
        #expect(try await connection.run(Statement("SELECT 1::bigint")()).count == 1)
    }

    @Test("that the server ends says so, and connects anew")
    func reconnects() async throws {
        let (database, connection) = try await freshConnection()
        let process = try #require(await connection.serverProcess)
        try await database.query("SELECT pg_terminate_backend(\(process))")
        let one = Statement("SELECT 1::bigint")
        let error = await #expect(throws: DatabaseError.self) { try await connection.run(one()) }
        #expect(error?.isUnavailable == true)
        #expect(error?.isRetryable == true)
        try await connection.connect()
        #expect(try await connection.run(one()).first?.decode(0, as: Int.self) == 1)
        // Ended while nobody used it: connecting notices.
        let next = try #require(await connection.serverProcess)
        try await database.query("SELECT pg_terminate_backend(\(next), 5000)")
        try await connection.connect()
        #expect(try await connection.run(one()).first?.decode(0, as: Int.self) == 1)
    }

    @Test("to nowhere fails in time")
    func nowhere() async throws {
        let connection = DatabaseConnection(ConnectionConfiguration(connectionString: "host=/nonexistent dbname=x"))
        let error = await #expect(throws: DatabaseError.self) { try await connection.connect() }
        #expect(error?.code == .cannotConnect)
        #expect(error?.description.contains("\n") == false)
    }

    @Test("that waits holds up nobody but itself", .timeLimit(.minutes(1)))
    func threads() async throws {
        let (database, holder) = try await freshConnection()
        let string = database.connectionString(role: "postgres")
        let lock = Statement("SELECT pg_advisory_lock(7)")
        let unlock = Statement("SELECT pg_advisory_unlock(7)")
        let waiting = Statement(
            """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """)
        try await holder.run(lock())
        // More connections wait for the lock than there are threads in the cooperative pool; still this task goes on
        // and lets them through.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    let connection = DatabaseConnection(ConnectionConfiguration(connectionString: string))
                    try await connection.connect()
                    try await connection.run([lock(), unlock()])
                }
            }
            try await eventually("all to wait") {
                try await holder.run(waiting()).first?.decode(0, as: Int.self) == 16
            }
            try await holder.run(unlock())
            try await group.waitForAll()
        }
    }
}
