import Contracts
import Cryptography
import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import ContentProcessing

@Suite("Messages that IMAP appends one behind the other", .timeLimit(.minutes(2)))
struct AppendingEachTests {
    private func each(
        _ messages: [[UInt8]], as payload: Payload? = nil, on fixture: ContentFixture
    ) async throws -> [AppendReply] {
        let request = AppendEachRequest.with { request in
            request.accountID = 1
            request.mailboxName = "Drafts"
            request.client.identity.accountID = 1
            request.client.connectionID = .init([UInt8](repeating: 7, count: 16))
            request.appends = messages.enumerated().map { index, message in
                .with {
                    $0.message.flags = ["\\Seen", "$\(index)"]
                    $0.message.internalDate = Int64(index)
                    $0.message.messageOctets = Int64(message.count)
                    $0.transactionID = .init(TransactionID.next().octets)
                    $0.ordinal = UInt32(index + 1)
                    $0.receivedUptime = Int64(1000 + index)
                }
            }
        }
        return try await fixture.acceptance.appendEach(
            request, messages: payload ?? Payload(ByteBuffer(bytes: Array(messages.joined()))),
            CallContext(timeout: .seconds(60), idempotencyKey: .next())
        ).replies
    }

    @Test("go to storage at once, each as it would go alone")
    func alike() async throws {
        try await ContentFixture.run { fixture async throws in
            let messages = (0..<5).map { sample(octets: 1000 * $0, header: "X-Number: \($0)\r\n") }
            let replies = try await each(messages, on: fixture)
            #expect(replies.map(\.uid) == [1, 2, 3, 4, 5])
            #expect(await fixture.storage.successions == [5])
            for (index, message) in messages.enumerated() {
                _ = try await fixture.append(message) {
                    $0.flags = ["$\(index)", "\\Seen"]
                    $0.internalDate = Int64(index)
                    $0.client.identity.accountID = 1
                    $0.client.connectionID = .init([UInt8](repeating: 7, count: 16))
                    $0.client.ordinal = UInt32(index + 1)
                    $0.client.receivedUptime = Int64(1000 + index)
                }
            }
            let commits = await fixture.storage.commits
            for (together, alone) in zip(commits.prefix(5), commits.dropFirst(5)) {
                #expect(together.request.content == alone.request.content)
                #expect(together.payload == alone.payload)
                var (one, other) = (together.request, alone.request)
                #expect(one.dispositions[0].fingerprints == other.dispositions[0].fingerprints)
                one.dispositions[0].store.flags.sort()
                other.dispositions[0].store.flags.sort()
                if one.dispositions[0].store.internalDate > 1_000_000 {
                    // Now, which is later for the second.
                    one.dispositions[0].store.internalDate = other.dispositions[0].store.internalDate
                }
                one.origin.receivedAt = 0
                other.origin.receivedAt = 0
                #expect(one == other)
            }
        }
    }

    @Test("One that cannot be kept says so, and the others go on")
    func refused() async throws {
        var limits = ProcessingLimits()
        limits.mime.headerOctets = 1000
        try await ContentFixture.run(limits: limits) { fixture async throws in
            let large = Array(("A: " + String(repeating: "x", count: 2000) + "\r\n\r\n").utf8)
            let replies = try await each([sample(), large, sample()], on: fixture)
            #expect(replies.map(\.outcome) == [.stored, .beyondLimit, .stored])
            #expect(await fixture.storage.successions == [2])
            let commits = await fixture.storage.commits
            #expect(commits.map(\.request.origin.ordinal) == [1, 3])
            #expect(commits.allSatisfy { $0.payload.flatMap { Array(buffer: $0) } == sample() })
            #expect(try await each([large], on: fixture).map(\.outcome) == [.beyondLimit])
            #expect(await fixture.storage.successions == [2])
        }
    }

    @Test("While their end is held back nothing is stored, and without it nothing at all", arguments: [true, false])
    func heldBack(_ comes: Bool) async throws {
        try await ContentFixture.run { fixture async throws in
            let messages = (0..<5).map { sample(octets: 40_000 * $0, header: "X-Number: \($0)\r\n") }
            let octets = Array(messages.joined())
            // Pieces that do not end where messages do.
            let pieces = stride(from: 0, to: octets.count, by: 7001).map { Array(octets[$0...].prefix(7001)) }
            let next = Mutex(0)
            let payload = Payload(octetCount: octets.count) {
                let index = next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                if index == pieces.count - 1 {
                    for _ in 0..<50 { await Task.yield() }
                    #expect(await fixture.storage.successions.isEmpty)
                    if !comes { throw CancellationError() }
                }
                return index < pieces.count ? ByteBuffer(bytes: pieces[index]) : nil
            }
            if comes {
                #expect(try await each(messages, as: payload, on: fixture).map(\.uid) == [1, 2, 3, 4, 5])
                let commits = await fixture.storage.commits
                #expect(commits.map { $0.payload.flatMap { Array(buffer: $0) } } == messages)
            } else {
                await #expect(throws: (any Error).self) { try await each(messages, as: payload, on: fixture) }
                // Whoever comes next finds the place as it was.
                #expect(try await each([sample()], on: fixture).map(\.uid) == [1])
            }
        }
    }

    @Test("When storage is away or busy the call fails, and nobody is told that it was stored")
    func away() async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.fail([MessagingError(.overloaded)])
            await #expect(throws: MessagingError.self) { try await each([sample()], on: fixture) }
        }
    }

    @Test("A request that does not describe its octets is refused")
    func malformed() async throws {
        try await ContentFixture.run { fixture async throws in
            await #expect(throws: MessagingError.self) { try await each([sample(), []], on: fixture) }
            let foreign = AppendEachRequest.with { request in
                request.accountID = 1
                request.client.identity.accountID = 2
                request.appends = [.with { $0.message.messageOctets = Int64(sample().count) }]
            }
            await #expect(throws: MessagingError.self) {
                try await fixture.acceptance.appendEach(
                    foreign, messages: Payload(ByteBuffer(bytes: sample())), CallContext(idempotencyKey: .next()))
            }
            #expect(await fixture.storage.commits.isEmpty)
        }
    }
}
