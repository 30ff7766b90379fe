import IMAPSyntax
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

@Suite("What fields say, near the readers")
struct KeptFieldTests {
    private static let texts = [
        "", "Tea", "teapot", "a =?utf-8?q?Caf=C3=A9?= in\r\n town", "=?iso-8859-1?q?stra=DFe?=", "folded\r\n\ttea pot",
        String(repeating: "long ", count: 300) + "tea", "pot\u{E9}",
    ]
    private static let needles = [
        "", "tea", "TEAPOT", "café", "CAFÉ", "strasse", "straße", "in town", "tea pot", "g t", "é",
    ]
    private static let names = ["Subject", "To", "CC", "From", "X-Other"]

    private static func deliver(to store: MemoryStore, _ generator: inout SeededGenerator) {
        var header = ""
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            header +=
                "\(names.randomElement(using: &generator) ?? ""): \(texts.randomElement(using: &generator) ?? "")\r\n"
        }
        store.deliver(header + "\r\nbody\r\n", flags: Bool.random(using: &generator) ? ["\\Seen"] : [])
    }

    private static func key(_ depth: Int, _ generator: inout SeededGenerator) -> SearchKey {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &generator) {
        case 0, 1:
            let field = SearchField.allCases.randomElement(using: &generator) ?? .subject
            return .field(field, ByteBuffer(string: needles.randomElement(using: &generator) ?? ""))
        case 2:
            let name = names.randomElement(using: &generator) ?? "Subject"
            return .header(name, ByteBuffer(string: needles.randomElement(using: &generator) ?? ""))
        case 3: return .flag(.seen)
        case 4: return .body(ByteBuffer(string: Bool.random(using: &generator) ? "body" : "tea"))
        case 5: return .not(key(depth - 1, &generator))
        case 6: return .or(key(depth - 1, &generator), key(depth - 1, &generator))
        default: return .and([key(depth - 1, &generator), key(depth - 1, &generator)])
        }
    }

    /// With little room only some of the texts are kept.
    @Test("is what the headers say, whatever has come and gone", arguments: 1...4, [1 << 20, 40_000])
    func agree(seed: Int, octets: Int) async throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let store = MemoryStore()
        let memory = SearchMemory(octets: octets)
        var number = 0
        for _ in 1...15 {
            let arrivals = number == 0 ? 100 : Int.random(in: 0...8, using: &generator)
            for _ in 0..<arrivals { Self.deliver(to: store, &generator) }
            number += arrivals
            let gone = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                UInt32.random(in: 1...UInt32(number), using: &generator)
            }
            store.state.withLock { _ = $0.mailboxes[0].remove(Set(gone)) }
            let search = try await store.search([Self.key(3, &generator)], memory)
            var bare = search
            bare.memory = SearchMemory(octets: 0)
            #expect(try await search.matches() == bare.matches(), "\(search.keys)")
        }
        let mailboxID = try await store.search([.all]).columns.mailbox.mailboxID
        let kept = try #require(memory.fields.find(mailboxID))
        #expect(kept.rows.count > 64)
        #expect(kept.octets <= octets / 2)
    }

    @Test("spares reading what was read; a search of few reads only those")
    func spare() async throws {
        let store = MemoryStore()
        let memory = SearchMemory(octets: 1 << 20)
        for _ in 1...100 { store.deliver("Subject: tea\r\nFrom: a@x\r\n\r\n") }
        func reads(_ keys: [SearchKey]) async throws -> Int {
            let before = store.calls("fetched messages")
            _ = try await store.search(keys, memory).matches()
            return store.calls("fetched messages") - before
        }
        let few = SearchKey.sequence(.set(try #require(SequenceSet(inOrder: [3, 5]))))
        let subject = SearchKey.field(.subject, ByteBuffer(string: "tea"))
        let originator = SearchKey.field(.from, ByteBuffer(string: "b"))
        #expect(try await reads([few, subject]) == 2)
        #expect(try await reads([subject]) == 100)
        #expect(try await reads([.or(subject, originator)]) == 0)
        store.deliver("Subject: tea\r\n\r\n")
        #expect(try await reads([originator]) == 1)
        // What is left to bodies is read once, with them.
        #expect(try await reads([.or(originator, .body(ByteBuffer(string: "b")))]) == 101)
        // Of a field that is not kept the headers are asked.
        #expect(try await reads([.header("X-Other", ByteBuffer(string: "tea"))]) == 101)
    }

    @Test("is not kept of a mailbox of so many messages that they would leave too little room for texts")
    func room() {
        #expect(SearchMemory(octets: 0).noFields(messages: 0) == nil)
        let memory = SearchMemory(octets: 80_000)
        #expect(memory.noFields(messages: 10_000 / FieldTexts.rowOctets) != nil)
        #expect(memory.noFields(messages: 10_000 / FieldTexts.rowOctets + 1) == nil)
    }
}
