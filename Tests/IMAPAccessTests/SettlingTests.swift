import Contracts
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import IMAPAccess

/// Which answers to APPEND count as read, on real sockets under TLS.
@Suite struct SettlingTests {
    /// Runs `body` with a client that has read the answer to one APPEND; how many are settled when all is over. A session
    /// is over a moment before storage has heard of its settlements: so many are waited for.
    private func settled(
        waitingFor least: Int = 0, limits: Limits = Limits(),
        eventLoops: MultiThreadedEventLoopGroup = TestServer.eventLoops,
        _ body: @escaping @Sendable (IMAPClient) async throws -> Void
    ) async throws -> Int {
        let store = Mutex<MemoryStore?>(nil)
        try await TestServer.run(limits: limits, eventLoops: eventLoops) { server in
            store.withLock { $0 = server.store }
            let client = try await server.select()
            let lines = try await client.append("Subject: x\r\n\r\ntext\r\n")
            #expect(lines.last?.hasPrefix("t OK") == true)
            try await body(client)
            try await eventually("the session to be over") { server.listener.sessions.count == 0 }
            try await eventually("\(least) to be settled") {
                server.store.state.withLock { $0.settledReceipts.count } >= least
            }
        }
        return store.withLock { $0?.state.withLock { $0.settledReceipts.count } } ?? 0
    }

    @Test("LOGOUT and an end in order: the client knows", .timeLimit(.minutes(1)))
    func logout() async throws {
        let count = try await settled(waitingFor: 1) { client in
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            await client.close()
        }
        #expect(count == 1)
    }

    @Test(
        "An end in order while the process stands still for longer than it lingers: the client knows",
        .timeLimit(.minutes(1)))
    func standingStill() async throws {
        var limits = Limits()
        limits.lingerTimeout = .seconds(1)
        let (time, eventLoops) = (limits.lingerTimeout * 2, MultiThreadedEventLoopGroup(numberOfThreads: 1))
        let count = try await settled(waitingFor: 1, limits: limits, eventLoops: eventLoops) { client in
            try await client.stayOpen()
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            try await standStill(eventLoops, for: time) { await client.close() }
        }
        try await eventLoops.shutdownGracefully()
        #expect(count == 1)
    }

    @Test("close_notify without LOGOUT: the client knows", .timeLimit(.minutes(1)))
    func close() async throws {
        #expect(try await settled(waitingFor: 1) { await $0.close() } == 1)
    }

    @Test("A reset: nobody knows", .timeLimit(.minutes(1)))
    func reset() async throws {
        #expect(try await settled { await $0.reset() } == 0)
    }

    @Test("The next command proves nothing, a literal after a continuation does", .timeLimit(.minutes(1)))
    func continuation() async throws {
        let commands = try await settled { client in
            try await client.ok("NOOP")
            await client.reset()
        }
        #expect(commands == 0)
        let literal = try await settled(waitingFor: 1) { client in
            try await client.send("t APPEND INBOX {4}\r\n")
            let line = try await client.line()
            #expect(line.hasPrefix("+ "))
            try await client.send("A: b\r\n")
            _ = try await client.answer()
            await client.reset()
        }
        #expect(literal == 1)
    }

    @Test("DONE after IDLE's continuation shows that what came before was read", .timeLimit(.minutes(1)))
    func idle() async throws {
        let count = try await settled(waitingFor: 1) { client in
            try await client.send("t IDLE\r\n")
            let line = try await client.line()
            #expect(line.hasPrefix("+ "))
            try await client.send("DONE\r\n")
            _ = try await client.answer()
            await client.reset()
        }
        #expect(count == 1)
    }
}
