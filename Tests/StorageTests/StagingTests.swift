import Contracts
import Messaging
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import Storage

@Suite("A large message")
struct StagingTests {
    private func stage(_ octets: [UInt8], _ storage: StorageFixture) async throws -> StageReply {
        try await storage.delivery.stage(
            StageRequest(), octets: Payload(ByteBuffer(bytes: octets)), CallContext(timeout: .seconds(30)))
    }

    private func commit(_ staged: StageReply, header: Int, _ alice: Int64, _ storage: StorageFixture) async throws
        -> CommitReply.Result
    {
        var request = CommitRequest()
        request.dispositions = [.store(alice)]
        request.content.stagedContentID = staged.contentID
        request.content.headerOctets = Int64(header)
        request.content.bodyOctets = staged.octets - Int64(header)
        let reply = try await storage.delivery.commit(
            request, payload: [ByteBuffer(string: "Trace: 1\r\n")], CallContext())
        return try #require(reply.results.first)
    }

    @Test("is staged in pieces, committed, and read in any range", arguments: [300_000, 262_144, 1_000_001])
    func ranges(count: Int) async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            var random = SeededGenerator(seed: UInt64(count))
            let header = Int.random(in: 1...290_000, using: &random)
            let octets = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let staged = try await stage(octets, storage)
            #expect(staged.octets == Int64(count))
            let result = try await commit(staged, header: min(header, count), alice, storage)
            #expect(result.outcome == .done)
            let stored = Array("Trace: 1\r\n".utf8) + octets
            #expect(try await storage.octets(alice, result.mailboxID, result.uid) == stored)
            for _ in 0..<20 {
                let offset = Int.random(in: 0..<stored.count, using: &random)
                let length = Int.random(in: 1...stored.count, using: &random)
                let part = try await storage.octets(
                    alice, result.mailboxID, result.uid, offset: Int64(offset), length: Int64(length))
                #expect(part == Array(stored[offset..<min(stored.count, offset + length)]))
            }
            let beyond = try await storage.octets(
                alice, result.mailboxID, result.uid, offset: Int64(stored.count) + 5, length: 10)
            #expect(beyond == [])
        }
    }

    @Test("that nobody staged, or of another length, cannot be committed")
    func unknown() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            var staged = try await stage([UInt8](repeating: 1, count: 1000), storage)
            staged.octets += 1
            await #expect(throws: MessagingError.self) { try await commit(staged, header: 10, alice, storage) }
            staged.contentID += 1
            await #expect(throws: MessagingError.self) { try await commit(staged, header: 10, alice, storage) }
        }
    }

    @Test("that no commit refers to is removed after the grace time, others are kept")
    func removal() async throws {
        try await withStorage(adjust: { $0.contentGrace = .zero }) { storage in
            let alice = try await storage.account("alice@example.test")
            let forgotten = try await stage([UInt8](repeating: 1, count: 600_000), storage)
            let kept = try await stage([UInt8](repeating: 2, count: 600_000), storage)
            let result = try await commit(kept, header: 100, alice, storage)
            try await storage.deliver(to: alice)
            let small = try await storage.deliver(to: alice)
            #expect(try await storage.engine.upkeep.removeDue() == 1)
            #expect(
                try await storage.database.query(
                    "SELECT count(*) FROM mail.content_chunks WHERE content_id = \(forgotten.contentID)") == "0")
            #expect(try await storage.octets(alice, result.mailboxID, result.uid)?.count == 600_010)
            // What was expunged goes as well, unless a copy holds it.
            _ = try await storage.mailStore.copy(
                CopyRequest.with {
                    $0.accountID = alice
                    $0.mailboxID = small.mailboxID
                    $0.uids = [small.uid, small.uid]
                    $0.toMailboxName = "Archive"
                }, CallContext())
            let inbox = StoreFlagsRequest.with {
                $0.accountID = alice
                $0.mailboxID = small.mailboxID
                $0.uids = [1, 100]
                $0.operation = .add
                $0.flags = ["\\Deleted"]
            }
            _ = try await storage.mailStore.storeFlags(inbox, CallContext())
            let expunged = try await storage.mailStore.expunge(
                ExpungeRequest.with {
                    $0.accountID = alice
                    $0.mailboxID = small.mailboxID
                }, CallContext())
            #expect(expunged.uids == [1, 2, 3])
            #expect(try await storage.engine.upkeep.removeDue() == 2)
            #expect(try await storage.database.query("SELECT count(*) FROM mail.contents") == "1")
            #expect(try await storage.database.query("SELECT count(*) FROM mail.content_chunks") == "0")
        }
    }
}
