import Contracts
import Messaging
import NIOCore
import Testing

@testable import Storage

@Suite("The index of texts")
struct TextIndexTests {
    /// A segment of the messages from a uid on; each row says which it is.
    private static func segment(from first: UInt32) -> [ByteBuffer] {
        var (uids, rows) = (ByteBuffer(), ByteBuffer())
        for index in 0..<TextSegment.messages { uids.writeInteger(first + UInt32(index), endianness: .little) }
        for row in 0..<TextSegment.rows {
            rows.writeInteger(UInt32(row))
            rows.writeRepeatingByte(UInt8(first % 251), count: TextSegment.rowOctets - 4)
        }
        return [uids, rows]
    }

    private func add(_ storage: StorageFixture, _ accountID: Int64, _ mailboxID: Int64, _ segment: [ByteBuffer])
        async throws
    {
        var request = AddTextSegmentRequest()
        request.accountID = accountID
        request.mailboxID = mailboxID
        _ = try await storage.mailStore.addTextSegment(request, payload: segment, CallContext())
    }

    /// The first uids of the segments, and their rows.
    private func read(
        _ storage: StorageFixture, _ accountID: Int64, _ mailboxID: Int64, _ rows: [UInt32]
    ) async throws -> ([UInt32], ByteBuffer) {
        var request = TextIndexRequest()
        request.accountID = accountID
        request.mailboxID = mailboxID
        request.rows = rows
        var (firsts, bits): ([UInt32], ByteBuffer) = ([], ByteBuffer())
        for try await (page, payload) in try await storage.mailStore.textIndex(request, CallContext()) {
            #expect(payload[0].readableBytes == Int(page.segments) * TextSegment.uidOctets)
            for segment in 0..<Int(page.segments) {
                firsts.append(
                    payload[0].getInteger(at: segment * TextSegment.uidOctets, endianness: .little) ?? 0)
            }
            bits.writeImmutableBuffer(payload[1])
        }
        return (firsts, bits)
    }

    @Test("gives the rows that are asked for, segment by segment")
    func rows() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            for _ in 0..<3 { try await storage.deliver(to: alice) }
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            for first: UInt32 in [1, 2, 3] { try await add(storage, alice, inbox.mailboxID, Self.segment(from: first)) }
            // The same once more changes nothing.
            try await add(storage, alice, inbox.mailboxID, Self.segment(from: 2))
            let (firsts, bits) = try await read(storage, alice, inbox.mailboxID, [8191, 0, 77])
            #expect(firsts == [1, 2, 3])
            let names = (0..<9).compactMap { bits.getInteger(at: $0 * TextSegment.rowOctets, as: UInt32.self) }
            #expect(names == [8191, 0, 77, 8191, 0, 77, 8191, 0, 77])
            #expect(bits.getInteger(at: 4 * TextSegment.rowOctets + 5, as: UInt8.self) == 2)
            let sent = try #require(try await storage.mailbox(alice, "Sent"))
            #expect(try await read(storage, alice, sent.mailboxID, [1]).0 == [])
        }
    }

    @Test("forgets segments of messages that are gone, of mailboxes that are gone, and takes none of others")
    func forgets() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            try await storage.deliver(to: alice)
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            try await add(storage, alice, inbox.mailboxID, Self.segment(from: 1000))
            try await add(storage, alice, inbox.mailboxID, Self.segment(from: 1))
            #expect(try await read(storage, alice, inbox.mailboxID, [1]).0 == [1])
            try await add(storage, bob, inbox.mailboxID, Self.segment(from: 1))
            #expect(try await read(storage, bob, inbox.mailboxID, [1]).0 == [])
            let create = CreateMailboxRequest.with {
                $0.accountID = alice
                $0.name = "old"
            }
            let old = try await storage.mailStore.createMailbox(create, CallContext(idempotencyKey: .next())).mailbox
            try await add(storage, alice, old.mailboxID, Self.segment(from: 1))
            #expect(try await read(storage, alice, old.mailboxID, [1]).0 == [1])
            let delete = DeleteMailboxRequest.with {
                $0.accountID = alice
                $0.name = "old"
            }
            _ = try await storage.mailStore.deleteMailbox(delete, CallContext(idempotencyKey: .next()))
            #expect(try await read(storage, alice, old.mailboxID, [1]).0 == [])
        }
    }

    @Test("refuses what is no segment and rows that there are not")
    func malformed() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            let good = Self.segment(from: 1)
            for bad in [[], [good[0]], [good[1], good[0]], [good[0], ByteBuffer()]] {
                await #expect(throws: MessagingError.self) { try await add(storage, alice, inbox.mailboxID, bad) }
            }
            for rows in [[UInt32(TextSegment.rows)], Array(repeating: 1, count: TextSegment.rowLimit + 1)] {
                await #expect(throws: MessagingError.self) {
                    _ = try await read(storage, alice, inbox.mailboxID, rows)
                }
            }
        }
    }
}
