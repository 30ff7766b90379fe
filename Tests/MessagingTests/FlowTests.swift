import Atomics
import Messaging
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct FlowTests {
    /// Octets that tell at which 64 KiB they stood; remembers how far it was read.
    struct Pattern: PayloadSource {
        let octetCount: Int
        let furthest = ManagedAtomic(0)

        func read(at offset: Int, upTo limit: Int) async throws -> ByteBuffer {
            let length = min(limit, octetCount - offset)
            guard length > 0 else { return ByteBuffer() }
            furthest.store(max(furthest.load(ordering: .relaxed), offset + length), ordering: .relaxed)
            return ByteBuffer(repeating: UInt8(truncatingIfNeeded: offset >> 16), count: length)
        }
    }

    @Test func anUploadArrivesWhole() async throws {
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onCount: { call in
                    let whole = try await call.payload.collect(upTo: 10_000_000)
                    let isIntact = stride(from: 0, to: whole.readableBytes, by: 997).allSatisfy {
                        whole.getInteger(at: whole.readerIndex + $0) == UInt8(truncatingIfNeeded: $0 >> 16)
                    }
                    return .reply(ByteBuffer(integer: isIntact ? whole.readableBytes : -1))
                })
            ], caller: "client", access: OpenAccess())
        for octets in [0, 1, Payload.inlineLimit, Payload.inlineLimit + 1, 3_000_001] {
            #expect(try await pair.client.count(Payload(source: Pattern(octetCount: octets))) == octets)
        }
        let once = Payload.singlePass(octets: 1_000_000, chunk: 10_007)
        #expect(try await pair.client.count(once) == -1)
        await pair.close()
    }

    @Test func aRequestGoesAheadOfTheFewestOctetsThatAreMadeWhileTheyAreRead() async throws {
        let begun = Gate()
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onCount: { call in
                    begun.open()
                    return .reply(ByteBuffer(integer: try await call.payload.collect(upTo: 10).readableBytes))
                })
            ], caller: "client", access: OpenAccess())
        let octets = Payload(octetCount: 10) {
            await begun.wait()
            return ByteBuffer(repeating: 1, count: 5)
        }
        #expect(try await pair.client.count(octets) == 10)
        await pair.close()
    }

    @Test func anUploadNeverRunsAheadOfItsCredit() async throws {
        let (begun, read) = (Gate(), Gate())
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onCount: { call in
                    begun.open()
                    await read.wait()
                    var count = 0
                    var chunks = call.payload.makeAsyncIterator()
                    while let chunk = try await chunks.next() { count += chunk.readableBytes }
                    return .reply(ByteBuffer(integer: count))
                })
            ], caller: "client", access: OpenAccess())
        let source = Pattern(octetCount: 8_000_000)
        let upload = Task { try await pair.client.count(Payload(source: source)) }
        await begun.wait()
        // Nothing is read before the server asks; the echoes give the client all the time it could need.
        for _ in 0..<50 { _ = try await pair.client.echo("") }
        #expect(source.furthest.load(ordering: .relaxed) == 0)
        read.open()
        #expect(try await upload.value == 8_000_000)
        await pair.close()
    }

    @Test func aSlowUploadReaderHoldsTheWriterWithinTheWindow() async throws {
        let source = Pattern(octetCount: 6_000_000)
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onCount: { call in
                    var count = 0
                    for try await chunk in call.payload {
                        #expect(source.furthest.load(ordering: .relaxed) <= count + 512 * 1024 + Payload.chunkOctets)
                        count += chunk.readableBytes
                        await Task.yield()
                    }
                    return .reply(ByteBuffer(integer: count))
                })
            ], caller: "client", access: OpenAccess(), handlers: .concurrent)
        #expect(try await pair.client.count(Payload(source: source)) == 6_000_000)
        await pair.close()
    }

    @Test func aReplyBeforeTheEndOfAnUploadStopsIt() async throws {
        let source = Pattern(octetCount: 50_000_000)
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onCount: { call in
                    var chunks = call.payload.makeAsyncIterator()
                    let first = try await chunks.next()
                    return .reply(ByteBuffer(integer: first?.readableBytes ?? 0))
                })
            ], caller: "client", access: OpenAccess())
        #expect(try await pair.client.count(Payload(source: source)) == Payload.chunkOctets)
        #expect(source.furthest.load(ordering: .relaxed) <= 1024 * 1024)
        await pair.close()
    }

    @Test func aPayloadThatIsShorterThanItSaysIsRefused() async throws {
        let pair = try MessagingPair.inproc([EchoContract()])
        let short = Payload(octetCount: 1_000_000) { nil }
        #expect(await code { _ = try await pair.client.count(short) } == .malformed)
        let shortAndSmall = Payload(octetCount: 10) { nil }
        #expect(await code { _ = try await pair.client.count(shortAndSmall) } == .malformed)
        #expect(await eventually { pair.server.requestsInFlight == 0 })
        await pair.close()
    }

    @Test func anUploadIsSentAgainWhenItsReplicaDiesAndItCanBeReadAgain() async throws {
        let replicas = try Replicas()
        let (begun, never) = (Recorder<Int>(), Gate())
        let stuck = EchoContract(onCount: { call in
            var chunks = call.payload.makeAsyncIterator()
            begun.record(try await chunks.next()?.readableBytes ?? 0)
            await never.wait()
            throw MessagingError(.failed)
        })
        try replicas.start(0, stuck)
        let client = replicas.client([0, 1])
        let again = Task { try await client.count(Payload(source: Pattern(octetCount: 2_000_000))) }
        let once = Task { await code { _ = try await client.count(.singlePass(octets: 2_000_000, chunk: 50_000)) } }
        #expect(await eventually { begun.values.count == 2 })
        try replicas.start(1, EchoContract())
        await replicas.kill(0)
        #expect(try await again.value == 2_000_000)
        #expect(await once.value == .unavailable)
        never.open()
        await replicas.stop()
    }

    @Test func aStreamArrivesInOrderAndEnds() async throws {
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onStream: { call in
                    for number in 0..<5_000 {
                        try await call.send(ByteBuffer(integer: number), payload: [ByteBuffer(string: "\(number)")])
                    }
                    return .end
                })
            ], caller: "client", access: OpenAccess())
        let stream = try await pair.client.stream()
        var expected = 0
        while let item = try await stream.next() {
            #expect(item.body.getInteger(at: item.body.readerIndex) == expected)
            #expect(item.payload == [ByteBuffer(string: "\(expected)")])
            expected += 1
        }
        #expect(expected == 5_000)
        await pair.close()
    }

    @Test func anEmptyStreamEndsAndAFailedOneThrows() async throws {
        let pair = try MessagingPair.inproc([
            EchoContract(onStream: { call in
                if call.context.idempotencyKey != nil { throw MessagingError(.failed, "before the first item") }
                return .end
            })
        ])
        let empty = try await pair.client.stream()
        #expect(try await empty.next() == nil)
        #expect(await code { _ = try await pair.client.stream(CallContext(idempotencyKey: .next())) } == .failed)
        await pair.close()
    }

    @Test func aStreamThatFailsHalfWayThrowsToItsReader() async throws {
        let pair = try MessagingPair.inproc([
            EchoContract(onStream: { call in
                try await call.send(ByteBuffer(string: "one"))
                throw MessagingError(.overloaded, "half way")
            })
        ])
        let stream = try await pair.client.stream()
        let failure = await code { while try await stream.next() != nil {} }
        #expect(failure == .overloaded)
        await pair.close()
    }

    @Test(arguments: [1_000, 64_000, 900_000, 1_500_000])
    func aStreamNeverRunsAheadOfItsReader(itemOctets: Int) async throws {
        let sent = ManagedAtomic(0)
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onStream: { call in
                    let item = ByteBuffer(repeating: 7, count: itemOctets)
                    for _ in 0..<(20_000_000 / itemOctets) {
                        try await call.send(ByteBuffer(), payload: [item])
                        sent.wrappingIncrement(by: itemOctets, ordering: .relaxed)
                    }
                    return .end
                })
            ], caller: "client", access: OpenAccess())
        let stream = try await pair.client.stream()
        var read = 0
        while let item = try await stream.next() {
            read += item.payload[0].readableBytes
            // A window, and one item that is larger than what is left of it.
            #expect(sent.load(ordering: .relaxed) <= read + 1024 * 1024 + itemOctets)
        }
        #expect(read == 20_000_000 / itemOctets * itemOctets)
        await pair.close()
    }

    @Test func droppingAStreamStopsTheWriter() async throws {
        let stopped = Gate()
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onStream: { call in
                    defer { stopped.open() }
                    while true { try await call.send(ByteBuffer(repeating: 0, count: 10_000)) }
                })
            ], caller: "client", access: OpenAccess())
        do {
            let stream = try await pair.client.stream()
            _ = try await stream.next()
        }
        await stopped.wait()
        #expect(await eventually { pair.server.requestsInFlight == 0 })
        await pair.close()
    }

    @Test func aWriterWhoseReaderDiesIsStopped() async throws {
        let stopped = Gate()
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onStream: { call in
                    defer { stopped.open() }
                    while true { try await call.send(ByteBuffer(repeating: 0, count: 10_000)) }
                })
            ], caller: "client", access: OpenAccess())
        let stream = try await pair.client.stream()
        _ = try await stream.next()
        await pair.clientContext.shutdown()
        await stopped.wait()
        #expect(await eventually { pair.server.requestsInFlight == 0 })
        await pair.close()
    }

    @Test func aStreamWhoseReplicaDiesThrows() async throws {
        let replicas = try Replicas()
        let never = Gate()
        try replicas.start(
            0,
            EchoContract(onStream: { call in
                try await call.send(ByteBuffer(string: "one"))
                await never.wait()
                return .end
            }))
        let client = replicas.client([0])
        let stream = try await client.stream()
        #expect(try await stream.next() != nil)
        await replicas.kill(0)
        #expect(await code { _ = try await stream.next() } == .unavailable)
        never.open()
        await replicas.stop()
    }
}

extension Payload {
    /// Octets that can be read once only.
    static func singlePass(octets: Int, chunk: Int) -> Payload {
        let position = ManagedAtomic(0)
        return Payload(octetCount: octets) {
            let offset = position.loadThenWrappingIncrement(by: chunk, ordering: .relaxed)
            return offset < octets ? ByteBuffer(repeating: 1, count: Swift.min(chunk, octets - offset)) : nil
        }
    }
}
