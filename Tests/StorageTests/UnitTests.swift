import Messaging
import TestRandomness
import Testing

@testable import Storage

@Suite("UID ranges")
struct UIDRangesTests {
    @Test("are put in order, joined, and shortened from the front")
    func ranges() {
        let ranges = UIDRanges(pairs: [7, 9, 3, 1, 10, 12, 20, 20, 5])
        #expect(ranges.firsts == [1, 5, 7, 20])
        #expect(ranges.lasts == [3, 5, 12, 20])
        #expect(ranges.after(2).firsts == [3, 5, 7, 20])
        #expect(ranges.after(12).firsts == [20])
        #expect(ranges.after(20).isEmpty)
        #expect(UIDRanges(pairs: []).isEmpty)
    }

    @Test("mean the same uids as the pairs, whatever these are", arguments: 0..<50)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pairs = (0..<Int.random(in: 0..<8, using: &random) * 2).map { _ in UInt32.random(in: 1...60, using: &random)
        }
        var expected: Set<Int64> = []
        for index in stride(from: 0, to: pairs.count, by: 2) {
            let (first, last) = (Int64(pairs[index]), Int64(pairs[index + 1]))
            expected.formUnion(min(first, last)...max(first, last))
        }
        func members(_ ranges: UIDRanges) -> [Int64] { zip(ranges.firsts, ranges.lasts).flatMap { Array($0...$1) } }
        let ranges = UIDRanges(pairs: pairs)
        #expect(members(ranges) == expected.sorted())
        let cut = Int64.random(in: 0...61, using: &random)
        #expect(members(ranges.after(cut)) == expected.filter { $0 > cut }.sorted())
    }
}

@Suite("Names and flags")
struct NameTests {
    @Test("INBOX has one spelling, alone and as the first level")
    func canonical() {
        #expect(MailboxName.canonical("inBox") == "INBOX")
        #expect(MailboxName.canonical("inbox/a") == "INBOX/a")
        #expect(MailboxName.canonical("inboxes") == "inboxes")
        #expect(MailboxName.canonical("a/inbox") == "a/inbox")
        #expect(MailboxName.parents(of: "a/b/c") == ["a", "a/b"])
    }

    @Test("Flags become bits and keywords; what is no atom is refused")
    func flags() throws {
        let flags = try Flags(names: ["\\SEEN", "\\Draft", "$X", "$x", "y", "\\Recent"])
        #expect(flags.bits == 17)
        #expect(flags.keywords == ["$X", "y"])
        for bad in ["", "a b", "a\"", "(", "a\\b", "ü", String(repeating: "x", count: 129)] {
            #expect(throws: MessagingError.self) { try Flags(names: [bad]) }
        }
    }

    @Test("Keywords move to the bits of the other mailbox as far as there is room")
    func keywords() {
        let mapping = KeywordMapping(from: ["a", "b", "c"], usedFlags: 5 << 8, to: ["C"])
        #expect(mapping.target == ["C", "a"])
        #expect(mapping.sourceBits == [1 << 8, 4 << 8])
        #expect(mapping.targetBits == [2 << 8, 1 << 8])
        let full = (0..<Flags.keywordLimit).map { "k\($0)" }
        let none = KeywordMapping(from: ["a"], usedFlags: 1 << 8, to: full)
        #expect(none.target == full && none.sourceBits.isEmpty)
    }

    @Test("Addresses are folded and taken apart")
    func addresses() throws {
        let address = try #require(Address("Alice+List+x@Example.TEST"))
        #expect(address.text == "alice+list+x@example.test")
        #expect(address.withoutDetail?.text == "alice@example.test")
        #expect(Address("+x@example.test")?.withoutDetail == nil)
        #expect(Address("\"a@b\"@example.test")?.domain == "example.test")
        #expect(Address("alice") == nil && Address("alice@") == nil)
        #expect(try Address.checkedDomain("Example.TEST") == "example.test")
        for bad in ["", ".", "a..b", "a b", "a/b", String(repeating: "a", count: 64)] {
            #expect(throws: MessagingError.self) { try Address.checkedDomain(bad) }
        }
    }
}

@Suite("A queue of batches")
struct BatchQueueTests {
    private typealias Queue = BatchQueue<Int, Int>

    @Test("gives one request at once, and gathers while a worker is busy")
    func gathers() async throws {
        let queue = Queue(
            .init(batchCount: 3, batchOctets: 100, companyCount: 100, waitingCount: 10, waitingOctets: 1000))
        async let first = queue.submit(1, octets: 1, deadline: .now)
        let batch = try #require(await queue.nextBatch(wasBusy: false))
        #expect(batch.map(\.request) == [1])
        await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<13 { group.addTask { try? await queue.submit(21, octets: 1, deadline: .now) } }
            // Ten fill the queue, three are refused at once.
            for _ in 0..<3 {
                let refused = await group.next()
                #expect(refused == .some(nil))
            }
            batch[0].succeed(1)
            var count = 0
            while count < 10, let next = await queue.nextBatch(wasBusy: true) {
                #expect(next.count <= 3)
                count += next.count
                for entry in next { entry.succeed(entry.request * 2) }
            }
            for await answer in group { #expect(answer == 42) }
        }
        #expect(try await first == 1)
        queue.close()
        #expect(await queue.nextBatch(wasBusy: true) == nil)
        await #expect(throws: MessagingError.self) { try await queue.submit(1, octets: 1, deadline: .now) }
    }
}
