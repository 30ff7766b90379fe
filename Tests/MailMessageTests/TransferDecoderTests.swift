import Foundation
import TestRandomness
import Testing

@testable import MailMessage

@Suite("Transfer encodings and charsets")
struct TransferDecoderTests {
    private func decode(_ body: [UInt8], _ encoding: TransferEncoding, pieces size: Int) -> [UInt8]? {
        guard var decoder = TransferDecoder(encoding) else { return nil }
        var output: [UInt8] = []
        for start in stride(from: 0, to: body.count, by: size) {
            decoder.decode(body[start..<min(start + size, body.count)], into: &output)
        }
        decoder.finish(into: &output)
        return output
    }

    @Test("base64 comes back however it is cut")
    func base64() {
        var generator = SeededGenerator(seed: 5)
        for length in 0..<200 {
            let octets = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let encoded = Array(Data(octets).base64EncodedData(options: [.lineLength76Characters]))
            for size in [1, 2, 3, 5, 1000] {
                #expect(decode(encoded, .base64, pieces: size) == octets)
            }
        }
    }

    @Test("base64 with junk, without padding, and glued together")
    func lenientBase64() {
        #expect(text(TransferDecoder.decode("aGVs*bG8".utf8, .base64) ?? []) == "hello")
        #expect(text(TransferDecoder.decode("aGVsbG8=\r\nIHdvcmxk".utf8, .base64) ?? []) == "hello world")
        #expect(TransferDecoder.decode("====".utf8, .base64) == [])
        #expect(TransferDecoder.decode("a".utf8, .base64) == [])
    }

    @Test(
        "quoted-printable",
        arguments: [
            (
                "Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
                "Now's the time for all folk to come to the aid of their country."
            ),
            ("a=3Db =C3=A4 =c3=a4", "a=b ä ä"),
            ("blanks at the end  \t\r\nnext\t \nlast  ", "blanks at the end\r\nnext\nlast"),
            ("soft with blanks =  \r\nnext=\t\nx", "soft with blanks nextx"),
            ("odd =zz = =4 =\u{3D}41 a\rb", "odd =zz = =4 =A a\rb"),
            ("ends in soft =", "ends in soft "), ("ends in escape=4", "ends in escape=4"), ("=", ""),
        ])
    func quotedPrintable(_ body: String, _ expected: String) {
        for size in 1...body.utf8.count {
            #expect(text(decode(Array(body.utf8), .quotedPrintable, pieces: size) ?? []) == expected)
        }
    }

    @Test("random octets decode without a trap, the same however cut")
    func garbage() {
        var generator = SeededGenerator(seed: 9)
        let alphabet: [UInt8] = Array("=4Az \t\r\n+/é".utf8)
        for _ in 0..<1000 {
            let octets = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            for encoding in [TransferEncoding.base64, .quotedPrintable, .eightBit] {
                #expect(
                    decode(octets, encoding, pieces: 1) == decode(octets, encoding, pieces: 100), "\(text(octets))")
            }
        }
    }

    @Test("an unknown encoding has no decoder")
    func unknown() {
        #expect(TransferDecoder(TransferEncoding(token: "X-UUencode")) == nil)
        #expect(TransferEncoding(token: "BASE64") == .base64)
    }

    @Test("charsets become UTF-8 however the text is cut")
    func charsets() throws {
        let texts: [(String, [UInt8], String)] = [
            ("utf-8", Array("Grüße, 日本語 👋".utf8), "Grüße, 日本語 👋"),
            ("ISO-8859-1", [0x47, 0x72, 0xFC, 0xDF, 0x65], "Grüße"),
            ("windows-1252", [0x80, 0x93, 0x78, 0x94], "€“x”"),
            ("koi8-r", [0xF0, 0xD2, 0xC9, 0xD7, 0xC5, 0xD4], "Привет"),
            ("shift_jis", [0x93, 0xFA, 0x96, 0x7B, 0x8C, 0xEA], "日本語"),
            ("iso-2022-jp", [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x1B, 0x28, 0x42, 0x61], "日本a"),
            ("gb2312", [0xC4, 0xE3, 0xBA, 0xC3], "你好"),
            ("utf-16", [0xFE, 0xFF, 0x00, 0x41, 0x20, 0xAC], "A€"),
        ]
        for (charset, octets, expected) in texts {
            for size in 1...octets.count {
                let decoder = CharsetDecoder(charset: charset)
                #expect(decoder.isKnown, "\(charset)")
                var output: [UInt8] = []
                for start in stride(from: 0, to: octets.count, by: size) {
                    decoder.decode(Array(octets[start..<min(start + size, octets.count)]), into: &output)
                }
                decoder.finish(into: &output)
                #expect(text(output) == expected, "\(charset) in pieces of \(size)")
            }
            #expect(CharsetDecoder.decode(octets, charset: charset) == expected)
        }
    }

    @Test("what is invalid in a charset becomes U+FFFD, and unknown charsets are guessed")
    func invalid() {
        #expect(CharsetDecoder.decode([0x61, 0xFF, 0x62], charset: "utf-8") == "a\u{FFFD}b")
        #expect(CharsetDecoder.decode([0x93, 0xFA, 0x93], charset: "shift_jis") == "日\u{FFFD}")
        #expect(CharsetDecoder.decode(Array("ä".utf8), charset: "x-unknown") == "ä")
        #expect(CharsetDecoder.decode([0xE4], charset: "x-unknown") == "ä")
        #expect(CharsetDecoder.decode([0xE4], charset: "us-ascii") == "ä")
        #expect(CharsetDecoder.decode([0x41], charset: "//IGNORE") == "A")
        #expect(!CharsetDecoder(charset: "utf-16//TRANSLIT").isKnown)
    }
}
