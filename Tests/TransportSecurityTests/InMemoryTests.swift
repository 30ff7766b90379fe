import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import TransportSecurity

/// Client and server in memory, so that every octet's way between them can be chosen.
private final class Wire {
    let client = EmbeddedChannel()
    let server = EmbeddedChannel()
    let atClient = Observer()
    let atServer = Observer()
    private(set) var toServer = 0

    init(client clientTLS: TLSContext, server serverTLS: TLSContext) throws {
        try client.pipeline.syncOperations.addHandler(
            TLSHandler(client: clientTLS, serverName: "mail.example.test"))
        try client.pipeline.syncOperations.addHandler(atClient)
        try server.pipeline.syncOperations.addHandler(TLSHandler(server: serverTLS))
        try server.pipeline.syncOperations.addHandler(atServer)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 25)
        try server.connect(to: address).wait()
        try client.connect(to: address).wait()
    }

    /// Carries octets until nothing moves, in pieces of the given size, up to so many from the client.
    func run(piece: Int, clientLimit: Int = .max) throws {
        while true {
            var moved = false
            while toServer < clientLimit, let octets = try client.readOutbound(as: ByteBuffer.self) {
                moved = true
                var octets = octets
                while toServer < clientLimit,
                    let slice = octets.readSlice(length: min(piece, octets.readableBytes, clientLimit - toServer)),
                    slice.readableBytes > 0
                {
                    toServer += slice.readableBytes
                    _ = try? server.writeInbound(slice)
                }
            }
            while var octets = try server.readOutbound(as: ByteBuffer.self) {
                moved = true
                while let slice = octets.readSlice(length: min(piece, octets.readableBytes)), slice.readableBytes > 0 {
                    _ = try? client.writeInbound(slice)
                }
            }
            if !moved { return }
        }
    }

    /// Takes down both ends and says what each saw.
    func finish() async -> (client: [Seen], server: [Seen]) {
        client.pipeline.fireChannelInactive()
        server.pipeline.fireChannelInactive()
        _ = try? client.finish(acceptAlreadyClosed: true)
        _ = try? server.finish(acceptAlreadyClosed: true)
        return (await Self.all(atClient.seen), await Self.all(atServer.seen))
    }

    private static func all(_ stream: AsyncStream<Seen>) async -> [Seen] {
        var all: [Seen] = []
        for await seen in stream { all.append(seen) }
        return all
    }
}

/// How often something happened.
private final class Tally: Sendable {
    private let value = Mutex(0)

    var count: Int { value.withLock { $0 } }

    func add() { value.withLock { $0 += 1 } }
}

extension [Seen] {
    fileprivate var text: String {
        map { if case .octets(let text) = $0 { text } else { "" } }.joined()
    }

    fileprivate var handshakes: Int {
        count { if case .handshake = $0 { true } else { false } }
    }
}

@Suite(.timeLimit(.minutes(2)))
struct InMemoryTests {
    @Test(arguments: TLSVersion.allCases, [1, 2, 3, 5, 17, 1000, 1 << 20])
    func piecesOfAnySizeCarryTheSameStream(version: TLSVersion, piece: Int) async throws {
        let certificates = try await TestCertificates()
        let wire = try Wire(
            client: certificates.clientContext(version: version), server: certificates.serverContext())
        let long = String(repeating: "0123456789", count: 5000)
        // Written before the handshake: it waits.
        wire.client.writeAndFlush(ByteBuffer(string: long), promise: nil)
        try wire.run(piece: piece)
        wire.server.writeAndFlush(ByteBuffer(string: "250 OK\r\n"), promise: nil)
        try wire.run(piece: piece)
        wire.client.close(promise: nil)
        try wire.run(piece: piece)
        let (atClient, atServer) = await wire.finish()
        #expect(atServer.text == long)
        #expect(atServer.handshakes == 1)
        #expect(atServer.suffix(2) == [.ended(.closeNotify), .inactive])
        #expect(atClient.text == "250 OK\r\n")
        #expect(atClient.handshakes == 1)
    }

    /// The client vanishes after each possible octet.
    @Test(arguments: TLSVersion.allCases)
    func whoeverVanishesAnywhereIsNoticedOnce(version: TLSVersion) async throws {
        let certificates = try await TestCertificates()
        let clientTLS = try certificates.clientContext(version: version)
        let serverTLS = try certificates.serverContext()
        func conversation(limit: Int) async throws -> (sent: Int, seen: [Seen], written: Bool) {
            let wire = try Wire(client: clientTLS, server: serverTLS)
            wire.client.writeAndFlush(ByteBuffer(string: "MAIL FROM:<>\r\n"), promise: nil)
            let kept = Tally()
            let failed = Tally()
            let reply = wire.server.eventLoop.makePromise(of: Void.self)
            reply.futureResult.whenComplete { if case .success = $0 { kept.add() } else { failed.add() } }
            wire.server.writeAndFlush(ByteBuffer(string: "220 ready\r\n"), promise: reply)
            try wire.run(piece: 7, clientLimit: limit)
            let seen = await wire.finish().server
            // Kept or failed, but never forgotten.
            #expect(kept.count + failed.count == 1)
            return (wire.toServer, seen, kept.count == 1)
        }
        let whole = try await conversation(limit: .max)
        #expect(whole.seen.text == "MAIL FROM:<>\r\n")
        for limit in stride(from: 0, to: whole.sent, by: 3) {
            let (_, seen, written) = try await conversation(limit: limit)
            #expect(seen.last == .inactive)
            #expect(written == (seen.handshakes == 1))
            if seen.handshakes == 1 {
                #expect(seen.count { $0 == .ended(.truncated) } == 1)
            } else {
                #expect(seen == [.failed("handshake interrupted"), .inactive])
            }
        }
    }

    @Test func anyChangedOctetOfARecordEndsTheStreamBeforeItIsDelivered() async throws {
        let certificates = try await TestCertificates()
        let clientTLS = try certificates.clientContext()
        let serverTLS = try certificates.serverContext()
        for position in 0..<40 {
            let wire = try Wire(client: clientTLS, server: serverTLS)
            try wire.run(piece: 1000)
            wire.client.writeAndFlush(ByteBuffer(string: "DELETE INBOX"), promise: nil)
            guard var record = try wire.client.readOutbound(as: ByteBuffer.self) else {
                Issue.record("nothing was sent")
                return
            }
            let index = position % record.readableBytes
            // The length field says that more must come: cut off, not changed content.
            let octet = try #require(record.getInteger(at: index, as: UInt8.self))
            record.setInteger(octet ^ 1, at: index)
            _ = try? wire.server.writeInbound(record)
            let seen = await wire.finish().server
            #expect(seen.text.isEmpty)
            #expect(seen.contains(.ended(.truncated)))
        }
    }

    @Test func largeWritesBecomeFullRecordsAndSmallOnesShareOne() async throws {
        let certificates = try await TestCertificates()
        let wire = try Wire(client: certificates.clientContext(), server: certificates.serverContext())
        try wire.run(piece: 1 << 20)
        func ciphertextOctets() throws -> Int {
            var octets = 0
            while let buffer = try wire.server.readOutbound(as: ByteBuffer.self) { octets += buffer.readableBytes }
            return octets
        }
        let overheadOfARecord = 22
        wire.server.writeAndFlush(ByteBuffer(repeating: 65, count: 10 << 14), promise: nil)
        #expect(try ciphertextOctets() == 10 * ((1 << 14) + overheadOfARecord))

        let kept = Tally()
        for _ in 0..<100 {
            let promise = wire.server.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenSuccess { kept.add() }
            wire.server.write(ByteBuffer(string: "* 1 FETCH\r\n"), promise: promise)
        }
        #expect(try ciphertextOctets() == 0)
        #expect(kept.count == 0)
        wire.server.flush()
        #expect(try ciphertextOctets() == 1100 + overheadOfARecord)
        #expect(kept.count == 100)

        // Mixed sizes keep their order; empty writes keep their promises.
        for count in [1, 0, 40_000, 3, 16_384, 16_383, 2, 0] {
            let promise = wire.server.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenSuccess { kept.add() }
            wire.server.write(ByteBuffer(repeating: UInt8(65 + count % 26), count: count), promise: promise)
        }
        wire.server.flush()
        #expect(kept.count == 108)
        _ = await wire.finish()
    }

    @Test func whoReadsByHandGetsNothingUnasked() async throws {
        let certificates = try await TestCertificates()
        let wire = try Wire(client: certificates.clientContext(), server: certificates.serverContext())
        wire.client.writeAndFlush(ByteBuffer(string: "hello"), promise: nil)
        let options = try #require(wire.server.syncOptions)
        try options.setOption(.autoRead, value: false)
        try wire.run(piece: 1 << 20)
        var seen = wire.atServer.seen.makeAsyncIterator()
        guard case .handshake? = await seen.next() else {
            Issue.record("no handshake")
            return
        }
        wire.server.read()
        #expect(await seen.next() == .octets("hello"))
        _ = await wire.finish()
    }
}
