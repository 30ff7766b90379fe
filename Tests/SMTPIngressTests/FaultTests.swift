import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import SMTPIngress

@Suite(.timeLimit(.minutes(2))) struct FaultTests {
    @Test("A client that vanishes at any octet leaves nothing behind", arguments: [true, false])
    func vanishing(byReset: Bool) async throws {
        let ingress = try await Ingress.start()
        let conversation = Array(
            """
            EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n\
            MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nBDAT 6\r\nchunk BDAT 4 LAST\r\nend\nQUIT\r\n
            """.utf8)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for count in 0...conversation.count {
                group.addTask {
                    let client = try await ingress.connect()
                    try await client.send(ByteBuffer(bytes: conversation[..<count]))
                    if byReset { await client.reset() } else { await client.close() }
                }
                if count % 16 == 15 { try await group.waitForAll() }
            }
        }
        // A transaction is handed over whole or not at all; how many depends on what the network carried in time.
        await ingress.service.drain()
        #expect(ingress.registry.count == 0)
        for accepted in ingress.record.accepted {
            #expect(String(buffer: accepted.message) == "Subject: x\r\n\r\nbody\r\n")
        }
        await ingress.pair.close()
    }

    @Test("A client that vanishes in the middle of a large message frees its spool")
    func vanishingWhileSpooling() async throws {
        let ingress = try await Ingress.start()
        for _ in 0..<5 {
            let client = try await ingress.greeted()
            try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
            _ = try await client.codes(3)
            try await client.send(ReceivingTests.text(octets: 1_500_000))
            await client.reset()
        }
        await ingress.service.drain()
        #expect(ingress.registry.count == 0 && ingress.record.accepted.isEmpty)
        await ingress.pair.close()
    }

    @Test("Peers that are away make 451; when they are back mail flows again at once")
    func peersAwayAndBack() async throws {
        let record = PeerRecord()
        let folder = try TemporaryDirectory()
        let endpoint = ServiceEndpoint.requests(directory: folder.path, service: "server", replica: 0)
        let serverKeys = try CurveKeyPair.generate()
        let clientKeys = try CurveKeyPair.generate()
        let context = try MessagingContext(keys: serverKeys, logger: .quiet)
        let clientContext = try MessagingContext(keys: clientKeys, logger: .quiet)
        func serve() throws -> ServerSocket {
            try ServerSocket(
                context, endpoint: endpoint,
                contracts: [
                    DirectoryServer(RecordingDirectory(record: record)),
                    AcceptanceServer(RecordingAcceptance(record: record)),
                ], peers: [clientKeys.publicKey: PeerIdentity(service: "smtp-ingress")],
                access: ContractAccess(), limits: ServerLimits(), handlers: .concurrent)
        }
        let first = try serve()
        let client = PeerClient(
            clientContext, service: "server", replicas: .endpoints([endpoint]), serverKey: serverKeys.publicKey)
        let ingress = try await Ingress.start(peer: client, timeouts: Timeouts())
        // A session each: one that fails too often is ended.
        func deliver() async throws -> String {
            let session = try await ingress.greeted()
            try await session.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n")
            var code = try await session.codes(2)[1]
            if code == "250 2.1.5" {
                _ = try await session.command("DATA")
                try await session.send("x\r\n.\r\n")
                code = try await session.code()
            }
            await session.close()
            return code
        }
        #expect(try await deliver() == "250 2.0.0")
        await first.close()
        #expect(try await deliver() == "451 4.3.0")
        let second = try serve()
        try await eventually("mail to flow") { try await deliver() == "250 2.0.0" }
        await ingress.service.drain()
        await client.close()
        await second.close()
        await context.shutdown()
        await clientContext.shutdown()
        await ingress.pair.close()
    }

    @Test("A spool that cannot be written makes 452 4.3.1; small messages still come in")
    func spoolFailure() async throws {
        let ingress = try await Ingress.start(spoolDirectory: "/proc/nowhere")
        let client = try await ingress.greeted()
        for (octets, expected) in [(2_000_000, "452 4.3.1"), (1_000, "250 2.0.0")] {
            try await client.send("MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
            _ = try await client.codes(3)
            try await client.send(ReceivingTests.text(octets: octets) + ".\r\n")
            #expect(try await client.code() == expected)
        }
        await client.close()
        await ingress.stop()
    }

    @Test("Shutdown: no new session, 421 for the idle one, the transaction in hand is finished")
    func shutdown() async throws {
        let gate = Gate()
        let ingress = try await Ingress.start(gate: gate)
        let idle = try await ingress.greeted()
        let busy = try await ingress.greeted()
        try await busy.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await busy.codes(3)
        try await busy.send("in hand\r\n.\r\n")
        try await eventually("content processing to have the message") { gate.arrivals > 0 }
        async let drained: Void = ingress.service.drain()
        #expect(try await idle.code() == "421 4.3.2")
        #expect(await idle.endsHere())
        await #expect(throws: (any Error).self) { _ = try await ingress.connect() }
        gate.open()
        #expect(try await busy.codes(2) == ["250 2.0.0", "421 4.3.2"])
        #expect(await busy.endsHere())
        await drained
        #expect(ingress.record.accepted.count == 1 && ingress.registry.count == 0)
        await ingress.pair.close()
    }
}
