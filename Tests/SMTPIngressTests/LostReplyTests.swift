import Messaging
import NIOCore
import SMTPSyntax
import TestSupport
import Testing

@testable import SMTPIngress

/// Transactions that their client named and whose reply was lost (RFC 1845): the reply is given again, and nothing is
/// handed over twice.
@Suite(.timeLimit(.minutes(2))) struct LostReplyTests {
    private func again(_ ingress: Ingress) async throws -> (client: SMTPClient, reply: Reply) {
        try await CheckpointTests.again("<1@c>", ingress)
    }

    /// A message whose reply the client has in its kernel's buffer, but has not read when it resets.
    private func loseReply(
        _ content: String, _ ingress: Ingress, kind: ListenerKind = .relay, recipients: [String] = []
    )
        async throws -> [Reply]
    {
        let client = try await CheckpointTests.open("<1@c>", ingress, kind: kind)
        for recipient in recipients { _ = try await client.command("RCPT TO:<\(recipient)>") }
        #expect(try await client.command("DATA").code == 354)
        try await client.send(content + "\r\n.\r\n")
        var replies: [Reply] = []
        for _ in 0...(kind.isLMTP ? recipients.count : 0) { replies.append(try await client.reply()) }
        await client.reset()
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        return replies
    }

    @Test("The first transaction's reply is given again, after DATA and after BDAT, as often as it is lost")
    func lostReply() async throws {
        let ingress = try await Ingress.start()
        let first = try await loseReply("one\r\n.. two", ingress)
        #expect(ingress.checkpoints.count == 1)
        let octets = "one\r\n. two\r\n".utf8.count
        for (data, end) in [("DATA", "."), ("BDAT 0", "BDAT 0 LAST")] {
            let (client, reply) = try await again(ingress)
            #expect(reply.restartOffset == octets)
            #expect([250, 354].contains(try await client.command(data).code))
            #expect(try await client.command(end) == first[0])
            await client.reset()
            try await eventually("the session to be over") { ingress.registry.count == 0 }
        }
        // It ends when it was read for sure.
        let (client, _) = try await again(ingress)
        #expect(try await client.command("BDAT 0 LAST") == first[0])
        try await CheckpointTests.quit(client)
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        #expect(ingress.checkpoints.count == 0)
        let (last, reply) = try await again(ingress)
        #expect(reply.code == 250)
        await last.close()
        await ingress.stop()
        #expect(ingress.record.accepted.count == 1)
        // Its receipts are those of a connection that proved nothing.
        #expect(ingress.record.settled.isEmpty)
    }

    @Test("A second try while the first still runs waits for it; a drain waits for no more than that")
    func stillRunning() async throws {
        let gate = Gate()
        let ingress = try await Ingress.start(gate: gate)
        let first = try await CheckpointTests.open("<1@c>", ingress)
        #expect(try await first.command("DATA").code == 354)
        try await first.send("one\r\n.\r\n")
        try await eventually("the hand-over") { gate.arrivals == 1 }
        await first.reset()
        var clients: [SMTPClient] = []
        for _ in 0..<3 {
            let (client, reply) = try await again(ingress)
            #expect(reply.restartOffset == 5)
            #expect(try await client.command("DATA").code == 354)
            try await client.send(".\r\n")
            clients.append(client)
        }
        // One does not wait for it.
        await clients[0].reset()
        async let drained: Void = ingress.service.drain()
        gate.open()
        for client in clients.dropFirst() {
            let reply = try await client.reply()
            let id = try #require(ingress.record.accepted.first).context.transaction
            #expect(reply == Reply(250, "2.0.0", id.description))
            #expect(try await client.code() == "421 4.3.2")
            #expect(await client.endsHere())
        }
        await drained
        #expect(ingress.record.accepted.count == 1 && ingress.registry.count == 0)
        await ingress.pair.close()
    }

    @Test("A failure that may pass is not kept: the next try is a transaction of its own")
    func transientFailure() async throws {
        let ingress = try await Ingress.start()
        let replies = try await loseReply("X-Peer: away", ingress)
        #expect(replies.map(\.code) == [451] && ingress.checkpoints.count == 0)
        let (client, reply) = try await again(ingress)
        #expect(reply.code == 250)
        await client.close()
        await ingress.stop()
    }

    @Test("A failure for good is said again")
    func permanentFailure() async throws {
        let ingress = try await Ingress.start()
        let replies = try await loseReply("X-Virus: yes", ingress)
        #expect(replies.map(\.code) == [550])
        let (client, reply) = try await again(ingress)
        #expect(reply.restartOffset == 14)
        #expect(try await client.command("BDAT 0 LAST") == replies[0])
        await client.close()
        await ingress.stop()
        #expect(ingress.record.accepted.count == 1)
    }

    @Test("By LMTP the reply for each recipient is given again; with one that may pass, none is kept")
    func eachRecipient() async throws {
        let ingress = try await Ingress.start([.lmtp])
        let replies = try await loseReply("one", ingress, kind: .lmtp, recipients: ["rejecting@example.test"])
        #expect(replies.map(\.code) == [250, 550])
        let (client, reply) = try await CheckpointTests.again("<1@c>", ingress, kind: .lmtp)
        #expect(reply.restartOffset == 5)
        #expect(try await client.command("DATA").code == 354)
        try await client.send(".\r\n")
        #expect(try await [client.reply(), client.reply()] == replies)
        #expect(ingress.record.accepted.count == 1)
        try await CheckpointTests.quit(client)
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        let mixed = try await loseReply("one", ingress, kind: .lmtp, recipients: ["late-full@example.test"])
        #expect(mixed.map(\.code) == [250, 452] && ingress.checkpoints.count == 0)
        await ingress.stop()
    }

    @Test("Once the client is known to have read the reply nothing is kept: a later 354 answered, an end in order")
    func known() async throws {
        let ingress = try await Ingress.start()
        let client = try await CheckpointTests.open("<1@c>", ingress)
        #expect(try await client.command("DATA").code == 354)
        #expect(try await client.command("one\r\n.").code == 250)
        // The next MAIL may have been pipelined, and proves nothing.
        try await client.send("MAIL FROM:<a@b.example> TRANSID=<2@c>\r\nRCPT TO:<bob@example.test>\r\n")
        #expect(try await client.codes(2) == ["250 2.1.0", "250 2.1.5"])
        #expect(ingress.checkpoints.count == 1)
        #expect(try await client.command("DATA").code == 354)
        #expect(try await client.command("two\r\n.").code == 250)
        #expect(ingress.checkpoints.count == 1)
        try await CheckpointTests.quit(client)
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        #expect(ingress.checkpoints.count == 0)
        await ingress.stop()
        #expect(ingress.record.settled.count == 2)
    }

    @Test("On the connection that brought it the same name is a new transaction: there replies keep their order")
    func sameConnection() async throws {
        let ingress = try await Ingress.start()
        let client = try await ingress.greeted()
        for _ in 0..<2 {
            try await client.send(
                "MAIL FROM:<a@b.example> TRANSID=<1@c>\r\nRCPT TO:<bob@example.test>\r\nBDAT 5 LAST\r\none\r\n")
            #expect(try await client.codes(3) == ["250 2.1.0", "250 2.1.5", "250 2.0.0"])
        }
        #expect(ingress.record.accepted.count == 2 && ingress.checkpoints.count == 1)
        await client.close()
        await ingress.stop()
    }

    @Test(
        "RSET, QUIT and EHLO give the outcome up in so many words", arguments: ["RSET", "QUIT", "EHLO client.example"])
    func givenUp(line: String) async throws {
        let ingress = try await Ingress.start()
        _ = try await loseReply("one", ingress)
        let (client, reply) = try await again(ingress)
        #expect(reply.code == 355 && ingress.checkpoints.count == 1)
        _ = try await client.command(line)
        #expect(ingress.checkpoints.count == 0)
        await client.close()
        await ingress.stop()
    }

    @Test(
        "More content behind the end is 451, whatever is in it, and the next try begins anew",
        arguments: [
            "DATA\r\nmore\r\n.\r\n", "DATA\r\nbare\n\r\n.\r\n", "BDAT 2 LAST\r\n\r\n", "BDAT 3\r\na\n\nBDAT 0 LAST\r\n",
        ])
    func moreContent(content: String) async throws {
        let ingress = try await Ingress.start()
        _ = try await loseReply("one", ingress)
        let (client, _) = try await again(ingress)
        try await client.send(content + "NOOP\r\n")
        var codes: [String] = []
        repeat { codes.append(try await client.code()) } while codes.last != "250 2.0.0"
        #expect(codes.filter { $0 != "354" }.dropLast().allSatisfy { $0 == "451 4.5.0" }, "\(codes)")
        #expect(codes.contains("451 4.5.0"))
        #expect(try await client.command("MAIL FROM:<a@b.example> TRANSID=<1@c>").code == 250)
        await client.close()
        await ingress.stop()
        #expect(ingress.record.accepted.count == 1)
    }
}
