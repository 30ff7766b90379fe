import TestRandomness
import Testing

@testable import MailMessage

@Suite("The index")
struct MIMEIndexTests {
    /// The structure of RFC 9051, 6.4.5.1's example.
    static let example = wire(
        """
        Subject: whole
        Content-Type: multipart/mixed; boundary=A

        --A
        Content-Type: text/plain

        one
        --A
        Content-Type: application/octet-stream

        two
        --A
        Content-Type: message/rfc822

        Subject: three
        Content-Type: multipart/mixed; boundary=B

        --B
        Content-Type: text/plain

        three.one
        --B
        Content-Type: application/octet-stream

        three.two
        --B--
        --A
        Content-Type: multipart/mixed; boundary=C

        --C
        Content-Type: image/gif

        four.one
        --C
        Content-Type: message/rfc822

        Subject: four.two
        Content-Type: multipart/mixed; boundary=D

        --D
        Content-Type: text/plain

        four.two.one
        --D
        Content-Type: multipart/alternative; boundary=E

        --E
        Content-Type: text/plain

        four.two.two.one
        --E
        Content-Type: text/richtext

        four.two.two.two
        --E--
        --D--
        --C--
        --A--

        """)

    @Test(
        "answers each section of RFC 9051, 6.4.5.1",
        arguments: [
            ([1], "one"), ([2], "two"), ([3, 1], "three.one"), ([3, 2], "three.two"), ([4, 1], "four.one"),
            ([4, 2, 1], "four.two.one"), ([4, 2, 2, 1], "four.two.two.one"), ([4, 2, 2, 2], "four.two.two.two"),
        ])
    func leaves(_ path: [Int], _ expected: String) throws {
        let index = try MessageParser.parse(Self.example).index
        let range = try #require(index.octets(of: path, .body))
        #expect(text(Self.example[range]) == expected)
        #expect(index.part(at: path)?.body == range)
    }

    @Test("answers HEADER, TEXT and MIME")
    func texts() throws {
        let octets = Self.example
        let index = try MessageParser.parse(octets).index
        func section(_ path: [Int], _ content: SectionContent) -> String? {
            index.octets(of: path, content).map { text(octets[$0]) }
        }
        #expect(section([], .body) == text(octets))
        #expect(section([], .header) == "Subject: whole\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n")
        #expect(section([], .text)?.hasPrefix("--A\r\n") == true)
        #expect(section([], .mime) == nil)
        #expect(section([1], .mime) == "Content-Type: text/plain\r\n\r\n")
        #expect(section([1], .header) == nil && section([1], .text) == nil)
        #expect(section([3], .mime) == "Content-Type: message/rfc822\r\n\r\n")
        #expect(section([3], .header) == "Subject: three\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n")
        #expect(section([3], .text)?.hasSuffix("--B--") == true)
        #expect(section([3], .body)?.hasPrefix("Subject: three") == true)
        #expect(section([4, 2], .header)?.hasPrefix("Subject: four.two") == true)
        #expect(section([4, 2, 2, 1], .mime) == "Content-Type: text/plain\r\n\r\n")
        for path in [[0], [5], [1, 1], [3, 3], [4, 1, 1], [4, 2, 2, 3], [-1], [.max], [3, 1, 1]] {
            #expect(section(path, .body) == nil)
        }
    }

    @Test("part 1 of a message that is no multipart is its body")
    func singlePart() throws {
        let octets = wire("Subject: x\n\nbody\n")
        let index = try MessageParser.parse(octets).index
        #expect(index.octets(of: [1], .body) == index.root.body)
        #expect(index.octets(of: [1], .mime) == index.root.header)
        #expect(index.octets(of: [1, 1], .body) == nil)
        let nested = try MessageParser.parse(wire("Content-Type: message/rfc822\n\nSubject: in\n\ninner\n")).index
        #expect(nested.octets(of: [1], .header) == nested.parts[1].header)
        #expect(nested.octets(of: [1, 1], .body) == nested.parts[1].body)
        #expect(nested.octets(of: [1, 1, 1], .body) == nil)
    }

    @Test("is small: a plain message takes a few dozen octets")
    func size() throws {
        let index = try MessageParser.parse(wire("Subject: x\n\nbody\n")).index
        #expect(index.encoded().count < 48)
        #expect(try MIMEIndex(decoding: index.encoded()) == index)
        #expect(try MIMEIndex(decoding: MIMEIndex().encoded()) == MIMEIndex())
    }

    @Test("is refused when cut, prolonged, of another version")
    func damaged() throws {
        let encoded = try MessageParser.parse(Self.example).index.encoded()
        for length in 0..<encoded.count {
            #expect(throws: MIMEIndexError.malformed) { try MIMEIndex(decoding: encoded.prefix(length)) }
        }
        #expect(throws: MIMEIndexError.malformed) { try MIMEIndex(decoding: encoded + [0]) }
        #expect(throws: MIMEIndexError.unknownVersion(9)) { try MIMEIndex(decoding: [9] + encoded.dropFirst()) }
    }

    @Test("damaged anywhere never traps, nor do those who walk what is still sound")
    func corrupted() throws {
        let encoded = try MessageParser.parse(Self.example).index.encoded()
        var generator = SeededGenerator(seed: 21)
        for _ in 0..<5000 {
            var damaged = encoded
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let position = Int.random(in: 0..<damaged.count, using: &generator)
                damaged[position] = UInt8.random(in: 0...255, using: &generator)
            }
            guard let index = try? MIMEIndex(decoding: damaged) else { continue }
            #expect(try MIMEIndex(decoding: index.encoded()) == index)
            var writer = IMAPWriter()
            writer.bodyStructure(index, extended: true)
            for position in index.parts.indices { _ = index.children(of: position) }
            for path in [[1], [3, 1], [4, 2, 2, 2]] { _ = index.octets(of: path, .header) }
        }
    }
}
