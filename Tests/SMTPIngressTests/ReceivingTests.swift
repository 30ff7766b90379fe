import Contracts
import Cryptography
import Foundation
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import SMTPIngress

/// The service with stubbed peers on real sockets: what it hands over is what was sent.
@Suite(.timeLimit(.minutes(2))) struct ReceivingTests {
    /// Lines of text that come to about so many octets.
    static func text(octets: Int) -> String {
        let line = "All that glisters is not gold; often have you heard that told.\r\n"
        return String(repeating: line, count: max(1, octets / line.utf8.count))
    }

    @Test("A message comes with all that content processing needs to know")
    func message() async throws {
        let ingress = try await Ingress.start()
        let client = try await ingress.connect()
        #expect(try await client.reply().lines == ["mx.example.test ESMTP Martlet"])
        _ = try await client.command("EHLO client.example")
        try await client.send(
            "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<sales@example.test>\r\nDATA\r\n")
        #expect(try await client.codes(4) == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354"])
        let reply = try await client.command("Subject: x\r\n\r\n..\r\n.")
        let accepted = try #require(ingress.record.accepted.first)
        #expect(reply.code == 250 && reply.lines == [accepted.context.transaction.description])
        #expect(accepted.context.idempotencyKey == accepted.context.transaction)
        let request = accepted.request
        #expect(request.door == .relay && request.reversePath == "a@b.example")
        #expect(request.recipients.map(\.forwardPath) == ["bob@example.test", "sales@example.test"])
        #expect(request.recipients[0].targets.map(\.accountID) == [2])
        #expect(request.recipients[1].targets.last?.remoteAddress == "sales@elsewhere.test")
        #expect(request.client.address == "127.0.0.1" && request.client.port != 0)
        #expect(request.client.greeting == "client.example" && request.client.withProtocol == "ESMTP")
        #expect(request.serverName == "mx.example.test")
        let now = Int64(Date.now.timeIntervalSince1970 * 1_000_000)
        #expect(abs(now - request.receivedAt) < 60_000_000)
        #expect(String(buffer: accepted.message) == "Subject: x\r\n\r\n.\r\n")
        #expect(Array(request.messageDigest) == SHA256.hash(Array("Subject: x\r\n\r\n.\r\n".utf8)))
        #expect(ingress.record.questions == [["bob@example.test", "sales@example.test"]], "one question for both")
        #expect(try await client.command("QUIT").code == 221)
        #expect(await client.endsHere())
        await ingress.stop()
    }

    @Test(
        "Messages around and beyond the memory limit come whole, from memory or from the spool",
        arguments: [
            1_024, 65_536, 262_000, 262_144, 262_145, 300_000, 9_000_000,
        ])
    func sizes(octets: Int) async throws {
        let ingress = try await Ingress.start()
        let client = try await ingress.greeted()
        try await client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        var text = Self.text(octets: octets - 100)
        text += String(repeating: "x", count: octets - text.utf8.count - 2) + "\r\n"
        #expect(text.utf8.count == octets)
        try await client.send(text + ".\r\n")
        #expect(try await client.code() == "250 2.0.0")
        let accepted = try #require(ingress.record.accepted.first)
        #expect(accepted.message == ByteBuffer(string: text))
        #expect(accepted.request.messageOctets == Int64(octets))
        #expect(Array(accepted.request.messageDigest) == SHA256.hash(Array(text.utf8)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: ingress.spool.path).isEmpty)
        await client.close()
        await ingress.stop()
    }

    @Test("BDAT in chunks of odd sizes makes the same message")
    func chunks() async throws {
        let ingress = try await Ingress.start()
        let client = try await ingress.greeted()
        let text = Array(Self.text(octets: 700_000).utf8)
        try await client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n")
        _ = try await client.codes(2)
        var rest = text[...]
        var size = 1
        var count = 0
        while !rest.isEmpty {
            let chunk = rest.prefix(size)
            rest = rest.dropFirst(size)
            var octets = ByteBuffer(string: "BDAT \(chunk.count)\(rest.isEmpty ? " LAST" : "")\r\n")
            octets.writeBytes(chunk)
            try await client.send(octets)
            size = size * 3 + 1
            count += 1
        }
        let codes = try await client.codes(count)
        #expect(codes.allSatisfy { $0 == "250 2.0.0" })
        #expect(ingress.record.accepted.first.map { Array($0.message.readableBytesView) } == text)
        await client.close()
        await ingress.stop()
    }

    @Test("What is pipelined behind a message waits for its reply")
    func order() async throws {
        let gate = Gate()
        let ingress = try await Ingress.start(gate: gate)
        let client = try await ingress.greeted()
        try await client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        try await client.send("one\r\n.\r\nNOOP\r\nVRFY x\r\nFROB\r\nQUIT\r\n")
        try await eventually("content processing to have the message") { gate.arrivals > 0 }
        gate.open()
        #expect(try await client.codes(5) == ["250 2.0.0", "250 2.0.0", "252 2.0.0", "500 5.5.1", "221 2.0.0"])
        await ingress.stop()
    }

    @Test("A client that says all it has to say and closes its half reads every reply")
    func halfClosed() async throws {
        let ingress = try await Ingress.start()
        let client = try await ingress.connect()
        try await client.send(
            "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 3 LAST\r\na\r\nMAIL FROM:<>\r\n")
        try await client.finish()
        #expect(try await client.codes(6) == ["220", "250", "250 2.1.0", "250 2.1.5", "250 2.0.0", "250 2.1.0"])
        #expect(await client.endsHere())
        #expect(ingress.record.accepted.count == 1)
        await ingress.stop()
    }

    @Test("LMTP over a Unix socket answers each recipient (RFC 2033, 4.2)")
    func lmtp() async throws {
        let folder = try TemporaryDirectory()
        let ingress = try await Ingress.start([.lmtp], addresses: [.lmtp: "unix:\(folder.path)/lmtp.sock"])
        let client = try await ingress.greeted(.lmtp)
        try await client.send(
            "MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<late-full@example.test>\r\nDATA\r\n")
        _ = try await client.codes(4)
        try await client.send("a\r\n.\r\n")
        #expect(try await client.codes(2) == ["250 2.0.0", "452 4.2.2"])
        #expect(ingress.record.accepted.first?.request.door == .lmtp)
        await client.close()
        await ingress.stop()
    }

    @Test("Many sessions at once keep their messages apart")
    func concurrent() async throws {
        let ingress = try await Ingress.start()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for session in 0..<40 {
                group.addTask {
                    let client = try await ingress.greeted()
                    for message in 0..<5 {
                        try await client.send(
                            "MAIL FROM:<s\(session)@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
                        _ = try await client.codes(3)
                        #expect(try await client.command("\(session) \(message)\r\n.").code == 250)
                    }
                    _ = try await client.command("QUIT")
                }
            }
            try await group.waitForAll()
        }
        #expect(ingress.record.accepted.count == 200)
        for accepted in ingress.record.accepted {
            let session = accepted.request.reversePath.dropFirst().prefix { $0 != "@" }
            #expect(String(buffer: accepted.message).hasPrefix("\(session) "))
        }
        #expect(Set(ingress.record.accepted.map(\.context.transaction)).count == 200)
        await ingress.stop()
    }
}
