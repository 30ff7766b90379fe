import Contracts
import IMAPSyntax
import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// Storage that goes away while messages are read, and comes back: what has begun is finished.
@Suite(.serialized) struct OutageTests {
    private static func limits(messages: Int = 0) -> Limits {
        var limits = Limits()
        // All is read from storage.
        limits.cachedOctets = 0
        limits.previews = 0
        limits.commandMessages = messages
        return limits
    }

    /// Small messages, and some that stream.
    private static func fill(_ store: MemoryStore) {
        for number in 1...11 {
            let isLarge = number == 4 || number == 8
            let text = String(repeating: "line of message \(number)\r\n", count: isLarge ? 15_000 : 3)
            store.deliver("Subject: \(number)\r\n\r\n\(text)")
        }
    }

    @Test(
        "Wherever storage goes away, a FETCH that has begun is answered whole, and one that has not says NO",
        .timeLimit(.minutes(3)),
        arguments: [
            ("FETCH 1:* (UID BODY.PEEK[])", 0), ("FETCH 1:* (PREVIEW)", 0),
            ("FETCH 1:* (BODY.PEEK[TEXT]<0.40> BODY.PEEK[HEADER])", 0),
            ("FETCH 4:8 (BODY.PEEK[TEXT] BODY.PEEK[])", 0),
            // The last of them go first then (RFC 9738).
            ("FETCH 1:* BODY.PEEK[]", 9),
            ("SEARCH BODY \"message 8\"", 0),
        ])
    func anywhere(_ command: String, _ most: Int) async throws {
        try await TestServer.run(limits: Self.limits(messages: most)) { server in
            Self.fill(server.store)
            let client = try await server.select()
            let whole = try await client.command(command)
            #expect(whole.count >= 2)
            var refusals = 0
            var reads = 0
            while true {
                server.store.state.withLock { ($0.readsBeforeOutage, $0.readsThatFail) = (reads, 2) }
                let lines = try await client.command(command)
                let hasFailed = server.store.state.withLock { $0.readsThatFail < 2 }
                if lines.count == 1 {
                    #expect(lines[0].hasPrefix("t NO [UNAVAILABLE]"), "after \(reads) reads")
                    refusals += 1
                } else {
                    #expect(lines == whole, "after \(reads) reads")
                }
                if !hasFailed { break }
                reads += 1
            }
            // Only where nothing was given yet: the call itself, and pages that were lost with it. What needs pages alone may
            // find all of them read ahead.
            let needsPagesAlone = command.hasPrefix("SEARCH") || command.contains("PREVIEW")
            let least = needsPagesAlone ? refusals : refusals + 1
            #expect((1...5).contains(refusals) && reads >= least, "\(reads) reads, \(refusals) refusals")
            await client.close()
        }
    }

    @Test("Storage that stays away is not waited for without end", .timeLimit(.minutes(1)))
    func away() async throws {
        var limits = Self.limits()
        limits.peerTimeout = .seconds(2)
        try await TestServer.run(limits: limits) { server in
            Self.fill(server.store)
            let client = try await server.select()
            server.store.state.withLock { $0.faults["fetchOctets"] = MessagingError(.unavailable) }
            // All pages come, and not what of the fourth message is read by itself.
            let lines = try await client.command("FETCH 1:* BODY.PEEK[]")
            #expect(lines.count == 4)
            #expect(lines.last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            server.store.state.withLock { $0.faults = [:] }
            #expect(try await client.ok("FETCH 1:* BODY.PEEK[]").count == 11)
            await client.close()
        }
    }
}
