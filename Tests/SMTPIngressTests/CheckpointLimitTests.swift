import Contracts
import Cryptography
import Messaging
import NIOCore
import NIOPosix
import SMTPSyntax
import TestSupport
import Testing

@testable import SMTPIngress

/// What is kept, by its limits, as a value with a clock: no socket.
@Suite struct CheckpointLimitTests {
    private static let connection = TransactionID.next()

    private func key(_ number: Int, address: String = "192.0.2.1", accountID: Int64? = nil) throws -> CheckpointKey {
        CheckpointKey(
            greeting: "client.example", transid: try #require(TransID("<\(number)@c>")), address: address,
            accountID: accountID, listener: .relay)
    }

    private func envelope(isEncrypted: Bool = false) -> CheckpointEnvelope {
        CheckpointEnvelope(reversePath: .null, parameters: MailParameters(), isEncrypted: isEncrypted)
    }

    private func content(memory: Int = 0, disk: Int = 0, id: TransactionID = .next()) -> Checkpoint {
        .content(
            InterruptedTransaction(
                id: id, recipients: [],
                content: SpooledContent(
                    octets: memory, digest: SHA256(), unwritten: ByteBuffer(repeating: 0x78, count: memory), file: nil,
                    diskOctets: disk)))
    }

    private func has(_ key: CheckpointKey, _ checkpoints: Checkpoints) -> Bool {
        guard let found = checkpoints.resume(envelope(), for: key, on: Self.connection) else { return false }
        checkpoints.keep(found, of: envelope(), for: key)
        return true
    }

    @Test("Beyond the number of them, in all and from one address, the oldest goes")
    func count() throws {
        var limits = CheckpointLimits()
        limits.count = 5
        limits.countPerAddress = 3
        let checkpoints = Checkpoints(limits: limits)
        for number in 0..<4 { checkpoints.keep(content(), of: envelope(), for: try key(number)) }
        #expect(checkpoints.count == 3)
        #expect(try !has(key(0), checkpoints))
        for number in 4..<7 { checkpoints.keep(content(), of: envelope(), for: try key(number, address: "192.0.2.2")) }
        #expect(checkpoints.count == 5)
        #expect(try !has(key(1), checkpoints))
        #expect(try has(key(2), checkpoints) && has(key(3), checkpoints))
        // Clients of a Unix socket are not told apart, and share the limit of all.
        for number in 7..<12 { checkpoints.keep(content(), of: envelope(), for: try key(number, address: "")) }
        #expect(checkpoints.count == 5)
        #expect(try (7..<12).allSatisfy { try has(key($0, address: ""), checkpoints) })
    }

    @Test("Beyond the octets in memory or on disk the oldest go; one that is too much by itself drives nobody out")
    func octets() throws {
        var limits = CheckpointLimits()
        limits.memoryOctets = 100_000
        limits.diskOctets = 1_000
        let checkpoints = Checkpoints(limits: limits)
        for number in 0..<3 { checkpoints.keep(content(memory: 30_000), of: envelope(), for: try key(number)) }
        // A buffer may take up to twice what is in it.
        #expect(checkpoints.count >= 1 && checkpoints.memoryOctets <= 100_000 && checkpoints.memoryOctets >= 30_000)
        #expect(try has(key(2), checkpoints))
        let before = checkpoints.count
        checkpoints.keep(content(memory: 200_000), of: envelope(), for: try key(3))
        checkpoints.keep(content(disk: 1_001), of: envelope(), for: try key(3))
        #expect(checkpoints.count == before)
        for number in 4..<8 { checkpoints.keep(content(disk: 400), of: envelope(), for: try key(number)) }
        #expect(checkpoints.diskOctets == 800)
        #expect(try !has(key(5), checkpoints) && has(key(6), checkpoints) && has(key(7), checkpoints))
    }

    @Test("Whatever comes and goes, the sums are right and at the end nothing is left")
    func sums() throws {
        var generator = SystemRandomNumberGenerator()
        var limits = CheckpointLimits()
        limits.count = 20
        limits.countPerAddress = 8
        limits.diskOctets = 5_000
        let clock = TestClock()
        let checkpoints = Checkpoints(limits: limits, clock: { clock.now })
        for _ in 0..<5_000 {
            let key = try key(
                Int.random(in: 0..<40, using: &generator),
                address: "192.0.2.\(Int.random(in: 0..<4, using: &generator))")
            if Bool.random(using: &generator) {
                checkpoints.keep(
                    content(memory: 100, disk: Int.random(in: 0..<900, using: &generator)), of: envelope(), for: key)
            } else {
                _ = checkpoints.resume(envelope(), for: key, on: Self.connection)
            }
            if Int.random(in: 0..<50, using: &generator) == 0 { clock.advance(by: .seconds(400)) }
            #expect(checkpoints.count <= 20 && checkpoints.diskOctets <= 5_000)
        }
        clock.advance(by: .seconds(600))
        checkpoints.expire()
        #expect(checkpoints.count == 0 && checkpoints.memoryOctets == 0 && checkpoints.diskOctets == 0)
    }

    @Test("What a connection left that was lost long ago does not replace what its client has done since")
    func order() throws {
        let checkpoints = Checkpoints(limits: CheckpointLimits())
        let (older, younger) = (TransactionID.next(), TransactionID.next())
        checkpoints.keep(content(id: younger), of: envelope(), for: try key(1))
        checkpoints.keep(content(id: older), of: envelope(), for: try key(1))
        #expect(checkpoints.resume(envelope(), for: try key(1), on: Self.connection)?.id == younger)
        checkpoints.keep(content(id: older), of: envelope(), for: try key(1))
        checkpoints.keep(content(id: younger), of: envelope(), for: try key(1))
        #expect(checkpoints.count == 1)
        #expect(checkpoints.resume(envelope(), for: try key(1), on: Self.connection)?.id == younger)
        #expect(checkpoints.resume(envelope(), for: try key(1), on: Self.connection) == nil)
    }

    @Test("Another address and another account are other clients")
    func clients() throws {
        let checkpoints = Checkpoints(limits: CheckpointLimits())
        checkpoints.keep(content(), of: envelope(), for: try key(1, accountID: 1))
        for other in try [key(1), key(1, accountID: 2), key(1, address: "192.0.2.2", accountID: 1)] {
            #expect(checkpoints.resume(envelope(), for: other, on: Self.connection) == nil)
        }
        #expect(checkpoints.resume(envelope(), for: try key(1, accountID: 1), on: Self.connection) != nil)
    }

    @Test("The outcome of a transaction waits for nobody, and nobody who asks is forgotten")
    func outcome() async throws {
        let checkpoints = Checkpoints(limits: CheckpointLimits())
        let key = try key(1)
        let transaction = HandedOverTransaction(
            Transaction(reversePath: .null, parameters: MailParameters()), octets: 5, key: key,
            connection: Self.connection)
        checkpoints.keep(.handedOver(transaction), of: envelope(), for: key)
        #expect(checkpoints.resume(envelope(), for: key, on: Self.connection) == nil, "the same connection")
        #expect(checkpoints.resume(envelope(), for: key, on: .next()) != nil)
        async let early = transaction.replies()
        await Task.yield()
        #expect(checkpoints.finish(transaction, [Replies.ok]))
        #expect(await early == [Replies.ok])
        #expect(await transaction.replies() == [Replies.ok])
        #expect(checkpoints.count == 1)
        checkpoints.forget(transaction)
        #expect(checkpoints.count == 0)
        #expect(!checkpoints.finish(transaction, [Replies.peerUnavailable]))
    }

    @Test("Where nothing is to be kept nothing is")
    func off() throws {
        var limits = CheckpointLimits()
        limits.keep = .zero
        let checkpoints = Checkpoints(limits: limits)
        checkpoints.keep(content(), of: envelope(), for: try key(1))
        #expect(checkpoints.count == 0)
    }
}
