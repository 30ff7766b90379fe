import Cryptography
import Messaging
import NIOCore
import SMTPSyntax
import TestSupport
import Testing

@testable import SMTPIngress

/// Transactions that go on over another connection (RFC 1845), on real sockets.
@Suite(.timeLimit(.minutes(3))) struct CheckpointTests {
    /// A client that has opened a transaction by that name, up to its recipient.
    static func open(
        _ transid: String, _ ingress: Ingress, kind: ListenerKind = .relay, parameters: String = ""
    ) async throws -> SMTPClient {
        let client = try await ingress.greeted(kind)
        try await client.send(
            "MAIL FROM:<a@b.example> TRANSID=\(transid)\(parameters)\r\nRCPT TO:<bob@example.test>\r\n")
        #expect(try await client.codes(2) == ["250 2.1.0", "250 2.1.5"])
        return client
    }

    /// Sends content of DATA and is lost: FIN behind all octets, so that all of them arrive.
    static func cut(_ client: SMTPClient, behind content: ByteBuffer, _ ingress: Ingress) async throws {
        #expect(try await client.command("DATA").code == 354)
        try await client.send(content)
        await client.close()
        try await eventually("the session to be over") { ingress.registry.count == 0 }
    }

    /// The same MAIL on a new connection.
    static func again(
        _ transid: String, _ ingress: Ingress, kind: ListenerKind = .relay, parameters: String = ""
    ) async throws -> (client: SMTPClient, reply: Reply) {
        let client = try await ingress.greeted(kind)
        let reply = try await client.command("MAIL FROM:<a@b.example> TRANSID=\(transid)\(parameters)")
        return (client, reply)
    }

    static func quit(_ client: SMTPClient) async throws {
        #expect(try await client.command("QUIT").code == 221)
        #expect(await client.endsHere())
        await client.close()
    }

    /// The octets of DATA for a text, with its end.
    static func stuffed(_ text: some Sequence<UInt8>) -> [UInt8] {
        var encoder = DataEncoder()
        var output = ByteBuffer()
        encoder.encode(ByteBuffer(bytes: text), to: &output)
        encoder.finish(&output)
        return Array(output.readableBytesView)
    }

    @Test("Cut at any octet of its content, a message goes on at the beginning of a line and arrives as it was sent")
    func everyOctet() async throws {
        let ingress = try await Ingress.start()
        let text = Array("Subject: x\r\n\r\n.\r\n..\r\n.dot\r\n\r\nlast\r\n".utf8)
        let wire = Self.stuffed(text)
        // The last three octets are the end of the content.
        for count in 0...(wire.count - 1) {
            let transid = "<\(count)@client.example>"
            let client = try await Self.open(transid, ingress)
            try await Self.cut(client, behind: ByteBuffer(bytes: wire[..<count]), ingress)
            let (second, reply) = try await Self.again(transid, ingress)
            let offset = try #require(reply.restartOffset, "\(count)")
            #expect(offset <= count && (offset == 0 || text[(offset - 2)..<offset] == [13, 10]))
            // Not a line more is sent again than must be.
            #expect(offset + 10 > min(count, text.count) - 7)
            #expect(try await second.command("DATA").code == 354)
            try await second.send(ByteBuffer(bytes: Self.stuffed(text[offset...])))
            #expect(try await second.code() == "250 2.0.0")
            let accepted = try #require(ingress.record.accepted.last)
            #expect(Array(accepted.message.readableBytesView) == text, "\(count)")
            #expect(Array(accepted.request.messageDigest) == SHA256.hash(text), "\(count)")
            #expect(accepted.request.recipients.map(\.forwardPath) == ["bob@example.test"])
            #expect(accepted.request.transid == transid)
            try await Self.quit(second)
            try await eventually("the session to be over") { ingress.registry.count == 0 }
        }
        #expect(ingress.record.accepted.count == wire.count)
        // Each has been read for sure.
        #expect(ingress.checkpoints.count == 0)
        await ingress.stop()
    }

    @Test("A message on disk goes on wherever a reset cut it, several times", arguments: [200_000, 1_500_000])
    func spooled(octets: Int) async throws {
        let ingress = try await Ingress.start()
        var text = Array(ReceivingTests.text(octets: octets).utf8)
        // Without the end of a line for longer than is written at once.
        text += [UInt8](repeating: 0x78, count: 400_000) + Array("\r\nend\r\n".utf8)
        var client = try await Self.open("<1@c>", ingress)
        #expect(try await client.command("DATA").code == 354)
        var offset = 0
        for part in [0.3, 0.6, 0.99] {
            try await client.send(ByteBuffer(bytes: text[offset..<Int(Double(text.count) * part)]))
            await client.reset()
            try await eventually("the session to be over") { ingress.registry.count == 0 }
            #expect(ingress.checkpoints.count == 1)
            let (second, reply) = try await Self.again("<1@c>", ingress)
            let reached = try #require(reply.restartOffset)
            #expect(reached >= offset && (reached == 0 || text[(reached - 2)..<reached] == [13, 10]))
            #expect(ingress.checkpoints.count == 0 && ingress.checkpoints.diskOctets == 0)
            #expect(ingress.checkpoints.memoryOctets == 0)
            offset = reached
            client = second
            #expect(try await client.command("DATA").code == 354)
        }
        try await client.send(ByteBuffer(bytes: Array(text[offset...]) + Array(".\r\n".utf8)))
        #expect(try await client.code() == "250 2.0.0")
        let accepted = try #require(ingress.record.accepted.first)
        #expect(accepted.message == ByteBuffer(bytes: text))
        #expect(Array(accepted.request.messageDigest) == SHA256.hash(text))
        await client.close()
        await ingress.stop()
    }

    @Test("Cut within a chunk, it goes on by BDAT or by DATA", arguments: [true, false])
    func chunks(byBDAT: Bool) async throws {
        let ingress = try await Ingress.start()
        let client = try await Self.open("<1@c>", ingress)
        #expect(try await client.command("BDAT 7\r\none\r\ntw").code == 250)
        try await client.send("BDAT 100\r\no\r\n.three\r\nfo")
        await client.close()
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        let (second, reply) = try await Self.again("<1@c>", ingress)
        #expect(reply.restartOffset == 18)
        if byBDAT {
            #expect(try await second.command("BDAT 6 LAST\r\nfour").code == 250)
        } else {
            #expect(try await second.command("DATA").code == 354)
            #expect(try await second.command("four\r\n.").code == 250)
        }
        #expect(ingress.record.accepted.map { String(buffer: $0.message) } == ["one\r\ntwo\r\n.three\r\nfour\r\n"])
        await second.close()
        await ingress.stop()
    }

    @Test("Binary content, which has no lines, goes on at any octet")
    func binary() async throws {
        let ingress = try await Ingress.start()
        let client = try await Self.open("<1@c>", ingress, parameters: " BODY=BINARYMIME")
        try await client.send("BDAT 100\r\na\nb\u{0}c")
        await client.close()
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        let (second, reply) = try await Self.again("<1@c>", ingress, parameters: " BODY=BINARYMIME")
        #expect(reply.restartOffset == 5)
        #expect(try await second.command("DATA").code == 503)
        #expect(try await second.command("BDAT 3 LAST\r\nd").code == 250)
        #expect(ingress.record.accepted.map { String(buffer: $0.message) } == ["a\nb\u{0}cd\r\n"])
        await second.close()
        await ingress.stop()
    }

    @Test("What was refused, not begun, or given up in so many words is not gone on with")
    func nothingToGoOnWith() async throws {
        let ingress = try await Ingress.start()
        let endings = [
            "", "DATA\r\nbare\nnewline\r\n", "BDAT 6\r\na\r\nb\r\nRSET\r\n", "BDAT 3\r\na\r\nQUIT\r\n",
            "BDAT 3\r\na\r\nEHLO client.example\r\n",
        ]
        for (number, ending) in endings.enumerated() {
            let client = try await Self.open("<\(number)@c>", ingress)
            try await client.send(ending)
            // The server may have closed first, after QUIT.
            try? await client.finish()
            try await eventually("the session to be over") { ingress.registry.count == 0 }
            let (second, reply) = try await Self.again("<\(number)@c>", ingress)
            #expect(reply.code == 250, "\(ending)")
            await second.close()
        }
        await ingress.stop()
    }

    @Test("Silence is an end like any other: what came before it is kept")
    func idle() async throws {
        let ingress = try await Ingress.start(timeouts: Timeouts(idle: .seconds(2), linger: .milliseconds(50)))
        let client = try await Self.open("<1@c>", ingress)
        #expect(try await client.command("DATA").code == 354)
        try await client.send("one\r\ntw")
        #expect(try await client.code() == "421 4.4.2")
        await client.close()
        try await eventually("the checkpoint") { ingress.checkpoints.count == 1 }
        let (second, reply) = try await Self.again("<1@c>", ingress)
        #expect(reply.restartOffset == 5)
        await second.close()
        await ingress.stop()
    }

    @Test(
        "A connection that nobody told that its client is lost lets go of the transaction", arguments: [1_000, 900_000])
    func demanded(octets: Int) async throws {
        let ingress = try await Ingress.start([.relay, .submissions])
        let text = ReceivingTests.text(octets: octets)
        let first = try await Self.open("<1@c>", ingress)
        #expect(try await first.command("DATA").code == 354)
        try await first.send(text + "half a li")
        // Whoever says anything else in MAIL disturbs nobody.
        for parameters in [" SIZE=5", " BODY=8BITMIME"] {
            let (other, reply) = try await Self.again("<1@c>", ingress, parameters: parameters)
            #expect(reply.code == 250)
            await other.close()
        }
        #expect(ingress.checkpoints.count == 0)
        let (second, reply) = try await Self.again("<1@c>", ingress)
        let offset = try #require(reply.restartOffset)
        #expect(offset <= text.utf8.count)
        #expect(try await first.code() == "421 4.4.2")
        #expect(await first.endsHere())
        #expect(try await second.command("DATA").code == 354)
        try await second.send(String(decoding: Array(text.utf8)[offset...], as: UTF8.self) + "half a line\r\n.\r\n")
        #expect(try await second.code() == "250 2.0.0")
        #expect(ingress.record.accepted.map { String(buffer: $0.message) } == [text + "half a line\r\n"])
        await first.close()
        await second.close()
        await ingress.stop()
    }

    @Test("Before its content a transaction has nothing to go on with: each connection keeps its own")
    func demandedEarly() async throws {
        let ingress = try await Ingress.start()
        let first = try await Self.open("<1@c>", ingress)
        let second = try await Self.open("<1@c>", ingress)
        for client in [first, second] {
            #expect(try await client.command("BDAT 3 LAST\r\na").code == 250)
            try await Self.quit(client)
        }
        #expect(ingress.record.accepted.count == 2)
        await ingress.stop()
    }

    @Test("One that went on and was cut off before it sent anything goes on once more, until it is given up")
    func twice() async throws {
        let ingress = try await Ingress.start()
        try await Self.cut(Self.open("<1@c>", ingress), behind: ByteBuffer(string: "one\r\n"), ingress)
        for _ in 0..<2 {
            let (client, reply) = try await Self.again("<1@c>", ingress)
            #expect(reply.restartOffset == 5)
            await client.close()
            try await eventually("the session to be over") { ingress.registry.count == 0 }
        }
        let (client, reply) = try await Self.again("<1@c>", ingress)
        #expect(reply.restartOffset == 5)
        #expect(try await client.command("RSET").code == 250)
        #expect(try await client.command("MAIL FROM:<a@b.example> TRANSID=<1@c>").code == 250)
        await client.close()
        await ingress.stop()
    }

    @Test("Recipients stand: one of them is confirmed, any other is for another transaction")
    func recipients() async throws {
        let ingress = try await Ingress.start()
        try await Self.cut(Self.open("<1@c>", ingress), behind: ByteBuffer(string: "one\r\n"), ingress)
        let client = try await ingress.greeted()
        try await client.send(
            "MAIL FROM:<a@b.example> TRANSID=<1@c>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
        )
        #expect(try await client.codes(4) == ["355", "250 2.1.5", "452 4.5.3", "354"])
        #expect(try await client.command("two\r\n.").code == 250)
        let accepted = try #require(ingress.record.accepted.first)
        #expect(accepted.request.recipients.map(\.forwardPath) == ["bob@example.test"])
        #expect(accepted.request.recipients.map { $0.targets.map(\.accountID) } == [[2]])
        #expect(String(buffer: accepted.message) == "one\r\ntwo\r\n")
        await client.close()
        await ingress.stop()
    }

    @Test("Nobody else goes on with it: another name, envelope, listener or identity makes a transaction of its own")
    func others() async throws {
        let ingress = try await Ingress.start([.relay, .submissions, .lmtp])
        try await Self.cut(Self.open("<1@c>", ingress), behind: ByteBuffer(string: "one\r\n"), ingress)
        let greeting = "EHLO client.example"
        let cases = [
            (greeting, "MAIL FROM:<a@b.example> TRANSID=<2@c>"), (greeting, "MAIL FROM:<a@b.example> TRANSID=<1@C>"),
            (greeting, "MAIL FROM:<a@b.example>"), ("EHLO other.example", "MAIL FROM:<a@b.example> TRANSID=<1@c>"),
            (greeting, "MAIL FROM:<> TRANSID=<1@c>"), (greeting, "MAIL FROM:<a@c.example> TRANSID=<1@c>"),
            (greeting, "MAIL FROM:<a@b.example> TRANSID=<1@c> SIZE=10"),
            (greeting, "MAIL FROM:<a@b.example> TRANSID=<1@c> BODY=8BITMIME"),
            (greeting, "MAIL FROM:<a@b.example> TRANSID=<1@c> SMTPUTF8"),
        ]
        for (greeting, line) in cases {
            let client = try await ingress.connect()
            _ = try await client.reply()
            _ = try await client.command(greeting)
            #expect(try await client.command(line).code == 250, "\(greeting) \(line)")
            await client.close()
        }
        let local = try await Self.again("<1@c>", ingress, kind: .lmtp)
        #expect(local.reply.code == 250)
        await local.client.close()
        let user = try await ingress.greeted(.submissions)
        #expect(try await user.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=").code == 235)
        #expect(try await user.command("MAIL FROM:<> TRANSID=<1@c>").code == 250)
        await user.close()
        // It is untouched, and whoever began in the clear may go on under TLS.
        let client = try await ingress.greeted()
        _ = try await client.startTLS()
        _ = try await client.command(greeting)
        let reply = try await client.command("MAIL FROM:<a@b.example> TRANSID=<1@c>")
        #expect(reply.restartOffset == 5)
        // But not the other way round.
        #expect(try await client.command("DATA").code == 354)
        try await client.send("two\r\n")
        try await client.finish()
        try await eventually("the checkpoint") { ingress.checkpoints.count == 1 }
        let clear = try await Self.again("<1@c>", ingress)
        #expect(clear.reply.code == 250)
        await clear.client.close()
        await ingress.stop()
    }

    @Test("A large message whose spool failed is not kept")
    func spoolFailure() async throws {
        let ingress = try await Ingress.start(spoolDirectory: "/proc/nowhere")
        let content = ByteBuffer(string: ReceivingTests.text(octets: 1_000_000))
        try await Self.cut(Self.open("<1@c>", ingress), behind: content, ingress)
        let (client, reply) = try await Self.again("<1@c>", ingress)
        #expect(reply.code == 250)
        await client.close()
        await ingress.stop()
    }

    @Test("What is too old is gone, by the clock")
    func expiry() async throws {
        let clock = TestClock()
        let ingress = try await Ingress.start(clock: { clock.now })
        for (seconds, isKept) in [(Int64(599), true), (600, false)] {
            try await Self.cut(Self.open("<1@c>", ingress), behind: ByteBuffer(string: "one\r\n"), ingress)
            #expect(ingress.checkpoints.count == 1)
            clock.advance(by: .seconds(seconds))
            let (client, reply) = try await Self.again("<1@c>", ingress)
            #expect(reply.restartOffset == (isKept ? 5 : nil))
            #expect(try await client.command("RSET").code == 250)
            await client.close()
            try await eventually("the session to be over") { ingress.registry.count == 0 }
        }
        await ingress.stop()
    }

    @Test("Clients that are cut off again and again make no more than the limit, and each still gets its message in")
    func limit() async throws {
        var limits = Limits()
        limits.checkpoints.countPerAddress = 3
        let ingress = try await Ingress.start(limits: limits)
        for number in 1...5 {
            try await Self.cut(Self.open("<\(number)@c>", ingress), behind: ByteBuffer(string: "one\r\n"), ingress)
        }
        #expect(ingress.checkpoints.count == 3)
        // The youngest first: what is handed over is kept as well, and would drive out another.
        for number in (1...5).reversed() {
            let (client, reply) = try await Self.again("<\(number)@c>", ingress)
            #expect(reply.code == (number <= 2 ? 250 : 355))
            if number <= 2 { #expect(try await client.command("RCPT TO:<bob@example.test>").code == 250) }
            #expect(try await client.command("DATA").code == 354)
            #expect(try await client.command(number <= 2 ? "one\r\ntwo\r\n." : "two\r\n.").code == 250)
            try await Self.quit(client)
        }
        #expect(
            ingress.record.accepted.map { String(buffer: $0.message) } == Array(repeating: "one\r\ntwo\r\n", count: 5))
        await ingress.stop()
    }
}
