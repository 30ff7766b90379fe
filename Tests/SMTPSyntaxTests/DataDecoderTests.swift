import NIOCore
import SMTPSyntax
import TestRandomness
import Testing

@Suite struct DataDecoderTests {
    @Test(
        "Dots are taken away, and CRLF . CRLF ends the text (RFC 5321, 4.5.2), however the stream is cut",
        arguments: [
            ("a\r\n.\r\n", "a\r\n"), (".\r\n", ""), ("..\r\n.\r\n", ".\r\n"), ("..a\r\n.\r\n", ".a\r\n"),
            (".a\r\n.\r\n", "a\r\n"), ("\r\n.\r\n", "\r\n"), ("a\r\n\r\n...\r\nb.\r\n.\r\n", "a\r\n\r\n..\r\nb.\r\n"),
            ("a.\r\n.\r\n", "a.\r\n"), ("....\r\n.\r\n", "...\r\n"),
        ])
    func examples(stream: String, content: String) {
        for pieces in splits(Array((stream + "NEXT").utf8)) {
            let outcome = decode(pieces)
            #expect(outcome.content == Array(content.utf8))
            #expect(outcome.ended && outcome.rest == Array("NEXT".utf8) && outcome.violation == nil)
        }
    }

    @Test(
        "Nothing but CRLF . CRLF ends the text: the vectors of SMTP smuggling",
        arguments: [
            ("a\n.\n", NewlineViolation.bareLineFeed), ("a\n.\r\n", .bareLineFeed), ("a\r.\r\n", .bareCarriageReturn),
            ("a\r.\r", .bareCarriageReturn), ("a\r\n.\n", .bareLineFeed), ("a\r\n.\r\r\n", .bareCarriageReturn),
            ("a\r\n.\rb", .bareCarriageReturn), ("a\n\n.\r\n", .bareLineFeed), ("a\r\r\n.\n", .bareCarriageReturn),
            ("\n.\r\n", .bareLineFeed), ("\r.\r\n", .bareCarriageReturn), (".\n", .bareLineFeed),
            (".\r.\r\n", .bareCarriageReturn), ("a\0\n.\r\n", .bareLineFeed), ("a\r\0\n.\r\n", .bareCarriageReturn),
        ])
    func smuggling(vector: String, violation: NewlineViolation) {
        let smuggled = vector + "MAIL FROM:<evil@example.test>\r\n"
        for pieces in splits(Array((smuggled + "end\r\n.\r\n").utf8)) {
            let outcome = decode(pieces)
            #expect(outcome.ended && outcome.rest.isEmpty, "all of it is text up to the real end")
            #expect(outcome.violation == violation)
        }
        #expect(!decode([Array(smuggled.utf8)]).ended)
    }

    @Test("A second reading of RFC 5321, 4.5.2, octet by octet, agrees on random streams")
    func model() {
        var generator = SeededGenerator(seed: 2_920)
        for _ in 0..<20_000 {
            let stream = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                generator.pick([0x0D, 0x0A, 0x2E, 0x61] as [UInt8])
            }
            let expected = Self.modelDecode(stream)
            let cut = Int.random(in: 0...stream.count, using: &generator)
            let outcome = decode([Array(stream[..<cut]), Array(stream[cut...])])
            #expect(outcome.ended == expected.ended && outcome.rest == expected.rest, "\(stream)")
            #expect((outcome.violation != nil) == expected.violated, "\(stream)")
            if !expected.violated && expected.ended { #expect(outcome.content == expected.content, "\(stream)") }
        }
    }

    /// Finds the end first, then looks at the lines.
    private static func modelDecode(_ stream: [UInt8]) -> (content: [UInt8], ended: Bool, rest: [UInt8], violated: Bool)
    {
        let padded = [0x0D, 0x0A] + stream
        let end = padded.indices.first { padded[$0...].starts(with: [0x0D, 0x0A, 0x2E, 0x0D, 0x0A]) }
        let text = end.map { Array(padded[2..<max(2, $0 + 2)]) } ?? stream
        var violated = false
        for index in text.indices {
            if text[index] == 0x0A, index == 0 || text[index - 1] != 0x0D { violated = true }
            if text[index] == 0x0D, index + 1 < text.count, text[index + 1] != 0x0A { violated = true }
        }
        var content: [UInt8] = []
        for index in text.indices {
            let startsLine = index == 0 || (index >= 2 && text[index - 2] == 0x0D && text[index - 1] == 0x0A)
            if startsLine && text[index] == 0x2E { continue }
            content.append(text[index])
        }
        return (content, end != nil, end.map { Array(padded[($0 + 5)...]) } ?? [], violated)
    }

    @Test("What the encoder writes the decoder reads back, however both are fed")
    func roundTrip() {
        var generator = SeededGenerator(seed: 821)
        let parts = ["\r\n", ".", "..", "a", "text of a line", "\r\n.", "\r\n..\r\n", "\r\n.\r\n", "æøå"]
        for _ in 0..<3_000 {
            var text = (0..<Int.random(in: 0...12, using: &generator)).map { _ in generator.pick(parts) }.joined()
            if !text.isEmpty, !text.hasSuffix("\r\n") { text += "\r\n" }
            let octets = Array(text.utf8)
            let cut = Int.random(in: 0...octets.count, using: &generator)
            var encoder = DataEncoder()
            var stream = ByteBuffer()
            encoder.encode(ByteBuffer(bytes: octets[..<cut]), to: &stream)
            encoder.encode(ByteBuffer(bytes: octets[cut...]), to: &stream)
            encoder.finish(&stream)
            let outcome = decode([Array(stream.readableBytesView)])
            #expect(outcome.content == octets && outcome.ended && outcome.rest.isEmpty && outcome.violation == nil)
        }
    }

    @Test("A text that does not end its last line is given an end")
    func missingEnd() {
        var encoder = DataEncoder()
        var stream = ByteBuffer()
        encoder.encode(ByteBuffer(string: "a"), to: &stream)
        encoder.finish(&stream)
        #expect(String(buffer: stream) == "a\r\n.\r\n")
    }

    @Test("Content without dots comes out in one slice for each buffer")
    func slices() {
        var decoder = DataDecoder()
        var buffer = ByteBuffer(string: String(repeating: "a line of text\r\n", count: 1_000))
        guard case .content(let content) = decoder.next(&buffer) else {
            Issue.record("no content")
            return
        }
        #expect(content.readableBytes == 16_000)
        #expect(decoder.next(&buffer) == .needMore)
    }

    @Test(
        "Chunks of text are looked through for bare CR and LF, however they are cut",
        arguments: [
            ("a\r\nb\r\n", nil), ("", nil), ("a\nb", NewlineViolation.bareLineFeed), ("a\rb", .bareCarriageReturn),
            ("a\r", .bareCarriageReturn), ("\n", .bareLineFeed), ("\r\r\n", .bareCarriageReturn),
            ("\r\n\n", .bareLineFeed),
        ] as [(String, NewlineViolation?)])
    func checker(text: String, violation: NewlineViolation?) {
        for pieces in splits(Array(text.utf8)) {
            var checker = NewlineChecker()
            for piece in pieces { checker.check(ByteBuffer(bytes: piece)) }
            checker.finish()
            #expect(checker.violation == violation)
        }
    }
}
