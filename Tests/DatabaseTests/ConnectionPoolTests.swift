import Database
import Synchronization
import TestSupport
import Testing

/// A value that tasks share.
private final class Locked<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func withLock<Result: Sendable>(_ body: @Sendable (inout Value) -> Result) -> Result {
        value.withLock { value in body(&value) }
    }
}

@Suite("A pool")
struct ConnectionPoolTests {
    private let one = Statement("SELECT 1::bigint")

    private func pool(_ database: PostgreSQLDatabase, size: Int, waiting: Int = 1024) -> ConnectionPool {
        ConnectionPool(
            ConnectionConfiguration(connectionString: database.connectionString(role: "postgres")), size: size,
            waitingLimit: waiting)
    }

    @Test("never lends one connection twice, and serves all")
    func lends() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let pool = pool(database, size: 3)
        let inUse = Locked<[ObjectIdentifier: Int]>([:])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await pool.withConnection(deadline: .now + .seconds(30)) { connection in
                        let count = inUse.withLock { users in
                            users[ObjectIdentifier(connection), default: 0] += 1
                            return users[ObjectIdentifier(connection)]
                        }
                        #expect(count == 1)
                        try await connection.run(Statement("SELECT pg_sleep(0.002)")())
                        inUse.withLock { $0[ObjectIdentifier(connection), default: 0] -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(inUse.withLock { $0.count } == 3)
        await pool.close()
    }

    @Test("lets nobody wait beyond a deadline, nor more than its limit")
    func bounds() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let pool = pool(database, size: 1, waiting: 1)
        let (taken, hasTaken) = AsyncStream<Void>.makeStream()
        let (release, releases) = AsyncStream<Void>.makeStream()
        let holder = Task {
            // Also when there is no connection.
            defer { hasTaken.finish() }
            try await pool.withConnection(deadline: .now + .seconds(60)) { _ in
                hasTaken.finish()
                for await _ in release {}
            }
        }
        for await _ in taken {}
        let late = await #expect(throws: DatabaseError.self) {
            try await pool.run(one(), deadline: .now + .milliseconds(30))
        }
        #expect(late?.code == .poolExhausted)
        // One may wait; the other two are refused at once, long before the deadline.
        try await withThrowingTaskGroup(of: DatabaseError.Code?.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    do {
                        try await pool.run(self.one(), deadline: .now + .seconds(60))
                        return nil
                    } catch let error as DatabaseError {
                        return error.code
                    }
                }
            }
            for _ in 0..<2 {
                let code = try await group.next()
                #expect(code == .poolExhausted)
            }
            releases.finish()
            let last = try await group.next()
            #expect(last == .some(nil))
        }
        try await holder.value
        #expect(try await pool.run(one(), deadline: .now + .seconds(5)).count == 1)
    }

    @Test("forgets a waiter that was cancelled")
    func cancellation() async throws {
        let database = try await PostgreSQLDatabase.fresh()
        let pool = pool(database, size: 1)
        let (release, releases) = AsyncStream<Void>.makeStream()
        let (taken, hasTaken) = AsyncStream<Void>.makeStream()
        let holder = Task {
            // Also when there is no connection.
            defer { hasTaken.finish() }
            try await pool.withConnection(deadline: .now + .seconds(60)) { _ in
                hasTaken.finish()
                for await _ in release {}
            }
        }
        for await _ in taken {}
        let waiter = Task { try await pool.run(one(), deadline: .now + .seconds(60)) }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        releases.finish()
        try await holder.value
        #expect(try await pool.run(one(), deadline: .now + .seconds(5)).count == 1)
    }

    @Test("fails soon while the server is away, says so once, and is well again when it is back")
    func recovers() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        let database = try await cluster.database()
        let changes = Locked<[Bool]>([])
        let pool = ConnectionPool(
            ConnectionConfiguration(connectionString: database.connectionString()), size: 2
        ) { availability in
            switch availability {
            case .available: changes.withLock { $0.append(true) }
            case .unavailable: changes.withLock { $0.append(false) }
            }
        }
        let upkeep = Task { await pool.keepAvailable() }
        try await pool.run(one(), deadline: .now + .seconds(60))
        try await cluster.kill()
        let started = ContinuousClock.now
        for _ in 0..<5 {
            let error = await #expect(throws: DatabaseError.self) {
                try await pool.run(one(), deadline: .now + .seconds(60))
            }
            #expect(error?.isUnavailable == true)
        }
        // None of them waited for its deadline, nor for the minute that this connection string gives to connect.
        #expect(ContinuousClock.now - started < .seconds(30))
        try await cluster.start()
        try await eventually("an answer") { (try? await pool.run(one(), deadline: .now + .seconds(60))) != nil }
        #expect(changes.withLock { $0 } == [true, false, true])
        upkeep.cancel()
        await upkeep.value
        await pool.close()
    }
}
