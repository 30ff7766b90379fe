import Contracts
import Messaging
import NIOCore
import ServiceRuntime
import TestSupport
import Testing

@testable import IMAPAccess

/// Peers that are away, clients that vanish, readers that are slow.
@Suite(.serialized) struct FaultTests {
    @Test(
        "Storage away or overloaded: NO [UNAVAILABLE], and the session goes on", .timeLimit(.minutes(1)),
        arguments: [MessagingError.Code.unavailable, .overloaded])
    func storageAway(_ code: MessagingError.Code) async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.select()
            server.store.setFault(MessagingError(code, "test"))
            for command in [
                "FETCH 1 BODY.PEEK[TEXT]", "FETCH 1 ENVELOPE", "STORE 1 +FLAGS (\\Seen)", "SEARCH TEXT line",
                "COPY 1 Sent", "MOVE 1 Sent", "EXPUNGE", "LIST \"\" *", "STATUS Sent (MESSAGES)", "CREATE x", "NOOP",
            ] {
                let lines = try await client.command(command)
                #expect(lines.last?.hasPrefix("t NO [UNAVAILABLE]") == true, "\(command): \(lines)")
            }
            #expect(try await client.append("Subject: x\r\n\r\n").last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            // What needs no peer is answered all the same.
            #expect(try await client.ok("FETCH 1 FLAGS") == ["* 1 FETCH (FLAGS ())"])
            server.store.setFault(nil)
            #expect(try await client.ok("FETCH 1 BODY.PEEK[TEXT]<0.5>") == ["* 1 FETCH (BODY[TEXT]<0> {5}\r\nFirst)"])
            try await client.ok("NOOP")
            await client.close()
        }
    }

    @Test(
        "What a client has put into its mailbox is never taken for gone while it cannot be told of it",
        .timeLimit(.minutes(1)),
        arguments: [
            ("UID MOVE 1 Sent", "* OK [COPYUID "), ("UID COPY 1 Sent", "t OK [COPYUID "),
            ("UID COPY 1:7 Sent", "t OK [COPYUID "), ("UID COPY 1:* Sent", "t OK [COPYUID "),
            ("UID STORE 1 +FLAGS (\\Seen)", "* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted))"),
            ("UID FETCH 1 BODY.PEEK[TEXT]", "* 1 FETCH (UID 1 BODY[TEXT] {4}"), ("UID EXPUNGE 1", "* 1 EXPUNGE"),
            ("SEARCH ALL", "* SEARCH 1"), ("SORT (ARRIVAL) UTF-8 ALL", "* SORT 1"),
            ("THREAD REFERENCES UTF-8 ALL", "* THREAD (1)"), ("ESEARCH RETURN (COUNT) ALL", " COUNT 1"),
            ("UIDBATCHES 500", "* UIDBATCHES (TAG \"t\") 1"),
        ])
    func ownMessage(_ command: String, _ result: String) async throws {
        try await TestServer.run { server in
            let client = try await server.select()
            server.store.state.withLock { $0.faults["view"] = MessagingError(.unavailable, "test") }
            let message = "Subject: x\r\n\r\ntext"
            try await client.send("t APPEND INBOX (\\Deleted) {\(message.utf8.count)+}\r\n\(message)\r\n")
            #expect(try await client.answer().last?.hasPrefix("t OK [APPENDUID 1000 1]") == true)
            #expect(try await client.command(command).last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            #expect(server.store.messages().count == 1 && server.store.messages(in: "Sent").isEmpty)
            server.store.state.withLock { $0.faults["view"] = nil }
            let lines = try await client.command(command)
            #expect(lines.contains { $0.contains(result) }, "\(lines)")
            await client.close()
        }
    }

    @Test("A uid that another session's client has learnt is found by this one", .timeLimit(.minutes(1)))
    func learntElsewhere() async throws {
        try await TestServer.run { server in
            let (client, other) = (try await server.select(), try await server.login())
            // Nobody says that something has come.
            server.store.changed.withLock { $0 = nil }
            for uid in 1...3 {
                #expect(try await other.append(Fixtures.plain).last?.hasPrefix("t OK [APPENDUID 1000 \(uid)]") == true)
                let lines = try await client.ok("UID MOVE \(uid) Sent")
                #expect(lines.contains { $0.hasPrefix("* OK [COPYUID ") }, "\(lines)")
            }
            #expect(server.store.messages().isEmpty && server.store.messages(in: "Sent").count == 3)
            await client.close()
            await other.close()
        }
    }

    @Test(
        "Flags that are told on the way to a message are told again when STORE has changed them",
        .timeLimit(.minutes(1)))
    func toldOnTheWay() async throws {
        try await TestServer.run { server in
            for _ in 1...2 { server.store.deliver(Fixtures.plain) }
            let client = try await server.select()
            server.store.changed.withLock { $0 = nil }
            // As another process does it, while nothing is known of it here.
            let request = StoreFlagsRequest.with {
                $0.accountID = MemoryStore.accountID
                $0.mailboxID = server.store.state.withLock { $0.mailboxes[0].described().mailboxID }
                $0.uids = [2, 2]
                $0.operation = .add
                $0.flags = ["\\Flagged"]
            }
            #expect(try await server.store.storeFlags(request, CallContext()).uids == [2])
            let lines = try await client.ok("UID STORE 1,2,99 +FLAGS.SILENT (\\Seen)")
            #expect(
                lines.last { $0.hasPrefix("* 2 FETCH") } == "* 2 FETCH (UID 2 FLAGS (\\Seen \\Flagged))", "\(lines)")
            #expect(try await client.ok("UID STORE 1 -FLAGS.SILENT (\\Seen)").isEmpty)
            await client.close()
        }
    }

    @Test(
        "What was copied, moved or expunged is answered with OK, though storage is away behind it",
        .timeLimit(.minutes(1)),
        arguments: ["COPY 1 INBOX", "MOVE 1 INBOX", "MOVE 1 Sent", "EXPUNGE", "UID EXPUNGE 1"])
    func doneAndAway(_ command: String) async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain, flags: ["\\Deleted"])
            let client = try await server.select()
            // Of which this process cannot know what it makes of the mailbox.
            server.store.changed.withLock { $0 = nil }
            server.store.deliver(Fixtures.plain)
            server.store.state.withLock { $0.faults["view"] = MessagingError(.unavailable, "test") }
            #expect(try await client.command(command).last?.hasPrefix("t OK") == true)
            server.store.state.withLock { $0.faults["view"] = nil }
            let lines = try await client.ok("NOOP")
            #expect(!lines.isEmpty)
            await client.close()
        }
    }

    @Test("Authentication away: NO [UNAVAILABLE], which is no failed login", .timeLimit(.minutes(1)))
    func authenticationAway() async throws {
        try await TestServer.run { server in
            let client = try await server.connect()
            server.sasl.fault.withLock { $0 = MessagingError(.unavailable) }
            for _ in 1...5 {
                let lines = try await client.command("AUTHENTICATE TEST-STEPS")
                #expect(lines.last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            }
            server.sasl.fault.withLock { $0 = nil }
            try await client.send("t AUTHENTICATE TEST-STEPS\r\n")
            #expect(try await client.line() == "+ c2F5IGZyaWVuZA==")
            try await client.send("ZnJpZW5k\r\n")
            #expect(try await client.line() == "+ YW5kIGVudGVy")
            try await client.send("\r\n")
            #expect(try await client.answer().last?.hasPrefix("t OK") == true)
            await client.close()
        }
    }

    @Test("A client that vanishes at any octet leaves nothing behind", .timeLimit(.minutes(3)))
    func vanishing() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 10_000
        try await TestServer.run(limits: limits) { server in
            server.store.deliver(Fixtures.plain)
            let message = "Subject: v\r\n\r\nbody\r\n"
            let session =
                "a AUTHENTICATE TEST-STEPS\r\nZnJpZW5k\r\n\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\n"
                + "d APPEND Sent {\(message.utf8.count)+}\r\n\(message)\r\ne IDLE\r\nDONE\r\nf LOGOUT\r\n"
            let octets = Array(session.utf8)
            for length in stride(from: 0, through: octets.count, by: 1) {
                let client = try await IMAPClient(server.plain, on: TestServer.eventLoops)
                try? await client.send(Array(octets[..<length]))
                if length % 2 == 0 { await client.reset() } else { await client.close() }
            }
            // Only whole messages were stored, and each was one of ours.
            for stored in server.store.messages(in: "Sent") { #expect(stored.octets == Array(message.utf8)) }
            try await server.untilIdle()
            #expect(server.services.mailboxes.counts == (0, 0))
        }
    }

    @Test("A client that vanishes within a large APPEND stores nothing", .timeLimit(.minutes(1)))
    func vanishingUpload() async throws {
        try await TestServer.run { server in
            for part in [0.0, 0.3, 0.9, 1.0] {
                let client = try await server.login()
                let octets = 2_000_000
                try await client.send("t APPEND INBOX {\(octets)+}\r\n")
                let sent = Int(Double(octets) * part)
                try await client.send([UInt8](repeating: 0x61, count: sent))
                await client.reset()
            }
            try await server.untilIdle()
            #expect(server.store.messages().isEmpty)
        }
    }

    @Test("A large APPEND streams through, and is refused when the peer goes away", .timeLimit(.minutes(1)))
    func largeAppend() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let message = "Subject: x\r\n\r\n" + String(repeating: "some line of text\r\n", count: 100_000)
            #expect(try await client.append(message).last?.hasPrefix("t OK [APPENDUID 1000 1]") == true)
            #expect(server.store.messages().first?.octets == Array(message.utf8))
            #expect(try await client.append(message, to: "nothing").last?.hasPrefix("t NO [TRYCREATE]") == true)
            server.store.state.withLock { $0.quota = 1000 }
            #expect(try await client.append(message).last?.hasPrefix("t NO [OVERQUOTA]") == true)
            // What follows the literal decides: an APPEND that is not complete is not stored.
            server.store.state.withLock { $0.quota = .max }
            try await client.send("t APPEND INBOX {\(message.utf8.count)+}\r\n\(message)junk\r\n")
            #expect(try await client.answer().last?.hasPrefix("t BAD") == true)
            #expect(server.store.messages().count == 1)
            try await client.ok("NOOP")
            await client.close()
        }
    }

    @Test("A reader that stops reading costs its own buffer only", .timeLimit(.minutes(1)))
    func slowReader() async throws {
        try await TestServer.run { server in
            let text = "Subject: large\r\n\r\n" + String(repeating: "some line of text\r\n", count: 50_000)
            for _ in 1...30 { server.store.deliver(text) }
            let client = try await server.select()
            try await client.channel.setOption(ChannelOptions.autoRead, value: false).get()
            try await client.send("t FETCH 1:* BODY.PEEK[]\r\n")
            let other = try await server.select()
            // The other session is served while the first is stuck.
            for _ in 1...50 { try await other.ok("FETCH 30 BODY.PEEK[HEADER]") }
            let asked = server.store.calls("fetchOctets")
            #expect(asked < 30, "messages were asked for that the client does not read")
            try await client.channel.setOption(ChannelOptions.autoRead, value: true).get()
            let lines = try await client.answer()
            #expect(lines.count == 31)
            await client.close()
            await other.close()
        }
    }

    @Test("A port that somebody else has stops the start with a line that names it", .timeLimit(.minutes(1)))
    func portTaken() async throws {
        try await TestServer.run { server in
            let port = try #require(server.plain.port)
            let listener = Listener(
                places: [(.network(host: "127.0.0.1", port: port), false)], services: server.services,
                proxies: server.listener.proxies, eventLoops: TestServer.eventLoops)
            await #expect {
                try await listener.run()
            } throws: {
                ($0 as? StartRefusal)?.reason.hasPrefix("cannot listen at 127.0.0.1:\(port): ") == true
            }
        }
    }
}

extension TestServer {
    /// Waits until no session is left.
    func untilIdle() async throws {
        try await eventually("the end of \(listener.sessions.count) sessions") { listener.sessions.count == 0 }
    }

    /// Waits until the peers have done what was asked of them, also by sessions that are over: what nobody waits for any
    /// more is done all the same.
    func untilServed() async throws {
        // It comes behind all that was asked before.
        _ = try await services.store.listMailboxes(ListMailboxesRequest(), CallContext())
        try await eventually("the peers to be done") { pair.server.requestsInFlight == 0 }
    }
}
