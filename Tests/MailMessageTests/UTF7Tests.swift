import Foundation
import TestRandomness
import Testing

@testable import MailMessage

@Suite("UTF-7")
struct UTF7Tests {
    private func decode(_ pieces: [[UInt8]]) -> String? {
        let decoder = CharsetDecoder(charset: "UTF-7")
        var output: [UInt8] = []
        for piece in pieces { decoder.decode(piece, into: &output) }
        decoder.finish(into: &output)
        return String(validating: output, as: UTF8.self)
    }

    @Test(
        "The RFC's examples (RFC 2152), and what is invalid",
        arguments: [
            ("A+ImIDkQ.", "A\u{2262}\u{391}."), ("Hi Mom -+Jjo--!", "Hi Mom -\u{263A}-!"), ("+ZeVnLIqe-", "日本語"),
            ("Item 3 is +AKM-1.", "Item 3 is £1."), ("1 +- 1 = 2", "1 + 1 = 2"), ("+2D3cqQ-", "\u{1F4A9}"),
            // Halves of pairs, bits that are left, the end of the text, octets beyond US-ASCII.
            ("+2D0-x", "\u{FFFD}x"), ("+2D0AQQ-", "\u{FFFD}A"), ("+3Kk-", "\u{FFFD}"), ("+AKN-", "£\u{FFFD}"),
            ("+AK", "\u{FFFD}"), ("+", ""), ("+AKM", "£"), ("\u{E9}", "\u{FFFD}\u{FFFD}"),
            ("+AKM\u{E9}", "£\u{FFFD}\u{FFFD}"),
            ("+-+-", "++"), ("+AKM+", "£\u{FFFD}"), ("+finename*=~}", "\u{7E29}\u{FFFD}\u{A99E}*=~}"),
        ])
    func examples(_ text: String, _ expected: String) {
        #expect(decode([Array(text.utf8)]) == expected)
        #expect(decode(text.utf8.map { [$0] }) == expected)
        #expect(CharsetDecoder.decode(Array(text.utf8), charset: "unicode-1-1-utf-7") == expected)
    }

    @Test("Any text comes back, and however it is cut it is the same")
    func roundTrip() {
        var generator = SeededGenerator(seed: 2152)
        for _ in 0..<2000 {
            let scalars = generator.array(0...20) { generator -> Unicode.Scalar in
                let most: UInt32 = [0x7F, 0xFF, 0xFFFF, 0x10FFFF][Int.random(in: 0...3, using: &generator)]
                return Unicode.Scalar(UInt32.random(in: 0...most, using: &generator)) ?? "\u{D7FF}"
            }
            let text = String(String.UnicodeScalarView(scalars))
            let encoded = encode(text)
            #expect(decode([encoded]) == text)
            let noise = generator.array(0...40) { generator -> UInt8 in
                let octets = Array("+-/AZaz09DCd8 \u{E9}".utf8)
                return octets[Int.random(in: 0..<octets.count, using: &generator)]
            }
            for octets in [encoded, noise] {
                let whole = decode([octets])
                let cut = Int.random(in: 0...octets.count, using: &generator)
                #expect(whole != nil && decode([Array(octets[..<cut]), Array(octets[cut...])]) == whole)
            }
        }
    }

    /// What is not a letter or a digit is shifted.
    private func encode(_ text: String) -> [UInt8] {
        var output: [UInt8] = []
        var run: [UInt8] = []
        func end() {
            guard !run.isEmpty else { return }
            let digits = Data(run).base64EncodedString().prefix { $0 != "=" }
            output += Array("+\(digits)-".utf8)
            run = []
        }
        for scalar in text.unicodeScalars {
            if scalar.isASCII, scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) {
                end()
                output.append(UInt8(scalar.value))
            } else {
                for unit in UTF16.encode(scalar).map(Array.init) ?? [] {
                    run += [UInt8(unit >> 8), UInt8(unit & 0xFF)]
                }
            }
        }
        end()
        return output
    }
}
