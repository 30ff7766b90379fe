import Foundation
import Testing

@testable import SASL

struct SASLprepTests {
    private func prepared(_ text: String, _ use: SASLprep.Use = .stored) throws -> String {
        String(decoding: try SASLprep.prepare(text, for: use), as: UTF8.self)
    }

    /// RFC 4013, 3.
    @Test(arguments: [
        ("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("\u{2168}", "IX"),
    ])
    func theStandardsExamples(text: String, expected: String) throws {
        #expect(try prepared(text) == expected)
    }

    @Test func theStandardsExamplesOfRefusal() {
        #expect(throws: SASLprep.Failure.prohibited("\u{7}")) { try prepared("\u{7}") }
        #expect(throws: SASLprep.Failure.bidirectional) { try prepared("\u{627}1") }
    }

    /// RFC 4013, 2.1: spaces become U+0020; RFC 3454, B.1 disappears.
    @Test func mapping() throws {
        #expect(try prepared("a\u{A0}b\u{3000}c\u{1680}d") == "a b c d")
        #expect(try prepared("a\u{200C}b\u{FEFF}c\u{2060}") == "abc")
        #expect(try prepared("\u{AD}").isEmpty)
    }

    /// RFC 4013, 2.3: one of each kind that normalisation does not take away.
    @Test(arguments: [
        0x7F, 0x85, 0xE000, 0xF0000, 0xFDD0, 0x1FFFF, 0xFFF9, 0xFFFD, 0x2FF0, 0x200E, 0xE0041, 0x1D173,
    ])
    func prohibition(value: UInt32) throws {
        let scalar = try #require(Unicode.Scalar(value))
        for use in [SASLprep.Use.stored, .query] {
            #expect(throws: SASLprep.Failure.prohibited(scalar)) { try prepared("a\(scalar)", use) }
        }
    }

    /// RFC 3454, 6.
    @Test func directions() throws {
        #expect(try prepared("\u{5D0}\u{5D1}") == "\u{5D0}\u{5D1}")
        #expect(try prepared("\u{627}1\u{628}") == "\u{627}1\u{628}")
        for text in ["\u{5D0}a", "a\u{5D0}", "\u{5D0}a\u{5D1}", "1\u{5D0}"] {
            #expect(throws: SASLprep.Failure.bidirectional) { try prepared(text) }
        }
    }

    /// RFC 3454, 7: U+0221 was not assigned in Unicode 3.2.
    @Test func whatWasNotAssignedIsComparedButNotKept() throws {
        #expect(throws: SASLprep.Failure.unassigned("\u{221}")) { try prepared("\u{221}", .stored) }
        #expect(try prepared("\u{221}", .query) == "\u{221}")
    }

    /// UAX 15's own examples: composed, decomposed, in another order, compatible.
    @Test(arguments: [
        ("A\u{30A}", "\u{C5}"), ("\u{212B}", "\u{C5}"), ("s\u{307}\u{323}", "\u{1E69}"), ("\u{FB01}", "fi"),
        ("\u{1112}\u{1161}\u{11AB}", "\u{D55C}"), ("\u{FF21}", "A"), ("\u{1E9B}\u{323}", "\u{1E69}"),
        ("2\u{2075}", "25"),
    ])
    func normalization(text: String, expected: String) throws {
        let octets = try SASLprep.prepare(text, for: .stored)
        #expect(octets == Array(expected.utf8))
    }

    /// Foundation normalises by today's Unicode. For what was assigned in 3.2 normalisation never changes, apart from a
    /// handful of corrected ideographs.
    @Test func normalizationOfEachCodePointAgreesWithFoundations() {
        let corrected: Set<UInt32> = [0xF951, 0x2F868, 0x2F874, 0x2F91F, 0x2F95F, 0x2F9BF]
        let assigned = (0x80...0x2FFFF).compactMap { Unicode.Scalar(UInt32($0)) }.filter {
            !StringprepTables.unassigned.contains($0) && !corrected.contains($0.value)
        }
        func check(_ scalars: [Unicode.Scalar]) -> Bool {
            let text = String(String.UnicodeScalarView(scalars))
            return Normalization.unicode3_2.formKC(scalars)
                == Array(text.precomposedStringWithCompatibilityMapping.unicodeScalars)
        }
        // Each by itself, except the large regular blocks of ideographs and syllables, of which every 50th.
        for scalar in assigned
        where !(0x3400...0xD7A3 ~= scalar.value || 0x20000...0x2A6D6 ~= scalar.value)
            || scalar.value % 50 == 0
        {
            if !check([scalar]) { Issue.record("U+\(String(scalar.value, radix: 16))") }
        }
    }

    @Test func sequencesAreOrderedAndComposed() {
        for line in normalizationVectors.split(separator: "\n") {
            let sides = line.split(separator: "=").map { side in
                side.split(separator: "+").compactMap { UInt32($0, radix: 16).flatMap(Unicode.Scalar.init) }
            }
            #expect(sides.count == 2)
            #expect(Normalization.unicode3_2.formKC(sides[0]) == sides[1], "\(line)")
            #expect(Normalization.unicode3_2.formKC(sides[1]) == sides[1], "\(line)")
        }
    }
}

/// Seeded, so that a failure can be repeated.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
