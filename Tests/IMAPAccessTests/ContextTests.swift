import Contracts
import IMAPSyntax
import Messaging
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// Contexts beyond what a dialogue shows (RFC 5267, 4).
@Suite("Searches kept up to date")
struct ContextTests {
    /// A result as a client keeps it.
    struct ClientResult {
        var isSorted: Bool
        var numbers: [UInt32]

        mutating func apply(_ data: [ESearchDatum]) throws {
            for datum in data {
                switch datum {
                case .addTo(let changes): for change in changes { try add(change) }
                case .removeFrom(let changes): for change in changes { try remove(change) }
                default: break
                }
            }
        }

        private func expanded(_ change: ContextChange) throws -> [UInt32] {
            guard let numbers = change.numbers.numbersInOrder(limit: 100_000) else { throw TestFailure("a set with *") }
            return numbers
        }

        private mutating func add(_ change: ContextChange) throws {
            let new = try expanded(change)
            if change.position == 0 {
                guard !isSorted else { throw TestFailure("no position in a sorted result") }
                numbers = (numbers + new).sorted()
            } else {
                guard change.position <= numbers.count + 1 else { throw TestFailure("beyond the end") }
                numbers.insert(contentsOf: new, at: Int(change.position) - 1)
            }
            guard Set(numbers).count == numbers.count else { throw TestFailure("twice in a result") }
        }

        private mutating func remove(_ change: ContextChange) throws {
            let old = try expanded(change)
            if change.position == 0 {
                guard old.allSatisfy(numbers.contains) else { throw TestFailure("not in the result") }
                numbers.removeAll(where: old.contains)
            } else {
                let start = Int(change.position) - 1
                guard start + old.count <= numbers.count, Array(numbers[start..<start + old.count]) == old else {
                    throw TestFailure("not at its place: \(old) in \(numbers)")
                }
                numbers.removeSubrange(start..<start + old.count)
            }
        }
    }

    private func untagged(_ lines: [String]) -> [UntaggedResponse] {
        lines.compactMap { line -> UntaggedResponse? in
            var parser = ResponseParser()
            parser.feed(ByteBuffer(string: line + "\r\n"))
            guard case .response(.untagged(let response)) = parser.next() else { return nil }
            return response
        }
    }

    @Test(
        "A client that does as it is told has what a new search finds", .timeLimit(.minutes(2)),
        arguments: 1...6 as ClosedRange<UInt64>)
    func model(seed: UInt64) async throws {
        let searches = [
            ("UID SEARCH RETURN (UPDATE ALL)", "FLAGGED", false),
            ("UID SEARCH RETURN (UPDATE ALL)", "SUBJECT b", false),
            ("UID SORT RETURN (UPDATE ALL) (REVERSE SIZE) UTF-8", "UNSEEN", true),
            ("UID SORT RETURN (UPDATE ALL) (SUBJECT REVERSE ARRIVAL) UTF-8", "OR FLAGGED NOT SEEN", true),
            ("UID SORT RETURN (UPDATE ALL) (DATE) UTF-8", "NOT SUBJECT a", true),
        ]
        try await TestServer.run { server in
            var random = SeededGenerator(seed: seed)
            func deliver() {
                let subject = ["a", "b", "c", "ab", "Re: b"].randomElement(using: &random) ?? "a"
                let flags = ["\\Seen", "\\Flagged"].filter { _ in Bool.random(using: &random) }
                let body = String(repeating: "x", count: Int.random(in: 0...5, using: &random))
                server.store.deliver("Subject: \(subject)\r\n\r\n\(body)", flags: flags)
            }
            for _ in 0..<8 { deliver() }
            let watching = try await server.select()
            let other = try await server.select()
            var results: [String: ClientResult] = [:]
            func take(_ lines: [String]) throws {
                for case .eSearch(let response) in untagged(lines) {
                    guard let tag = response.tag, tag != "t" else { continue }
                    if results[tag] != nil {
                        try results[tag]?.apply(response.data)
                    } else {
                        var numbers: [UInt32] = []
                        for case .all(let set) in response.data { numbers = set.numbersInOrder(limit: 10_000) ?? [] }
                        results[tag] = ClientResult(isSorted: tag.hasPrefix("sorted"), numbers: numbers)
                    }
                }
            }
            for (index, search) in searches.enumerated() {
                let tag = (search.2 ? "sorted" : "plain") + "\(index)"
                try take(try await watching.command("\(search.0) \(search.1)", tag: tag))
            }
            for _ in 0..<60 {
                let count = server.store.messages().count
                let number = count == 0 ? 0 : Int.random(in: 1...count, using: &random)
                let client = Bool.random(using: &random) ? watching : other
                let flag = ["\\Seen", "\\Flagged", "\\Deleted"].randomElement(using: &random) ?? ""
                try take(try await client.command("NOOP"))
                var lines: [String] = []
                switch Int.random(in: 0..<6, using: &random) {
                case 0, 1: deliver()
                case 2 where number > 0: lines = try await client.command("UID STORE \(number):* +FLAGS (\(flag))")
                case 3 where number > 0: lines = try await client.command("UID STORE 1:\(number) -FLAGS (\(flag))")
                case 4: lines = try await client.command("EXPUNGE")
                default: lines = try await client.command("FETCH 1:* (FLAGS)")
                }
                if client === watching { try take(lines) }
                try take(try await watching.command("NOOP"))
                for (index, search) in searches.enumerated() {
                    let tag = (search.2 ? "sorted" : "plain") + "\(index)"
                    let again = try await watching.command(
                        "\(search.0) \(search.1)".replacing("UPDATE ALL", with: "ALL"), tag: "t")
                    try take(again)
                    var expected: [UInt32] = []
                    for case .eSearch(let response) in untagged(again) where response.tag == "t" {
                        for case .all(let set) in response.data { expected = set.numbersInOrder(limit: 10_000) ?? [] }
                    }
                    #expect(results[tag]?.numbers == expected, "seed \(seed): \(search)")
                }
            }
            await watching.close()
            await other.close()
        }
    }

    @Test("As many as the limit, one of any size, and none too large to sort", .timeLimit(.minutes(1)))
    func limits() async throws {
        var limits = Limits()
        limits.searchContexts = 2
        limits.contextMessages = 3
        limits.sortedContextMessages = 1
        try await TestServer.run(limits: limits) { server in
            for _ in 0..<4 { server.store.deliver(Fixtures.short) }
            let client = try await server.select()
            let refused = try await client.command("SORT RETURN (UPDATE COUNT) (SIZE) UTF-8 ALL", tag: "a")
            #expect(refused.first == "* ESEARCH (TAG \"a\") COUNT 4")
            #expect(refused[1] == "* NO [NOUPDATE \"a\"] Too many messages to keep sorted")
            #expect(try await client.command("SEARCH RETURN (UPDATE COUNT) ALL", tag: "b").count == 2)
            #expect(try await client.command("SEARCH RETURN (UPDATE COUNT) ALL", tag: "c").count == 3)
            try await client.ok("CANCELUPDATE \"b\"")
            for tag in ["d", "e"] {
                #expect(try await client.command("SEARCH RETURN (UPDATE COUNT) DELETED", tag: tag).count == 2)
            }
            #expect(
                try await client.command("SEARCH RETURN (UPDATE COUNT) DELETED", tag: "f")[1].hasPrefix(
                    "* NO [NOUPDATE \"f\"]"))
            await client.close()
        }
    }

    @Test("What storage could not say is told when it is back", .timeLimit(.minutes(1)))
    func storageAway() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.select()
            let sort = "UID SORT RETURN (UPDATE) (DATE) UTF-8 SUBJECT hello"
            #expect(try await client.command(sort, tag: "a").count == 2)
            server.store.deliver(Fixtures.reply)
            #expect(try await client.ok("NOOP").last == "* ESEARCH (TAG \"a\") UID ADDTO (2 2)")
            server.store.deliver(Fixtures.echo)
            server.store.setFault(MessagingError(.unavailable, "test"))
            _ = try await client.command("NOOP")
            server.store.setFault(nil)
            #expect(try await client.ok("NOOP").last == "* ESEARCH (TAG \"a\") UID ADDTO (3 3)")
            await client.close()
        }
    }

    @Test("Sequence numbers and what was saved mean the messages that they meant")
    func pinned() throws {
        var columns = MailboxColumns(mailbox: Mailbox())
        for uid: UInt32 in [3, 5, 8] { columns.put(MessageRow(uid: uid, flags: 0, modseq: 1, date: 0, size: 1)) }
        func pinned(_ criteria: String) throws -> [SearchKey] {
            try SearchKey.criteria(ByteBuffer(string: criteria)).map {
                $0.pinned(to: columns, savedResult: [5])
            }
        }
        func keys(_ criteria: String) throws -> [SearchKey] { try SearchKey.criteria(ByteBuffer(string: criteria)) }
        #expect(
            try pinned("2:* NOT 1 OR $ UID $ (9 UID 9)")
                == keys("UID 5,8 NOT UID 3 OR UID 5 UID 5 (NOT ALL UID 9)"))
        #expect(try pinned("7:7 SEEN") == keys("NOT ALL SEEN"))
        #expect(try pinned("UID 5:*") == keys("UID 5:*"))
    }
}
