import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// THREAD over the wire.
@Suite("THREAD")
struct ThreadCommandTests {
    @Test("References before In-Reply-To, and only the first identifier of that", .timeLimit(.minutes(1)))
    func headers() async throws {
        try await TestServer.run { server in
            func deliver(_ fields: String) { server.store.deliver(fields.replacing("\n", with: "\r\n") + "\r\n\r\n") }
            deliver("Message-ID: <a@x>\nDate: 1 Jan 2024 00:00 +0000")
            deliver("Message-ID: <b@x>\nDate: 2 Jan 2024 00:00 +0000")
            deliver("Message-ID: <c@x>\nReferences: <a@x>\nIn-Reply-To: <b@x>\nDate: 3 Jan 2024 00:00 +0000")
            deliver("Message-ID: <d@x>\nReferences: none\nIn-Reply-To: <b@x> <a@x>\nDate: 4 Jan 2024 00:00 +0000")
            deliver("Message-ID: <\"e\"@x>\nIn-Reply-To: yours\nDate: 5 Jan 2024 00:00 +0000")
            deliver("References: <a@x>\n\t<c@x>\n <e@x>\nDate: 6 Jan 2024 00:00 +0000")
            deliver("Message-ID: <f@x>\nReferences: <b@x>\nDate: 7 Jan 2024 00:00 +0000")
            let client = try await server.select()
            // Gone from storage, and nobody has told yet.
            server.store.state.withLock { _ = $0.mailboxes[0].remove([7]) }
            #expect(try await client.ok("UID THREAD REFS UTF-8 ALL").first == "* THREAD (1 3 5 6)(2 4)")
            #expect(try await client.ok("THREAD REFERENCES UTF-8 ALL").first == "* THREAD (1 3 5 6)(2 4)")
            await client.close()
        }
    }

    @Test("Ten thousand messages, read once", .timeLimit(.minutes(5)))
    func many() async throws {
        try await TestServer.run { server in
            let count = 10_000
            for number in 1...count {
                let above = number == 1 ? "" : "References: <\(number - 1)@x>\r\n"
                server.store.deliver("Message-ID: <\(number)@x>\r\n\(above)Subject: Re: chain\r\n\r\n")
            }
            let client = try await server.select()
            let chain = (1...count).map { "\($0)" }.joined(separator: " ")
            #expect(try await client.ok("THREAD REFERENCES UTF-8 ALL") == ["* THREAD (\(chain))"])
            #expect(server.store.calls("fetch") == 2)
            #expect(server.store.calls("fetched messages") == count)
            let flat = (2...count).map { "(\($0))" }.joined()
            #expect(try await client.ok("THREAD ORDEREDSUBJECT UTF-8 ALL") == ["* THREAD (1 \(flat))"])
            await client.close()
        }
    }

    @Test("While storage is away there is no answer, and the session goes on", .timeLimit(.minutes(1)))
    func storageAway() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.select()
            server.store.setFault(MessagingError(.unavailable, "test"))
            for algorithm in ["REFERENCES", "REFS", "ORDEREDSUBJECT"] {
                let lines = try await client.command("THREAD \(algorithm) UTF-8 ALL")
                #expect(lines.last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            }
            server.store.setFault(nil)
            #expect(try await client.ok("THREAD REFS UTF-8 ALL") == ["* THREAD (1)"])
            await client.close()
        }
    }
}
