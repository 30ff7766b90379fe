import Contracts
import Messaging
import NIOCore
import Synchronization
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// APPENDs that a client sends without waiting, on real sockets. What is said, `Dialogues/append-pipelined.txt` shows.
@Suite struct SuccessiveAppendTests {
    private static func append(_ number: Int, _ text: String = "text", to mailbox: String = "INBOX") -> String {
        let message = "Subject: \(number)\r\n\r\n\(text)"
        return "a\(number) APPEND \(mailbox) {\(message.utf8.count)+}\r\n\(message)\r\n"
    }

    @Test("Many go with few requests, in their order", .timeLimit(.minutes(1)))
    func together() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            let numbers = 1...500
            try await client.send(numbers.map { Self.append($0) }.joined())
            for number in numbers {
                #expect(try await client.line().hasPrefix("a\(number) OK [APPENDUID 1000 \(number)]"))
            }
            #expect(Self.subjects(server.store.messages()) == numbers.map { "Subject: \($0)" })
            #expect(server.store.calls("appendEach") + server.store.calls("append") < 100)
            // Each is a transaction of its own.
            let clients = server.store.state.withLock { $0.appendClients }
            #expect(clients.map(\.ordinal) == numbers.map { UInt32($0) })
            await client.close()
        }
    }

    @Test("Together they are no more than one request takes", .timeLimit(.minutes(1)))
    func bounds() async throws {
        var limits = Limits()
        limits.successiveAppends = 7
        limits.inlineOctets = 1000
        try await TestServer.run(limits: limits) { server in
            let client = try await server.login()
            // Some are larger than a request takes, and stream.
            let sizes = (1...60).map { $0 % 5 == 0 ? 2000 : $0 * 20 }
            try await client.send(
                zip(1..., sizes).map { Self.append($0, String(repeating: "x", count: $1)) }.joined())
            for number in 1...60 {
                #expect(try await client.line().hasPrefix("a\(number) OK [APPENDUID 1000 \(number)]"))
            }
            #expect(server.store.state.withLock { $0.longestSuccession } <= 7)
            #expect(server.store.state.withLock { $0.largestSuccession } <= 1000)
            await client.close()
        }
    }

    /// Limits with which few go together.
    private static func few(_ number: Int) -> Limits {
        var limits = Limits()
        limits.successiveAppends = number
        limits.sessionsPerAddress = 10_000
        return limits
    }

    private static func subjects(_ messages: some Sequence<MemoryMessage>) -> [String] {
        messages.map { String(decoding: $0.octets.prefix { $0 != 13 }, as: UTF8.self) }
    }

    @Test(
        "While some are stored the next are handed over, and stored behind them or, when they fail, one by one",
        .timeLimit(.minutes(1)), arguments: [true, false], [8, 50])
    func overlapping(_ succeeds: Bool, _ count: Int) async throws {
        try await TestServer.run(limits: Self.few(4)) { server in
            let arrivals = Mutex(0)
            server.store.beforeAppending.withLock { hold in
                hold = { [store = server.store] in
                    let number = arrivals.withLock { arrivals in
                        arrivals += 1
                        return arrivals
                    }
                    guard number == 1 else { return }
                    // The second call is there, and all of its octets but the last message's.
                    try await eventually("the second call") { store.calls("appendEach") == 2 }
                    for _ in 0..<50 { await Task.yield() }
                    #expect(arrivals.withLock { $0 } == 1 && store.messages().isEmpty)
                    if !succeeds { throw MessagingError(.unavailable, "test") }
                }
            }
            let client = try await server.login()
            try await client.send((1...count).map { Self.append($0) }.joined())
            for number in 1...count {
                #expect(try await client.line().hasPrefix("a\(number) OK [APPENDUID 1000 \(number)]"))
            }
            #expect(Self.subjects(server.store.messages()) == (1...count).map { "Subject: \($0)" })
            let clients = server.store.state.withLock { $0.appendClients }
            #expect(clients.map(\.ordinal) == (1...count).map { UInt32($0) })
            if !succeeds { #expect(server.store.calls("append") >= min(count, 8) - 3) }
            try await client.ok("NOOP")
            await client.close()
        }
    }

    @Test("One that is over quota keeps nobody out", .timeLimit(.minutes(1)))
    func quota() async throws {
        try await TestServer.run { server in
            server.store.state.withLock { $0.quota = 100 }
            let client = try await server.login()
            let large = String(repeating: "x", count: 200)
            try await client.send(
                Self.append(1) + Self.append(2, large) + Self.append(3) + Self.append(4, large) + Self.append(5))
            for expected in [
                "a1 OK [APPENDUID 1000 1]", "a2 NO [OVERQUOTA]", "a3 OK [APPENDUID 1000 2]", "a4 NO [OVERQUOTA]",
                "a5 OK [APPENDUID 1000 3]",
            ] {
                #expect(try await client.line().hasPrefix(expected))
            }
            await client.close()
        }
    }

    @Test("When nobody says what came of them each goes alone, as the same transaction", .timeLimit(.minutes(1)))
    func alone() async throws {
        try await TestServer.run { server in
            server.store.state.withLock { $0.faults["appendEach"] = MessagingError(.unavailable, "test") }
            let client = try await server.select()
            try await client.send((1...20).map { Self.append($0) }.joined())
            for number in 1...20 {
                #expect(
                    try await client.answer("a\(number)").last?.hasPrefix("a\(number) OK [APPENDUID 1000 \(number)]")
                        == true)
            }
            #expect(server.store.calls("append") == 20)
            // Storage is away altogether: all are told, and the session goes on.
            server.store.setFault(MessagingError(.unavailable, "test"))
            try await client.send((1...20).map { Self.append($0) }.joined())
            for number in 1...20 {
                #expect(try await client.answer("a\(number)").last?.hasPrefix("a\(number) NO [UNAVAILABLE]") == true)
            }
            server.store.setFault(nil)
            server.store.state.withLock { $0.faults = [:] }
            try await client.send((1...3).map { Self.append($0) }.joined())
            for number in 1...3 {
                #expect(try await client.answer("a\(number)").last?.hasPrefix("a\(number) OK") == true)
            }
            // Those that failed may be stored all the same: that is told with all that come later.
            #expect(server.store.state.withLock { $0.appendClients.last?.denied.count } == 20)
            await client.close()
        }
    }

    /// Everything that may stand among APPENDs. The session ends with it.
    private static let stream: String = {
        let large = String(repeating: "y", count: 300)
        var parts: [String] = []
        for round in 0..<3 {
            let first = 20 * round
            parts += (1...6).map { append(first + $0, String(repeating: "x", count: 30 * $0)) }
            parts += [
                append(first + 7, large), append(first + 8), append(first + 9, to: "nothing"), append(first + 10),
                append(first + 11, to: "Sent"), append(first + 12, to: "Sent"), append(first + 13),
                "b\(round) APPEND INBOX (\\Nonsense) {3+}\r\na:b\r\n", append(first + 14),
                "c\(round) APPEND INBOX {3+}\r\na:bjunk\r\n", append(first + 15),
                "d\(round) APPEND INBOX {5000+}\r\n" + String(repeating: "z", count: 5000) + "\r\n", append(first + 16),
                "e\(round) APPEND INBOX {3+}\r\na:b {3+}\r\nc:d\r\n", append(first + 17),
                "f\(round) STATUS INBOX (MESSAGES UIDNEXT)\r\n", append(first + 18), "g\(round) nonsense\r\n",
                append(first + 19),
            ]
        }
        parts += ["h SELECT INBOX\r\n", "i UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n", "j UNSELECT\r\n"]
        parts += [append(97), append(98), "k LOGOUT\r\n", append(99)]
        return parts.joined()
    }()

    /// What is said of the stream when it comes in pieces of these lengths, the last for the rest.
    private static func replies(_ lengths: [Int]) async throws -> (lines: [String], requests: Int) {
        var limits = Limits()
        limits.messageOctets = 4000
        limits.inlineOctets = 1000
        limits.badCommands = 100
        let (lines, feed) = AsyncStream.makeStream(of: ([String], Int).self)
        try await TestServer.run(limits: limits) { server in
            server.store.state.withLock { $0.quota = 250 }
            let client = try await server.login()
            var rest = Array(stream.utf8)[...]
            for length in lengths where !rest.isEmpty {
                try await client.send(Array(rest.prefix(length)))
                rest = rest.dropFirst(length)
                // So that the server meets the pieces one by one.
                await Task.yield()
            }
            if !rest.isEmpty { try await client.send(Array(rest)) }
            var found: [String] = []
            while found.last?.hasPrefix("k OK") != true { found.append(try await client.line()) }
            feed.yield((found, server.store.calls("appendEach")))
            await client.close()
        }
        var iterator = lines.makeAsyncIterator()
        guard let (found, requests) = await iterator.next() else { throw TestFailure("nothing was said") }
        return (found, requests)
    }

    @Test(
        "However the octets are split, the answers are the same", .timeLimit(.minutes(3)),
        arguments: 0..<8 as Range<UInt64>)
    func chunks(_ group: UInt64) async throws {
        let (whole, requests) = try await Self.replies([])
        #expect(requests > 0)
        #expect(whole.count { $0.contains("OK [APPENDUID") } > 40)
        #expect(whole.count { $0.contains("NO [OVERQUOTA]") } == 3)
        for seed in 5 * group + 1...5 * group + 5 {
            var generator = SeededGenerator(seed: seed)
            let longest = [1, 7, 50, 400, 3000][Int(seed % 5)]
            var lengths: [Int] = []
            var sum = 0
            // Not behind the LOGOUT: there may be nobody any more who takes the rest.
            let last = Self.stream.utf8.count - "k LOGOUT\r\n".utf8.count - Self.append(99).utf8.count
            while sum < last {
                // Octet by octet it takes long; a part of it will do.
                let length = min(
                    lengths.count > 300 ? 1000 : Int.random(in: 1...longest, using: &generator), last - sum)
                lengths.append(length)
                sum += length
            }
            let (lines, _) = try await Self.replies(lengths)
            #expect(lines == whole, "seed \(seed)")
        }
    }

    @Test(
        "A client that vanishes at any octet has stored whole messages, in their order", .timeLimit(.minutes(3)),
        arguments: [2, 64])
    func vanishing(_ most: Int) async throws {
        let octets = Array((1...4).map { Self.append($0, to: "Sent") }.joined().utf8)
        try await TestServer.run(limits: Self.few(most)) { server in
            for length in stride(from: 0, through: octets.count, by: 1) {
                let before = server.store.messages(in: "Sent").count
                let client = try await server.login()
                try await client.send(Array(octets[..<length]))
                if length % 2 == 0 { await client.reset() } else { await client.close() }
                try await server.untilIdle()
                try await server.untilServed()
                let subjects = Self.subjects(server.store.messages(in: "Sent").dropFirst(before))
                #expect(subjects == (1...4).prefix(subjects.count).map { "Subject: \($0)" })
            }
        }
    }
}
