import Atomics
import Messaging
import NIOCore
import Testing

/// Streams that never see a wire: what a stub hands out and what a server's implementation makes.
@Suite(.timeLimit(.minutes(5)))
struct ReplyStreamTests {
    static let kinds: [String: @Sendable (Int) -> ReplyStream<Int>] = [
        "sequence": { count in ReplyStream((0..<count).map { ($0, []) }) },
        "unfolding": { count in
            let next = ManagedAtomic(0)
            return ReplyStream {
                let number = next.loadThenWrappingIncrement(ordering: .relaxed)
                return number < count ? (number, []) : nil
            }
        },
        "writing": { count in
            ReplyStream(writing: { writer in
                for number in 0..<count { try await writer.send(number) }
            })
        },
    ]

    @Test(arguments: kinds.keys.sorted(), [0, 1, 100])
    func itemsComeInOrder(kind: String, count: Int) async throws {
        let make = try #require(Self.kinds[kind])
        let stream = make(count)
        var items: [Int] = []
        for try await (item, _) in stream { items.append(item) }
        #expect(items == Array(0..<count))
    }

    @Test(arguments: kinds.keys.sorted())
    func aStreamIsWrittenInOrder(kind: String) async throws {
        let written = Recorder<Int>()
        try await Self.kinds[kind]?(50).write(to: ReplyWriter { item, _ in written.record(item) })
        #expect(written.values == Array(0..<50))
    }

    @Test func aWriterIsAtMostOneItemAhead() async throws {
        let sent = ManagedAtomic(0)
        let stream = ReplyStream<Int>(writing: { writer in
            for number in 0..<100 {
                try await writer.send(number)
                sent.store(number + 1, ordering: .relaxed)
            }
        })
        for try await (item, _) in stream { #expect(sent.load(ordering: .relaxed) <= item + 2) }
    }

    @Test func aWriterWhoseReaderLeavesIsStopped() async throws {
        let stopped = Gate()
        do {
            let stream = ReplyStream<Int>(writing: { writer in
                defer { stopped.open() }
                while true { try await writer.send(1) }
            })
            for try await _ in stream { break }
        }
        await stopped.wait()
    }

    @Test func whatTheWriterThrowsReachesTheReader() async throws {
        let stream = ReplyStream<Int>(writing: { writer in
            try await writer.send(1)
            throw MessagingError(.failed, "half way")
        })
        var items: [Int] = []
        let failure = await code { for try await (item, _) in stream { items.append(item) } }
        #expect(failure == .failed)
        #expect(items == [1])
    }
}
