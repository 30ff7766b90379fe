import NIOCore
import TestSupport
import Testing

@testable import IMAPAccess

/// The end of the service: told to stop, or cancelled.
@Suite(.serialized) struct EndTests {
    @Test("The service stops: idle sessions get BYE, a command in hand is finished", .timeLimit(.minutes(1)))
    func drain() async throws {
        try await TestServer.run { server in
            let idle = try await server.select()
            try await idle.send("i IDLE\r\n")
            #expect(try await idle.line() == "+ idling")
            let waiting = try await server.login()
            let appending = try await server.login()
            try await appending.send("t APPEND INBOX {20}\r\n")
            #expect(try await appending.line().hasPrefix("+ "))
            await server.group.triggerGracefulShutdown()
            #expect(try await idle.line().hasPrefix("* BYE"))
            #expect(try await waiting.line().hasPrefix("* BYE"))
            try await appending.send("Subject: x\r\n\r\nabcd\r\n\r\n")
            #expect(try await appending.answer().last?.hasPrefix("t OK") == true)
            #expect(try await appending.line().hasPrefix("* BYE"))
            for client in [idle, waiting, appending] {
                try await client.untilEnd()
                await client.close()
            }
        }
    }

    @Test("Clients that come while the service stops do not hold it up", .timeLimit(.minutes(1)), arguments: 0..<20)
    func arriving(_ round: Int) async throws {
        let clients = AsyncStream.makeStream(of: Task<Void, Never>.self)
        try await TestServer.run { server in
            for number in 0..<20 {
                let task = Task {
                    let address = number % 2 == 0 ? server.plain : server.secure
                    let client = try? await IMAPClient(address, on: TestServer.eventLoops, tls: number % 2 == 1)
                    // It says nothing, and goes when it is told to.
                    try? await client?.untilEnd()
                    await client?.close()
                }
                clients.continuation.yield(task)
                if number % 7 == round % 7 { try await Task.sleep(for: .microseconds(100 * round)) }
            }
            clients.continuation.finish()
        }
        for await client in clients.stream { await client.value }
    }

    @Test("A service that is cancelled ends at once", .timeLimit(.minutes(1)), arguments: 0..<20)
    func cancelled(_ round: Int) async throws {
        let task = Task {
            try await TestServer.run { server in
                server.store.deliver(Fixtures.plain)
                let client = try await server.select()
                while true { try await client.ok("UID STORE 1 +FLAGS (\\Seen)") }
            }
        }
        try await Task.sleep(for: .milliseconds(2 * round))
        task.cancel()
        guard case .failure = await task.result else { throw TestFailure("it ended by itself") }
    }
}
