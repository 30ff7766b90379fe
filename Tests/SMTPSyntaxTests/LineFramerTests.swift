import NIOCore
import SMTPSyntax
import Testing

@Suite struct LineFramerTests {
    /// Lines that come out when a stream comes in these pieces; nil stands for one that was too long.
    private func lines(_ pieces: [[UInt8]], limit: Int = 64) -> [String?] {
        var framer = LineFramer()
        var buffer = ByteBuffer()
        var lines: [String?] = []
        for piece in pieces {
            buffer.writeBytes(piece)
            reading: while true {
                switch framer.next(&buffer, limit: limit) {
                case .line(let line): lines.append(String(buffer: line))
                case .tooLong: lines.append(nil)
                case .needMore: break reading
                }
            }
            #expect(buffer.readableBytes <= limit)
        }
        return lines
    }

    @Test("However the stream is cut, the same lines come out")
    func everySplit() {
        let long = String(repeating: "x", count: 63)
        let stream = Array("EHLO a\r\n\r\nbare\nLF\r\nbare\rCR\r\n\(long)\r\n\(long)\(long)\r\nafter\r\n\r\r\nx".utf8)
        let expected: [String?] = ["EHLO a", "", "bare\nLF", "bare\rCR", nil, nil, "after", "\r"]
        for pieces in splits(stream) { #expect(lines(pieces) == expected) }
    }

    @Test("The limit counts the CRLF (RFC 5321, 4.5.3.1.4)")
    func limit() {
        #expect(lines([Array("12345678\r\n".utf8)], limit: 10) == ["12345678"])
        #expect(lines([Array("123456789\r\n".utf8)], limit: 10) == [nil])
        #expect(lines(Array("123456789\r\nok\r\n".utf8).map { [$0] }, limit: 10) == [nil, "ok"])
    }

    @Test("A line without end is thrown away as it comes")
    func endless() {
        let pieces = Array(repeating: [UInt8](repeating: 0x41, count: 1_000), count: 100)
        #expect(lines(pieces + [Array("\r\nQUIT\r\n".utf8)], limit: 512) == [nil, "QUIT"])
    }

    @Test("A CR at the limit whose LF comes later still ends the line")
    func carriageReturnAtLimit() {
        #expect(lines([Array("aaaaaaaaaaaa\r".utf8), Array("\nb\r\n".utf8)], limit: 10) == [nil, "b"])
    }
}
