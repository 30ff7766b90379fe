import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import IMAPAccess

/// COMPRESS on real sockets (RFC 4978). What is said in it, `Dialogues/compress.txt` shows.
@Suite struct CompressionTests {
    @Test("It is offered to who has logged in, until it is active", .timeLimit(.minutes(1)))
    func capability() async throws {
        try await TestServer.run { server in
            let stranger = try await server.connect()
            #expect(try await stranger.ok("CAPABILITY").first?.contains("COMPRESS=DEFLATE") == false)
            await stranger.close()
            let client = try await server.login()
            #expect(try await client.ok("CAPABILITY").first?.contains("COMPRESS=DEFLATE") == true)
            try await client.ok("COMPRESS DEFLATE")
            try await client.compress()
            #expect(try await client.ok("CAPABILITY").first?.contains("COMPRESS=DEFLATE") == false)
            await client.close()
        }
    }

    @Test("After STARTTLS", .timeLimit(.minutes(1)))
    func startTLS() async throws {
        try await TestServer.run { server in
            let client = try await server.connect()
            #expect(try await client.command("STARTTLS").last?.hasPrefix("t OK") == true)
            try await client.startTLS()
            try await client.ok("LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\"")
            try await client.ok("COMPRESS DEFLATE")
            try await client.compress()
            try await client.ok("SELECT INBOX")
            #expect(try await client.command("STARTTLS").last?.hasPrefix("t BAD") == true)
            try await client.ok("NOOP")
            await client.close()
        }
    }

    @Test("What was pipelined behind the command is compressed, what stands before it is not", .timeLimit(.minutes(1)))
    func pipelined() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let stream = try deflated(["c NOOP\r\n", "d SELECT INBOX\r\n"])
            try await client.insert { try ClientInflation(behind: "b OK DEFLATE active\r\n") }
            try await client.send(Array("a NOOP\r\nb COMPRESS DEFLATE\r\n".utf8) + stream)
            #expect(try await client.line().hasPrefix("a OK"))
            #expect(try await client.line().hasPrefix("b OK"))
            #expect(try await client.line().hasPrefix("c OK"))
            #expect(try await client.answer("d").last?.hasPrefix("d OK") == true)
            await client.close()
        }
    }

    @Test("A large message in both directions, in a fraction of its octets", .timeLimit(.minutes(1)))
    func largeMessage() async throws {
        try await TestServer.run { server in
            let client = try await server.select()
            try await client.ok("COMPRESS DEFLATE")
            try await client.compress()
            let body = (1...60_000).map { "line \($0 * 7919 % 60_000) of many\r\n" }.joined()
            let message = "Subject: large\r\n\r\n" + body
            #expect(try await client.append(message).last?.hasPrefix("t OK") == true)
            #expect(server.store.messages().last?.octets == Array(message.utf8))
            let lines = try await client.ok("FETCH 1 BODY.PEEK[TEXT]")
            #expect(lines == ["* 1 FETCH (BODY[TEXT] {\(body.utf8.count)}\r\n\(body))"])
            await client.close()
        }
    }

    @Test("Octets that are no DEFLATE end the session with a word", .timeLimit(.minutes(1)))
    func notDeflate() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            // A block of a kind that there is not.
            try await client.send(Array("a COMPRESS DEFLATE\r\n".utf8) + [0xFF, 0xFF, 0xFF])
            #expect(try await client.line().hasPrefix("a OK"))
            try await client.untilEnd()
            await client.close()
            let other = try await server.login()
            try await other.ok("COMPRESS DEFLATE")
            try await other.insert { try ClientInflation() }
            try await other.send("this is not compressed\r\n")
            #expect(try await other.line() == "* BYE [CLIENTBUG] Not a DEFLATE stream")
            try await other.untilEnd()
            await other.close()
        }
    }

    @Test("A stream that ends leaves nothing to say", .timeLimit(.minutes(1)))
    func streamEnds() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            try await client.ok("COMPRESS DEFLATE")
            try await client.insert { try ClientInflation() }
            try await client.send(try deflated(["a NOOP\r\n"], ending: .end))
            #expect(try await client.line().hasPrefix("a OK"))
            #expect(try await client.line().hasPrefix("* BYE"))
            try await client.untilEnd()
            await client.close()
        }
    }

    @Test("A command is not answered twice, whatever the octets come in", .timeLimit(.minutes(1)))
    func octetByOctet() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            try await client.ok("COMPRESS DEFLATE")
            try await client.insert { try ClientInflation() }
            for octet in try deflated(["a NOOP\r\n", "b CREATE x\r\nc NO", "OP\r\n"]) { try await client.send([octet]) }
            for tag in ["a", "b", "c"] { #expect(try await client.line().hasPrefix(tag + " OK")) }
            #expect(server.store.calls("createMailbox") == 1)
            await client.close()
        }
    }

    @Test("A client that vanishes amid compression leaves nothing behind", .timeLimit(.minutes(1)))
    func vanishing() async throws {
        try await TestServer.run { server in
            server.store.deliver(String(repeating: "line\r\n", count: 200_000))
            for _ in 1...10 {
                let client = try await server.select()
                try await client.ok("COMPRESS DEFLATE")
                try await client.send(try deflated(["a FETCH 1 BODY.PEEK[]\r\n", "b IDLE\r\n"]))
                await client.reset()
            }
            try await eventually("the sessions to be over") { server.listener.sessions.count == 0 }
        }
    }
}

/// What counts as read, under compression as without (`SettlingTests`).
@Suite struct CompressedSettlingTests {
    private func settled(_ body: @escaping @Sendable (IMAPClient) async throws -> Void) async throws -> Int {
        let stores = StoreHolder()
        try await TestServer.run { server in
            await stores.keep(server.store)
            let client = try await server.select()
            try await client.ok("COMPRESS DEFLATE")
            try await client.compress()
            let lines = try await client.append("Subject: x\r\n\r\ntext\r\n")
            #expect(lines.last?.hasPrefix("t OK") == true)
            try await body(client)
            try await eventually("the session to be over") { server.listener.sessions.count == 0 }
        }
        return await stores.store?.state.withLock { $0.settledReceipts.count } ?? 0
    }

    @Test("LOGOUT and an end in order: the client knows", .timeLimit(.minutes(1)))
    func logout() async throws {
        let count = try await settled { client in
            try await client.ok("LOGOUT")
            try await client.untilEnd()
            await client.close()
        }
        #expect(count == 1)
    }

    @Test("close_notify without LOGOUT: the client knows", .timeLimit(.minutes(1)))
    func close() async throws {
        #expect(try await settled { await $0.close() } == 1)
    }

    @Test("A reset: nobody knows; the next command proves nothing", .timeLimit(.minutes(1)))
    func reset() async throws {
        let count = try await settled { client in
            try await client.ok("NOOP")
            await client.reset()
        }
        #expect(count == 0)
    }

    @Test("A literal after a continuation shows that what came before was read", .timeLimit(.minutes(1)))
    func continuation() async throws {
        let count = try await settled { client in
            try await client.send("t APPEND INBOX {4}\r\n")
            #expect(try await client.line().hasPrefix("+ "))
            try await client.send("A: b\r\n")
            _ = try await client.answer()
            await client.reset()
        }
        #expect(count == 1)
    }

    @Test("A literal that was sent with its command shows nothing", .timeLimit(.minutes(1)))
    func continuationNotAwaited() async throws {
        let count = try await settled { client in
            try await client.send("t APPEND INBOX {4}\r\nA: b\r\n")
            #expect(try await client.line().hasPrefix("+ "))
            _ = try await client.answer()
            await client.reset()
        }
        #expect(count == 0)
    }
}

/// The layer alone.
@Suite struct CompressionHandlerTests {
    private func make() throws -> (EmbeddedChannel, CompressionHandler) {
        let layer = CompressionHandler()
        let channel = EmbeddedChannel(handler: layer)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 143)).wait()
        return (channel, layer)
    }

    /// Whether the channel reads, which an embedded one does not say by itself.
    private func reads(_ channel: EmbeddedChannel) -> Bool {
        channel.options.last { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool ?? true
    }

    private func inflate(_ octets: ByteBuffer, with inflater: Inflater) throws -> String {
        var (octets, plain) = (octets, ByteBuffer())
        while try inflater.step(&octets, upTo: 4096, to: &plain) {}
        return String(buffer: plain)
    }

    @Test("One flush of the stream for a flush of the channel; a write completes when its octets are sent")
    func flushes() throws {
        let (channel, layer) = try make()
        layer.begin(try .init(), with: ByteBuffer())
        let first = channel.write(ByteBuffer(string: "* OK one\r\n"))
        let second = channel.write(ByteBuffer(string: "* OK two\r\n"))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        channel.flush()
        let sent = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        let marks = sent.readableBytesView.indices.filter {
            sent.readableBytesView[$0...].starts(with: [0, 0, 0xFF, 0xFF])
        }
        #expect(marks.count == 1 && sent.readableBytesView.suffix(4).elementsEqual([0, 0, 0xFF, 0xFF]))
        let inflater = try Inflater()
        #expect(try inflate(sent, with: inflater) == "* OK one\r\n* OK two\r\n")
        try first.wait()
        try second.wait()
        // Rested, it begins a stream of its own, and its reader does not notice.
        layer.rest()
        channel.write(ByteBuffer(string: "* OK one again\r\n"), promise: nil)
        channel.flush()
        #expect(
            try inflate(try #require(try channel.readOutbound(as: ByteBuffer.self)), with: inflater)
                == "* OK one again\r\n")
        // With nothing written a flush says nothing.
        channel.flush()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        _ = try channel.finish()
    }

    @Test("What was written and not flushed fails with the channel")
    func failing() throws {
        let (channel, layer) = try make()
        layer.begin(try .init(), with: ByteBuffer())
        let write = channel.write(ByteBuffer(string: "* OK\r\n"))
        _ = try channel.finish()
        #expect(throws: (any Error).self) { try write.wait() }
    }

    @Test("A bomb is given out in pieces, and reading stops while it waits")
    func bomb() async throws {
        // 256 MiB of zeros: a quarter of a MiB compressed.
        let octets = try await blocking {
            let deflater = try Deflater(.init(level: 9, windowBits: 15, memoryLevel: 9))
            var octets = ByteBuffer()
            let zeros = ByteBuffer(repeating: 0, count: 1 << 20)
            for _ in 1...256 { try deflater.write(zeros, .none, to: &octets) }
            try deflater.write(ByteBuffer(), .flush, to: &octets)
            return octets
        }
        let (channel, layer) = try make()
        layer.begin(try .init(), with: octets)
        #expect(!reads(channel))
        var total = 0
        while let piece = try layer.next() {
            #expect(piece.readableBytes <= CompressionHandler.pieceOctets)
            total += piece.readableBytes
        }
        #expect(total == 256 << 20)
        #expect(!layer.hasPending)
        #expect(reads(channel))
        _ = try channel.finish()
    }

    @Test("A piece ends at the client's flush, however the octets come", arguments: [1, 2, 3, 5, 1000])
    func pieces(size: Int) throws {
        let (channel, layer) = try make()
        let octets = try deflated(["a NOOP\r\n", "b NOOP\r\n", "c NOOP\r\n"])
        layer.begin(try .init(), with: ByteBuffer())
        var pieces: [String] = []
        for start in stride(from: 0, to: octets.count, by: size) {
            try channel.writeInbound(ByteBuffer(bytes: octets[start..<min(start + size, octets.count)]))
            while let piece = try layer.next() { pieces.append(String(buffer: piece)) }
        }
        #expect(pieces.joined() == "a NOOP\r\nb NOOP\r\nc NOOP\r\n")
        if size == 1000 { #expect(pieces.count == 3) }
        _ = try channel.finish()
    }

    @Test("Random octets are refused or inflated, and nothing else")
    func garbage() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 1...2000 {
            let (channel, layer) = try make()
            let octets = (0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }
            layer.begin(try .init(), with: ByteBuffer(bytes: octets))
            do {
                while let piece = try layer.next() { #expect(piece.readableBytes <= CompressionHandler.pieceOctets) }
            } catch {
                #expect("\(error)" != "noMemory")
            }
            _ = try? channel.finish()
        }
    }
}

/// A client that understands what is compressed, from the start or behind some octets, and sends what the test makes.
private final class ClientInflation: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let inflater: Inflater
    private var clear: [UInt8] = []
    private var marker: [UInt8]

    init(behind marker: String = "") throws {
        inflater = try Inflater()
        self.marker = Array(marker.utf8)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = unwrapInboundIn(data)
        var plain = ByteBuffer()
        while !marker.isEmpty, let octet = octets.readInteger(as: UInt8.self) {
            clear.append(octet)
            plain.writeInteger(octet)
            if clear.suffix(marker.count).elementsEqual(marker) { marker = [] }
        }
        do {
            while try inflater.step(&octets, upTo: 65_536, to: &plain) {}
            context.fireChannelRead(wrapInboundOut(plain))
        } catch {
            context.fireErrorCaught(error)
        }
    }
}
