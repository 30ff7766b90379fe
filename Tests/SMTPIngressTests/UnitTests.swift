import Contracts
import Messaging
import SMTPSyntax
import Testing
import TransportSecurity

@testable import SMTPIngress

@Suite struct MachineTests {
    @Test("Recipients that arrive together are one question to the directory")
    func batching() {
        var run = MachineRun()
        run.send("EHLO x\r\nMAIL FROM:<>\r\n" + String(repeating: "RCPT TO:<bob@example.test>\r\n", count: 50))
        #expect(run.questions == [50])
        run.send("RCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        #expect(run.questions == [50, 2])
    }

    @Test("A conversation of random commands never traps, and answers every one until it ends")
    func noise() throws {
        var generator = SystemRandomNumberGenerator()
        let lines = [
            "EHLO x", "HELO x", "LHLO x", "MAIL FROM:<a@b>", "MAIL FROM:<>",
            "MAIL FROM:<> TRANSID=<1@c>", "RCPT TO:<bob@example.test>",
            "RCPT TO:<nobody@example.test>", "RCPT TO:<away@example.test>", "DATA", ".", "text", "BDAT 4",
            "BDAT 0 LAST",
            "RSET", "NOOP", "STARTTLS", "AUTH PLAIN", "AUTH LOGIN", "*", "bob", "QUIT x", "VRFY x", "a\nb", "\r",
        ]
        let recipients = [Transaction.Recipient(forwardPath: "bob@example.test", targets: [Target()])]
        var whole = Transaction(reversePath: .null, parameters: MailParameters())
        whole.recipients = recipients
        let checkpoints: [Checkpoint] = try [
            .content(InterruptedTransaction(id: .next(), recipients: recipients, content: .empty)),
            .handedOver(
                HandedOverTransaction(
                    whole, octets: 5,
                    key: CheckpointKey(
                        greeting: "x", transid: #require(TransID("<1@c>")), address: "", accountID: nil,
                        listener: .relay), connection: .next())),
        ]
        for _ in 0..<300 {
            var run = MachineRun(kind: ListenerKind.allCases.randomElement(using: &generator) ?? .relay)
            for _ in 0..<60 {
                run.checkpoint = checkpoints.randomElement(using: &generator)
                run.send((lines.randomElement(using: &generator) ?? "") + "\r\n")
                if case .handshaking = run.machine.phase {
                    run.machine.tlsEstablished(MachineRun.someTLS)
                    run.run()
                }
            }
        }
    }

    @Test("The word behind \"with\" follows RFC 3848 and RFC 6531")
    func protocolNames() {
        var run = MachineRun()
        run.send("HELO x\r\n")
        #expect(run.machine.protocolName(isInternational: false) == "SMTP")
        run.send("EHLO x\r\n")
        #expect(run.machine.protocolName(isInternational: false) == "ESMTP")
        #expect(run.machine.protocolName(isInternational: true) == "UTF8SMTP")
        run.machine.tls = MachineRun.someTLS
        #expect(run.machine.protocolName(isInternational: false) == "ESMTPS")
        run.machine.identity = Identity()
        #expect(run.machine.protocolName(isInternational: false) == "ESMTPSA")
        #expect(run.machine.protocolName(isInternational: true) == "UTF8SMTPSA")
        var lmtp = MachineRun(kind: .lmtp)
        lmtp.send("LHLO x\r\n")
        lmtp.machine.tls = MachineRun.someTLS
        #expect(lmtp.machine.protocolName(isInternational: false) == "LMTPS")
        #expect(lmtp.machine.protocolName(isInternational: true) == "UTF8LMTPS")
    }

    @Test("A transaction is known by what its client calls itself, its address, its account and the listener")
    func checkpointKeys() throws {
        let client = ClientEndpoint(address: "192.0.2.1", port: 4_242)
        func key(_ run: MachineRun, at client: ClientEndpoint) throws -> CheckpointKey {
            var parameters = MailParameters()
            parameters.transid = TransID("<1@c>")
            let transaction = Transaction(reversePath: .null, parameters: parameters)
            return try #require(run.machine.checkpointKey(of: transaction, client: client))
        }
        var run = MachineRun(kind: .submissions, tls: MachineRun.someTLS)
        run.send("EHLO client.example\r\n")
        let plain = try key(run, at: client)
        #expect(try key(run, at: ClientEndpoint(address: "192.0.2.1", port: 99)) == plain)
        #expect(try key(run, at: ClientEndpoint(address: "192.0.2.2", port: 4_242)) != plain)
        var other = run
        other.machine.identity = Identity.with { $0.accountID = 1 }
        let alice = try key(other, at: client)
        other.machine.identity = Identity.with { $0.accountID = 2 }
        #expect(try alice != plain && key(other, at: client) != alice && key(other, at: client) != plain)
        other = run
        other.send("EHLO other.example\r\n")
        #expect(try key(other, at: client) != plain)
        var relay = MachineRun(tls: MachineRun.someTLS)
        relay.send("EHLO client.example\r\n")
        #expect(try key(relay, at: client) != plain)
    }

    @Test("Statuses that make no sense are not passed on to the client")
    func statuses() {
        let id = TransactionID.next()
        var odd = TransactionStatus()
        odd.code = 99_999
        #expect(TransactionReplies.common([odd], recipients: 1, id: id).code == 451)
        #expect(TransactionReplies.common([], recipients: 1, id: id).code == 451)
        #expect(TransactionReplies.each([odd], recipients: 2, id: id).map(\.code) == [451, 451])
        var good = TransactionStatus()
        good.code = 250
        #expect(TransactionReplies.common([good], recipients: 1, id: id) == Reply(250, "2.0.0", id.description))
    }

    @Test("The failures of peers have their replies")
    func failures() {
        #expect(PeerRefusal(MessagingError(.unavailable)).failure == .unavailable)
        #expect(PeerRefusal(MessagingError(.deadlineExceeded)).failure == .unavailable)
        #expect(PeerRefusal(MessagingError(.overloaded)).failure == .overloaded)
        #expect(PeerRefusal(MessagingError(.denied)).failure == .misconfigured)
        #expect(PeerRefusal(CancellationError()).failure == .unavailable)
    }
}
