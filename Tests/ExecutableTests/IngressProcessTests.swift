import Contracts
import Messaging
import NIOCore
import SMTPSyntax
import Synchronization
import TestSupport
import Testing

/// The ingress as a process; storage, content processing and authentication are stubs.
@Suite("martlet-smtp-ingress", .timeLimit(.minutes(8)))
struct IngressProcessTests {
    @Test(
        "asks storage who a recipient is and content processing to take the message, and says under which name it did")
    func relay() async throws {
        try await IngressHouse.run { ingress in
            let client = try await ingress.session("relay")
            try await client.send(
                "MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\n"
                    + "RCPT TO:<bob@example.test>\r\nDATA\r\n")
            #expect(try await client.codes(5) == ["250 2.1.0", "250 2.1.5", "550 5.1.1", "250 2.1.5", "354"])
            let reply = try await client.command("Subject: x\r\n\r\n..\r\n.")
            let accepted = try #require(ingress.record.accepted.first)
            #expect(reply.code == 250 && reply.lines == [accepted.context.transaction.description])
            #expect(ingress.record.questions == [["alice@example.test", "nobody@example.test", "bob@example.test"]])
            #expect(accepted.context.caller == PeerIdentity(service: "smtp-ingress"))
            #expect(accepted.context.idempotencyKey == accepted.context.transaction)
            #expect(accepted.request.door == .relay && accepted.request.serverName == "mx.example.test")
            #expect(accepted.request.recipients.map(\.forwardPath) == ["alice@example.test", "bob@example.test"])
            #expect(accepted.request.recipients.flatMap(\.targets).map(\.accountID) == [1, 2])
            #expect(String(buffer: accepted.message) == "Subject: x\r\n\r\n.\r\n")
            #expect(try await client.command("QUIT").code == 221)
            #expect(await client.endsHere())
        }
    }

    @Test("has authentication prove who submits, and tells content processing; both ports speak TLS")
    func submission() async throws {
        try await IngressHouse.run { ingress in
            for listener in ["submission", "submissions"] {
                let client = try await ingress.session(listener)
                #expect(try await client.command("MAIL FROM:<alice@example.test>").code == 530)
                #expect(try await client.command("AUTH PLAIN AHdob2V2ZXIAcGFzc3dvcmQ=").code == 535)
                #expect(try await client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=").code == 235)
                try await client.send("MAIL FROM:<alice@example.test>\r\nRCPT TO:<friend@elsewhere.test>\r\nDATA\r\n")
                #expect(try await client.codes(3) == ["250 2.1.0", "250 2.1.5", "354"])
                #expect(try await client.command("hello\r\n.").code == 250)
                let start = try #require(ingress.record.saslStarts.last)
                #expect(start.overTls && start.service == "smtp" && start.clientAddress == "127.0.0.1")
                let request = try #require(ingress.record.accepted.last?.request)
                #expect(request.door == .submission && request.client.identity.accountID == 1)
                #expect(request.client.withProtocol == "ESMTPSA" && request.client.tlsVersion == "TLSv1.3")
                #expect(request.recipients.first?.targets.first?.remoteAddress == "friend@elsewhere.test")
                await client.close()
            }
            #expect(ingress.record.saslStarts.count == 4)
        }
    }

    @Test("takes the client's address from a trusted proxy, and nothing without its header")
    func proxy() async throws {
        try await IngressHouse.run(adding: ["proxy:", "  trusted: [\"2001:db8::/32\", 127.0.0.1]"]) { ingress in
            let client = try await ingress.session("relay", preface: ProxyHeaders.line(from: "192.0.2.7"))
            _ = try await client.deliver("Subject: x\r\n")
            #expect(ingress.record.accepted.first?.request.client.address == "192.0.2.7")
            await client.close()
            let bare = try await SMTPClient.connect(try ingress.house.port("relay").address)
            try await bare.send("EHLO client.example\r\n")
            #expect(await bare.endsHere())
        }
    }

    @Test("answers each recipient by LMTP as content processing judged it")
    func lmtp() async throws {
        try await IngressHouse.run { ingress in
            let client = try await ingress.session("lmtp")
            try await client.send(
                "MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<rejecting@example.test>\r\nDATA\r\n")
            #expect(try await client.codes(4) == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354"])
            try await client.send("x\r\n.\r\n")
            #expect(try await client.codes(2) == ["250 2.0.0", "550 5.7.1"])
            #expect(ingress.record.accepted.first?.request.door == .lmtp)
            await client.close()
        }
    }

    @Test("killed under load hands over nothing that is cut, keeps its word for each 250, and serves when it is back")
    func killedUnderLoad() async throws {
        try await IngressHouse.run { ingress in
            let load = try await Load<String>.run(clients: 4) {
                try await ingress.session("relay")
            } step: { client, number in
                try await client.deliver(Self.message(number))
            } during: { load in
                for _ in 1...2 {
                    try await load.untilAnswered(60)
                    try await ingress.restart()
                }
                try await load.untilAnswered(60)
            }
            let record = ingress.record.accepted
            let accepted = Dictionary(grouping: record) {
                String(buffer: $0.message.getSlice(at: 0, length: 20) ?? .init())
            }
            for (number, name) in load.answers {
                let found = try #require(accepted[String(Self.message(number).prefix(20))], "message \(number)")
                #expect(found.map(\.context.transaction.description) == [name])
            }
            // What was under way when the process died was whole, or content processing never took it.
            for transaction in record {
                let text = String(buffer: transaction.message)
                let number = try #require(Int(text.dropFirst(10).prefix(10)))
                #expect(text == Self.message(number), "message \(number) was taken with \(text.utf8.count) octets")
            }
            // Clients whose transaction was cut off saw their connection end, or nobody listening; no other answer.
            // A new process that does not reach its peers yet says that.
            #expect(
                !load.failures.isEmpty
                    && load.failures.allSatisfy { ($0 as? UnexpectedReply)?.reply.code ?? 451 == 451 },
                "\(load.failures)")
        }
    }

    @Test(
        "killed while content processing still works: the client sees its connection end, sends again, and has its 250")
    func killedBeforeTheAnswer() async throws {
        let gate = Gate()
        try await IngressHouse.run(gate: gate) { ingress in
            let client = try await ingress.session("relay")
            try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
            _ = try await client.codes(3)
            try await client.send("Subject: again\r\n\r\n.\r\n")
            try await eventually("content processing to have the message") { gate.arrivals == 1 }
            try await ingress.restart()
            #expect(await client.endsHere())
            // The stub's answer finds nobody, and does it no harm.
            gate.open()
            try await ingress.running.untilReady()
            let second = try await ingress.session("relay")
            let name = try await second.deliver("Subject: again\r\n\r\n")
            try await eventually("both transactions at the stub") { ingress.record.accepted.count == 2 }
            #expect(ingress.record.accepted.map(\.context.transaction.description).contains(name))
            await second.close()
        }
    }

    @Test("says 451 4.3.0 while storage is away, and serves within two seconds of its return")
    func storageAway() async throws {
        try await IngressHouse.run { ingress in
            // Each question is a new one.
            let number = Atomic(0)
            func recipientCode() async throws -> String {
                let client = try await ingress.session("relay")
                let address = "someone-\(number.add(1, ordering: .relaxed).newValue)@example.test"
                try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<\(address)>\r\n")
                let codes = try await client.codes(2)
                await client.close()
                return codes[1]
            }
            #expect(try await recipientCode() == "550 5.1.1")
            try await expectPromptReturn(of: ingress.storage) { () async throws in
                #expect(try await recipientCode() == "451 4.3.0")
            } isServed: {
                try await recipientCode() == "550 5.1.1"
            }
        }
    }

    @Test("says 451 4.3.0 while content processing is away, and takes mail within two seconds of its return")
    func contentAway() async throws {
        try await IngressHouse.run { ingress in
            // A session each: one that fails too often is ended.
            func code() async throws -> String {
                let client = try await ingress.session("relay")
                try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
                _ = try await client.codes(3)
                try await client.send("x\r\n.\r\n")
                let code = try await client.code()
                #expect(try await client.command("NOOP").code == 250)
                await client.close()
                return code
            }
            #expect(try await code() == "250 2.0.0")
            try await expectPromptReturn(of: ingress.content) { () async throws in
                #expect(try await code() == "451 4.3.0")
            } isServed: {
                try await code() == "250 2.0.0"
            }
        }
    }

    @Test("says 454 4.7.0 while authentication is away, and logs users in within two seconds of its return")
    func authenticationAway() async throws {
        try await IngressHouse.run { ingress in
            func code() async throws -> Int {
                let client = try await ingress.session("submissions")
                let reply = try await client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=")
                await client.close()
                return Int(reply.code)
            }
            #expect(try await code() == 235)
            try await expectPromptReturn(of: ingress.authentication) { () async throws in
                #expect(try await code() == 454)
            } isServed: {
                try await code() == 235
            }
        }
    }

    @Test("starts before its peers are there, says 451 4.3.0, and needs no restart when they come")
    func startsAlone() async throws {
        try await IngressHouse.run(isAlone: true) { ingress in
            let client = try await ingress.session("relay")
            try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<early@example.test>\r\n")
            #expect(try await client.codes(2) == ["250 2.1.0", "451 4.3.0"])
            try await eventually("what is missing to be logged") {
                ingress.running.errors.contains("storage: no replica can be reached")
            }
            try ingress.startPeers()
            try await ingress.running.untilReady()
            try await client.send("RCPT TO:<bob@example.test>\r\nDATA\r\n")
            #expect(try await client.codes(2) == ["250 2.1.5", "354"])
            #expect(try await client.command("x\r\n.").code == 250)
            await client.close()
        }
    }

    @Test("told to leave finishes the transaction in hand, says 421, and leaves with status 0")
    func drains() async throws {
        let gate = Gate()
        try await IngressHouse.run(gate: gate) { ingress in
            let idle = try await ingress.session("relay")
            let busy = try await ingress.session("relay")
            try await busy.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
            _ = try await busy.codes(3)
            try await busy.send("x\r\n.\r\n")
            try await eventually("content processing to have the message") { gate.arrivals == 1 }
            ingress.running.leave()
            #expect(try await idle.code() == "421 4.3.2")
            gate.open()
            #expect(try await busy.codes(2) == ["250 2.0.0", "421 4.3.2"])
            #expect(try await ingress.running.end() == .exited(0), "\(ingress.running.errors)")
        }
    }

    /// Begins with its number in ten digits; every fifth is too large to travel in one frame.
    private static func message(_ number: Int) -> String {
        let digits = String(String(10_000_000_000 + number).dropFirst())
        let lines = number % 5 == 0 ? 10_000 : 60
        return "X-Number: \(digits)\r\n\r\n"
            + String(repeating: "All that glisters is not gold; often have you heard that told.\r\n", count: lines)
    }
}
