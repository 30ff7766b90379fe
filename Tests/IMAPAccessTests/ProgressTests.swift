import Testing

@testable import IMAPAccess

/// A sign of life while a command takes long (RFC 9585).
@Suite struct ProgressTests {
    @Test("A command that takes long says so until it ends", .timeLimit(.minutes(1)))
    func saysSo() async throws {
        var limits = Limits()
        limits.progressInterval = .milliseconds(20)
        try await TestServer.run(limits: limits) { server in
            server.store.deliver(Fixtures.short)
            let client = try await server.select()
            server.store.holdCopies()
            try await client.send("t COPY 1 Sent\r\n")
            for _ in 1...2 {
                #expect(try await client.line() == "* OK [INPROGRESS (\"t\" NIL NIL)] Still at work")
            }
            server.store.releaseCopies()
            let answer = try await client.answer()
            #expect(answer.last?.hasPrefix("t OK [COPYUID") == true)
            #expect(answer.dropLast().allSatisfy { $0.hasPrefix("* OK [INPROGRESS ") })
            let later = try await client.ok("NOOP")
            #expect(later.allSatisfy { !$0.contains("INPROGRESS") }, "it goes on after the command")
            await client.close()
        }
    }
}
