import IMAPSyntax
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// FUZZY beyond what a dialogue shows (RFC 6203).
@Suite("Searching with tolerance")
struct FuzzyTests {
    private func score(_ query: String, _ text: String, pieces size: Int = .max) -> Int? {
        var scanner = FuzzyScanner(FuzzyQuery(query))
        var rest = Array(text.unicodeScalars)[...]
        while !rest.isEmpty {
            let piece = rest.prefix(size)
            rest = rest.dropFirst(piece.count)
            scanner.consume(Array(String(String.UnicodeScalarView(piece)).utf8))
        }
        scanner.endOfText()
        return scanner.score
    }

    @Test(
        "What texts count",
        arguments: [
            ("helo", "say Hello", 50), ("helo", "help", 50), ("hello", "well, HELLO!", 100), ("hello", "hellos", 100),
            ("imap break", "broken IMAP", 50), ("imap break", "break IMAP", 100), ("word", "sword", 100),
            ("report annual", "annual reporting", 90), ("receive", "recieve", 50), ("conference", "conferrense", 25),
            ("breaking", "break", 60), ("cafe", "Café", 100), ("GRÜßE", "grusse", nil), ("Straße 5", "5 straße", 100),
            ("help", "gelp", nil), ("cat", "cut", nil), ("a b c", "a", nil), ("a b", "a", 50), ("", "anything", 100),
            ("?!", "what?!", 100), ("?!", "what", nil), ("日本", "東京日本橋", 100), ("x", "", nil),
        ] as [(String, String, Int?)])
    func counts(_ query: String, _ text: String, _ expected: Int?) {
        #expect(score(query, text) == expected)
        #expect(score(query, text, pieces: 1) == expected)
    }

    @Test("However a text comes, it counts the same", arguments: 1...30 as ClosedRange<UInt64>)
    func pieces(seed: UInt64) async {
        var random = SeededGenerator(seed: seed)
        let letters = Array("aab cé-ß\n")
        func text(_ length: ClosedRange<Int>) -> String {
            String(
                (0..<Int.random(in: length, using: &random)).map { _ in letters.randomElement(using: &random) ?? "a" })
        }
        for _ in 0..<30 {
            let (query, content) = (text(1...12), text(0...200))
            let whole = score(query, content)
            for size in [1, 2, 7] { #expect(score(query, content, pieces: size) == whole, "\(query) in \(content)") }
            if let whole { #expect((1...100).contains(whole)) }
            if TextNeedle(query).occurs(in: TextNeedle.folded(Array(content.utf8))) { #expect(whole == 100) }
            await Task.yield()
        }
    }

    @Test("The distance of two words, against a plain recursion")
    func distances() {
        func plain(_ first: ArraySlice<UInt32>, _ second: ArraySlice<UInt32>) -> Int {
            guard let a = first.last, let b = second.last else { return first.count + second.count }
            var best = min(
                plain(first.dropLast(), second.dropLast()) + (a == b ? 0 : 1), plain(first.dropLast(), second) + 1,
                plain(first, second.dropLast()) + 1)
            if first.count > 1, second.count > 1, first.dropLast().last == b, second.dropLast().last == a {
                best = min(best, plain(first.dropLast(2), second.dropLast(2)) + 1)
            }
            return best
        }
        var random = SeededGenerator(seed: 4)
        for _ in 0..<400 {
            let words = (0..<2).map { _ in
                (0..<Int.random(in: 0...5, using: &random)).map { _ in UInt32.random(in: 1...3, using: &random) }
            }
            #expect(FuzzyQuery.distance(words[0], words[1]) == plain(words[0][...], words[1][...]), "\(words)")
        }
    }

    @Test("Strings and words of any length", .timeLimit(.minutes(1)))
    func sizes() async throws {
        let long = String(repeating: "x", count: 50_000)
        #expect(FuzzyQuery(long).words.map(\.count) == [32])
        #expect(score(long, long) == 100)
        #expect(score(String(repeating: "x", count: 40), String(repeating: "x", count: 39) + "y") == 80)
        let many = (0..<5000).map { "word\($0)" }.joined(separator: " ")
        #expect(FuzzyQuery(many).words.count == 16)
        // Sixteen words against a quarter of a megabyte of others that are nearly the same.
        let text = (0..<30_000).map { "wore\($0)" }.joined(separator: " ")
        #expect(try await blocking { self.score(many, text) } == 50)
    }

    @Test("Which keys are exact, and what a message has", arguments: 0..<8)
    func outline(_ bits: Int) throws {
        let keys = try SearchKey.criteria(
            ByteBuffer(
                string: "SEEN FUZZY (SUBJECT a OR BODY b DRAFT) OR FLAGGED FUZZY TEXT c LARGER 5 NOT FUZZY BODY d"))
        let outline = FuzzyOutline(keys, charset: nil)
        #expect(
            outline.leaves.map(\.place) == [.field("subject"), .body, .text])
        #expect(outline.exact.count == 3)
        let own = try SearchKey.criteria(ByteBuffer(string: "SEEN LARGER 5 NOT FUZZY BODY d"))
        #expect(outline.exact.last == own)
        // Draft, flagged, and what everything needs.
        let exact: [Set<Int>] = [bits & 1 == 0 ? [] : [7], bits & 2 == 0 ? [] : [7], bits & 4 == 0 ? [] : [7]]
        #expect(outline.isCandidate(7, exact) == (bits & 4 != 0))
        let body = 40
        let verdict = outline.verdict(7, exact, [80, bits & 1 == 0 ? body : nil, 30])
        if bits & 4 == 0 {
            #expect(verdict == nil)
        } else {
            let second = bits & 1 == 0 ? body : 100
            let third = bits & 2 == 0 ? 30 : 100
            #expect(verdict == FuzzyOutline.Verdict(score: ((80 + second) / 2 + third) / 2))
        }
        #expect(outline.verdict(7, [[7], [7], [7]], [nil, 1, 1]) == nil)
    }

    @Test("Only what exact keys leave is read, and what is gone is left out", .timeLimit(.minutes(1)))
    func reading() async throws {
        try await TestServer.run { server in
            for number in 1...200 {
                server.store.deliver(
                    "Subject: x\r\n\r\nnumber \(number) helo\r\n", flags: number.isMultiple(of: 2) ? ["\\Seen"] : [])
            }
            let client = try await server.select()
            server.store.state.withLock { _ = $0.mailboxes[0].remove([4]) }
            let found = try await client.ok("UID SEARCH SEEN FUZZY BODY hello")
            let expected = stride(from: 2, through: 200, by: 2).filter { $0 != 4 }.map { " \($0)" }.joined()
            #expect(found.first == "* SEARCH" + expected)
            #expect(server.store.calls("fetched messages") == 99)
            #expect(server.store.calls("fetchOctets") == 0)
            await client.close()
        }
    }
}
