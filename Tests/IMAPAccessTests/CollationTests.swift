import Foundation
import TestRandomness
import Testing

@testable import IMAPAccess

/// i;unicode-casemap (RFC 5051) and how it orders fields (RFC 5255, 4.6).
@Suite("Collation")
struct CollationTests {
    private func folded(_ text: String) -> String {
        String(decoding: UnicodeCasemap.folded(Array(text.utf8)), as: UTF8.self)
    }

    @Test("Title case, then every decomposition")
    func examples() {
        // RFC 5051, 2 works this one out.
        #expect(Array(folded("\u{1C4}").unicodeScalars) == ["D", "z", "\u{30C}"])
        #expect(folded("hello, World 42") == "HELLO, WORLD 42")
        #expect(Array(folded("é").unicodeScalars) == ["E", "\u{301}"])
        #expect(Array(folded("e\u{301}").unicodeScalars) == ["E", "\u{301}"])
        #expect(Array(folded("ÿ").unicodeScalars) == ["Y", "\u{308}"])
        #expect(Array(folded("ẫ").unicodeScalars) == ["A", "\u{302}", "\u{303}"])
        // No title case of one character, and none of several that UnicodeData.txt knows.
        #expect(folded("ß") == "ß")
        #expect(folded("привет") == "ПРИВЕТ")
        #expect(folded("ς") == folded("Σ"))
        #expect(folded("ａｂｃ") == "ABC")
        #expect(folded("ﬁ") == "fi")
        #expect(folded("½") == "1\u{2044}2")
        #expect(folded("𐐨") == "𐐀")
        #expect(Array(folded("한").unicodeScalars) == ["\u{1112}", "\u{1161}", "\u{11AB}"])
        #expect(Array(folded("가").unicodeScalars) == ["\u{1100}", "\u{1161}"])
        #expect(folded("日本語😀") == "日本語😀")
    }

    @Test("Every character of Unicode 14 as the system's own tables have it", .timeLimit(.minutes(2)))
    func allCharacters() async {
        var wrong: [Unicode.Scalar] = []
        for value in (0..<0x110000 as Range<UInt32>) {
            if value % 1000 == 0 { await Task.yield() }
            guard let scalar = Unicode.Scalar(value), let age = scalar.properties.age, age.major <= 14 else { continue }
            // A title case of several characters is not in UnicodeData.txt.
            let title = scalar.properties.titlecaseMapping.unicodeScalars
            let simple = title.count == 1 ? String(String.UnicodeScalarView(title)) : String(Character(scalar))
            // Later versions have given title cases to a few characters.
            if simple.unicodeScalars.contains(where: { ($0.properties.age?.major ?? .max) > 14 }) { continue }
            let expected = simple.decomposedStringWithCompatibilityMapping
            let found = UnicodeCasemap.folded(Array(String(Character(scalar)).utf8))
            if found != Array(expected.utf8) { wrong.append(scalar) }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(20).map { String($0.value, radix: 16) })")
    }

    @Test("Octets that are no UTF-8 stay, wherever they stand")
    func malformed() {
        #expect(UnicodeCasemap.folded([0x61, 0xFF, 0x62, 0xC3]) == [0x41, 0xFF, 0x42, 0xC3])
        #expect(UnicodeCasemap.folded([0xE2, 0x82, 0x61]) == [0xE2, 0x82, 0x41])
        #expect(UnicodeCasemap.folded([0xF4, 0x90, 0x80, 0x80]) == [0xF4, 0x90, 0x80, 0x80])
        #expect(UnicodeCasemap.folded([]) == [])
        var generator = SeededGenerator(seed: 5051)
        for _ in 0..<5000 {
            let octets = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            _ = UnicodeCasemap.folded(octets)
        }
    }

    /// The base64 of the four strings of RFC 5255, 4.6.
    @Test("What cannot be read comes last, by its octets (RFC 5255, 4.6)")
    func unreadable() {
        let first = FieldText(Array("=?utf-8?b?0MDQvdC00YDQtdC5?=".utf8))
        let second = FieldText(Array("=?utf-8?b?0YHQldCg0JPQldCZ?=".utf8))
        let third = FieldText(Array("=?utf-8?b?0JLQsNGB0LjQu9C4/7k=?=".utf8))
        let fourth = FieldText(Array("=?koi8-r?b?4czFy9PFyg==?=".utf8))
        #expect([first, second, third, fourth].map(\.isReadable) == [false, true, false, true])
        #expect(third.octets.suffix(2) == [0xFF, 0xB9])
        let keys = [first, second, third, fourth].map(\.collationKey)
        let order = keys.indices.sorted { keys[$0].lexicographicallyPrecedes(keys[$1]) }.map { $0 + 1 }
        #expect(order == [4, 2, 3, 1])
        #expect(FieldText([]).collationKey == [])
    }

    @Test("A column compares as its keys do")
    func column() {
        var generator = SeededGenerator(seed: 11)
        var column = KeyColumn()
        var keys: [[UInt8]] = []
        for _ in 0..<300 {
            // Few different octets, zero among them, so that many have the same beginning.
            let key = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                UInt8.random(in: 0...1, using: &generator)
            }
            keys.append(key)
            column.append(key)
        }
        for first in keys.indices {
            for second in keys.indices {
                let expected =
                    keys[first].lexicographicallyPrecedes(keys[second])
                    ? -1 : keys[second].lexicographicallyPrecedes(keys[first]) ? 1 : 0
                #expect(column.compare(first, second).signum() == expected)
            }
        }
    }

    @Test("A long field decides by its beginning")
    func limit() {
        let long = FieldText([UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000))
        #expect(long.collationKey.count == 1024)
        #expect(FieldText(Array(String(repeating: "ẫ", count: 1000).utf8)).collationKey.count == 1024)
    }
}
