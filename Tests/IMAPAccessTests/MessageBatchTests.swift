import Contracts
import IMAPSyntax
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// Batches of messages (RFC 10022).
@Suite struct MessageBatchTests {
    private func columns(_ uids: some Sequence<UInt32>, next: UInt32) -> MailboxColumns {
        var mailbox = Mailbox()
        mailbox.uidNext = next
        var columns = MailboxColumns(mailbox: mailbox)
        for uid in uids { columns.put(MessageRow(uid: uid, flags: 0, modseq: 1, date: 0, size: 1)) }
        return columns
    }

    @Test("The RFC's example (3.1.1)")
    func example() {
        let runs: [Range<UInt32>] = [1..<824, 7830..<9830, 20_351..<22_351, 99_696..<101_696]
        let uids = runs.flatMap { Array($0) }
        let batches = MessageBatches(of: columns(uids, next: 215_296), size: 2000)
        let all = [
            NumberRange(215_295, 99_696), NumberRange(99_695, 20_351), NumberRange(20_350, 7830), NumberRange(7829, 1),
        ]
        #expect(batches.ranges(1...UInt32.max) == all)
        // 3.1.5 and 3.1.6: some of them, and what does not exist.
        #expect(batches.ranges(2...3) == Array(all[1...2]))
        #expect(batches.ranges(4...9) == [all[3]])
        #expect(batches.ranges(5...9).isEmpty)
        #expect(MessageBatches(of: columns([UInt32](), next: 1), size: 2000).ranges(1...UInt32.max).isEmpty)
        // 3.1.3.3.1: all messages fit into one.
        #expect(
            MessageBatches(of: columns(uids, next: 215_296), size: 6823).ranges(1...UInt32.max)
                == [NumberRange(215_295, 1)])
    }

    @Test(
        "Every message is in one batch, and all batches but the last are full",
        arguments: 1...50 as ClosedRange<UInt64>)
    func partition(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var uids: [UInt32] = []
        var next: UInt32 = 1
        for _ in 0..<Int.random(in: 1...400, using: &random) {
            next += UInt32.random(in: 0...5, using: &random)
            uids.append(next)
            next += 1
        }
        let size = Int.random(in: 1...60, using: &random)
        let batches = MessageBatches(of: columns(uids, next: next), size: size)
        let ranges = batches.ranges(1...UInt32.max)
        let counts = ranges.map { range in uids.count { range.last <= $0 && $0 <= range.first } }
        #expect(counts.reduce(0, +) == uids.count)
        #expect(counts.dropLast().allSatisfy { $0 == size })
        #expect((1...size).contains(counts.last ?? 0))
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.last == $1.first + 1 })
        #expect(ranges.first?.first == next - 1)
        #expect(ranges.last?.last == 1)
        for number in 1...UInt32(ranges.count) {
            #expect(batches.ranges(number...number) == [ranges[Int(number) - 1]])
        }
    }

    @Test("What was told is told again when half a batch has come or gone (3.1.1)")
    func toldAgain() {
        var told = ToldBatches()
        func admits(_ numbers: ClosedRange<UInt32>, _ uids: ClosedRange<UInt32>, size: Int = 500) -> Bool {
            told.admit(numbers, of: MessageBatches(of: columns(uids, next: uids.upperBound + 1), size: size))
        }
        #expect(admits(1...1, 1...2000))
        #expect(!admits(1...1, 1...2000))
        // 3.1.5: one after the other, also when they overlap.
        #expect(admits(1...2, 1...2000))
        #expect(admits(2...9, 1...2000))
        #expect(!admits(2...4, 1...2000))
        #expect(admits(7...9, 1...2000))
        // 249 are less than half a batch.
        #expect(!admits(1...1, 1...2249))
        #expect(admits(1...1, 1...2250))
        #expect(!admits(1...1, 250...2250))
        #expect(admits(1...1, 251...2250))
        #expect(admits(1...4, 251...2250, size: 600))
        #expect(!admits(1...4, 251...2250, size: 600))
    }

    @Test("A mailbox of many messages", .timeLimit(.minutes(1)))
    func session() async throws {
        try await TestServer.run { server in
            for _ in 1...1200 { server.store.deliver(Fixtures.short) }
            let client = try await server.select()
            #expect(
                try await client.command("UIDBATCHES 500").first == "* UIDBATCHES (TAG \"t\") 1200:701,700:201,200:1")
            #expect(try await client.command("UIDBATCHES 500 2:3").last?.hasPrefix("t NO [LIMIT]") == true)
            for _ in 1...250 { server.store.deliver(Fixtures.short) }
            try await client.ok("NOOP")
            #expect(
                try await client.command("UIDBATCHES 500 2:3").first == "* UIDBATCHES (TAG \"t\") 950:451,450:1")
            await client.close()
        }
    }
}
