import IMAPSyntax
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

@Suite("Orders and threads near the readers")
struct KeptOrderTests {
    private static let criteria: [[SortCriterion]] = [
        [SortCriterion(.subject)], [SortCriterion(.subject, reversed: true), SortCriterion(.size)],
        [SortCriterion(.date), SortCriterion(.from)],
    ]
    private static let searches: [[SearchKey]] = [[.all], [.not(.flag(.seen))], [.larger(90)]]

    private static func deliver(_ number: Int, to store: MemoryStore, _ generator: inout SeededGenerator) {
        let above = Int.random(in: 1...max(1, number), using: &generator)
        store.deliver(
            """
            From: \("abc".randomElement(using: &generator) ?? "a")@example.test\r
            Subject: Re: \(Int.random(in: 0...3, using: &generator))\r
            Date: \(Int.random(in: 1...28, using: &generator)) Jan 2024 10:00 +0000\r
            Message-ID: <\(number)@x>\r
            References: <\(above)@x>\r
            \r
            \(String(repeating: "x", count: Int.random(in: 0...9, using: &generator)))\r

            """, flags: Bool.random(using: &generator) ? ["\\Seen"] : [])
    }

    @Test("are those that are made of nothing, whatever has come and gone", arguments: 1...8)
    func agree(seed: Int) async throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let store = MemoryStore()
        let memory = SearchMemory(octets: 1 << 20)
        var number = 0
        for _ in 1...40 {
            for _ in 0..<Int.random(in: 0...8, using: &generator) {
                number += 1
                Self.deliver(number, to: store, &generator)
            }
            if number > 0 {
                let gone = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                    UInt32.random(in: 1...UInt32(number), using: &generator)
                }
                store.state.withLock { _ = $0.mailboxes[0].remove(Set(gone)) }
            }
            let search = try await store.search(Self.searches.randomElement(using: &generator) ?? [.all], memory)
            let criteria = Self.criteria.randomElement(using: &generator) ?? []
            var bare = search
            bare.memory = SearchMemory(octets: 0)
            #expect(
                try await SortRun(search: search, criteria: criteria).sorted().indices
                    == SortRun(search: bare, criteria: criteria).sorted().indices)
            let algorithm = ThreadAlgorithm.allCases.randomElement(using: &generator) ?? .refs
            #expect(
                try await ThreadRun(search: search, algorithm: algorithm).threads(.uids)
                    == ThreadRun(search: bare, algorithm: algorithm).threads(.uids))
        }
    }

    @Test("spare reading what was read; a search of few reads only those")
    func spare() async throws {
        let store = MemoryStore()
        let memory = SearchMemory(octets: 1 << 20)
        var generator = SeededGenerator(seed: 7)
        for number in 1...50 { Self.deliver(number, to: store, &generator) }
        func reads(_ keys: [SearchKey]) async throws -> (sort: Int, thread: Int) {
            let search = try await store.search(keys, memory)
            let before = store.calls("fetched messages")
            _ = try await SortRun(search: search, criteria: Self.criteria[0]).sorted()
            let between = store.calls("fetched messages")
            _ = try await ThreadRun(search: search, algorithm: .references).threads(.uids)
            return (between - before, store.calls("fetched messages") - between)
        }
        let few = SearchKey.sequence(.set(try #require(SequenceSet(inOrder: [3, 5]))))
        #expect(try await reads([few]) == (2, 2))
        #expect(try await reads([.all]) == (50, 50))
        #expect(try await reads([.all]) == (0, 0))
        #expect(try await reads([few]) == (0, 0))
        Self.deliver(51, to: store, &generator)
        #expect(try await reads([few]) == (1, 1))
        #expect(try await reads([.all]) == (0, 0))
    }

    @Test("are kept once for criteria that say the same, and count what senders make long")
    func room() async throws {
        let store = MemoryStore()
        let memory = SearchMemory(octets: 100_000)
        store.deliver("Subject: b\r\nMessage-ID: <\(String(repeating: "x", count: 60_000))@x>\r\n\r\n")
        store.deliver("Subject: a\r\n\r\n")
        let search = try await store.search([.all], memory)
        let long = [SortCriterion](repeating: SortCriterion(.subject), count: 5000)
        #expect(try await SortRun(search: search, criteria: long).sorted().indices == [1, 0])
        let order = SearchMemory.Order(
            mailboxID: search.columns.mailbox.mailboxID, criteria: [SortCriterion(.subject)])
        #expect(memory.sorted.find(order)?.order == [1, 0])
        _ = try await ThreadRun(search: search, algorithm: .references).threads(.uids)
        #expect(memory.threaded.find(search.columns.mailbox.mailboxID) == nil)
    }

    @Test("Rows say what is missing, and only take what comes last")
    func rows() {
        var rows = KeptRows()
        let taken = [2, 4, 9, 9, 3].map { rows.append($0) }
        #expect(taken == [true, true, true, false, false])
        #expect(rows.missing(of: [1, 2, 3, 9, 10]) == [1, 3, 10])
        #expect(rows.positions(in: [2, 3, 9, 10]) == [0, -1, 2])
        #expect(rows.plan(present: [2, 4, 9, 10], found: [4]) == (true, [10]))
        #expect(rows.plan(present: [2, 4, 9, 10, 11], found: [4]) == (false, [4]))
    }
}
