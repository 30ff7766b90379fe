import Contracts
import IMAPSyntax
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

@Suite("The index of texts")
struct TextIndexTests {
    /// The numbers of the messages that match.
    private func search(_ store: MemoryStore, _ keys: SearchKey...) async throws -> [Int] {
        try await store.search(keys).matches().map { $0 + 1 }
    }

    private func text(_ text: String) -> SearchKey { .text(ByteBuffer(string: text)) }
    private func body(_ text: String) -> SearchKey { .body(ByteBuffer(string: text)) }

    private func store(_ count: Int) -> MemoryStore {
        let store = MemoryStore()
        for number in 1...count {
            let name = number % 7 == 0 ? "Grüße" : "greetings"
            store.deliver("Subject: Number \(number)\r\nX-Kind: header\(number % 5)\r\n\r\n\(name) of \(number)\r\n")
        }
        return store
    }

    @Test("is made by the first search, and spares the next what cannot match")
    func spares() async throws {
        let store = store(600)
        #expect(try await search(store, text("of 77\r\n")) == [77])
        #expect(store.calls("addTextSegment") == 2)
        let before = store.calls("fetched messages")
        #expect(before == 600)
        #expect(try await search(store, text("of 77\r\n")) == [77])
        // The rest that makes no segment, and the one that matches.
        #expect(store.calls("fetched messages") - before < 600 - 512 + 10)
        #expect(store.calls("addTextSegment") == 2)
    }

    @Test("hides nothing that is new, moved away or gone")
    func changes() async throws {
        let store = store(300)
        _ = try await search(store, text("of 5"))
        store.deliver("Subject: late\r\n\r\nlate of 77\r\n")
        #expect(try await search(store, text("OF 77")) == [77, 301])
        store.state.withLock { state in
            _ = state.mailboxes[0].remove([77, 1])
        }
        #expect(try await search(store, text("OF 77")) == [299])
        #expect(try await search(store, .not(text("of"))) == [])
    }

    @Test("answers as reading does, whatever is asked")
    func agrees() async throws {
        let fresh = store(300)
        var generator = SeededGenerator(seed: 11)
        let needles = [
            "GRÜSSE", "grüße", "ings of 1", "header3", "Number 2", "of", "", "x-kind: header4", "nowhere", "Ü",
        ]
        for _ in 0..<25 {
            let (first, second) = (
                needles.randomElement(using: &generator) ?? "", needles.randomElement(using: &generator) ?? ""
            )
            let keys: [SearchKey] = [
                text(first), body(first), .not(text(first)), .or(body(first), text(second)),
                .and([text(first), .not(body(second))]),
                .or(.header("subject", ByteBuffer(string: "7")), .not(text(second))),
            ]
            let key = keys.randomElement(using: &generator) ?? .all
            let read = store(300)
            let expected = try await search(read, key)
            _ = try await search(fresh, text("nothing says this"))
            #expect(fresh.calls("addTextSegment") == 1)
            #expect(try await search(fresh, key) == expected, "\(key)")
        }
    }

    @Test("has all bits of each needle that a text holds, however it is cut")
    func signatures() {
        var generator = SeededGenerator(seed: 3)
        let alphabet = Array("abcxyzÄäßéΩ漢字😀 .\n")
        for _ in 0..<300 {
            let characters = (0..<Int.random(in: 3...400, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? "a"
            }
            let start = Int.random(in: 0..<characters.count, using: &generator)
            let end = Int.random(in: start...min(characters.count, start + 20), using: &generator)
            let needle = TextNeedle(String(characters[start..<end]))
            var scanner = TextScanner([needle], signing: true)
            var rest = Array(String(characters).utf8)[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...50, using: &generator))
                scanner.consume(piece)
                rest = rest.dropFirst(piece.count)
            }
            scanner.endOfText()
            #expect(scanner.found == [true])
            var rows = Set<Int>()
            scanner.signature?.forEachRow { rows.insert($0) }
            #expect(rows.isSuperset(of: needle.signatureRows))
            #expect(needle.octets.count < 3 || !needle.signatureRows.isEmpty)
        }
    }

    @Test("of long needles asks for few bits, from all over them")
    func manyRows() {
        let needle = TextNeedle(String((0..<200).map { Character(UnicodeScalar(UInt8(33 + $0 % 90))) }))
        #expect((2...12).contains(needle.signatureRows.count))
        #expect(TextIndex([TextNeedle("ab")]) == nil)
    }
}
