import Testing

@testable import MailMessage

@Suite("A header block")
struct HeaderBlockTests {
    let block = HeaderBlock(
        wire(
            """
            From sender@example.com Thu Jan  1 00:00:00 1970
            Received: from a
            \tby b
            subject : Folded
             over
            \tlines\u{20}
            no colon here
            To: one@example.com
            SUBJECT: second

            body: not a field

            """))

    @Test("lists fields with their folds")
    func fields() {
        #expect(block.fields.map { text(block.name(of: $0)) } == ["", "Received", "subject", "", "To", "SUBJECT"])
        #expect(text(block.firstValue(named: "Subject")) == "Folded over\tlines")
        #expect(text(block.firstValue(named: "received")) == "from a\tby b")
        #expect(block.fields(named: "subject").count == 2)
        #expect(block.firstValue(named: "body") == nil)
        #expect(block.emptyLine.count == 2)
    }

    @Test("every octet belongs to a field or to the empty line")
    func coverage() {
        var end = 0
        for field in block.fields {
            #expect(field.whole.lowerBound == end)
            end = field.whole.upperBound
        }
        #expect(block.emptyLine.lowerBound == end)
    }

    @Test("gives HEADER.FIELDS exactly as they stand, with the empty line (RFC 9051, 6.4.5.1)")
    func extraction() {
        let named = block.extract(names: [Array("Subject".utf8), Array("x-none".utf8)], excluding: false)
        #expect(text(named) == "subject : Folded\r\n over\r\n\tlines \r\nSUBJECT: second\r\n\r\n")
        let others = block.extract(names: [Array("SUBJECT".utf8)], excluding: true)
        #expect(
            text(others) == "From sender@example.com Thu Jan  1 00:00:00 1970\r\nReceived: from a\r\n\tby b\r\n"
                + "no colon here\r\nTo: one@example.com\r\n\r\n")
        #expect(block.extract(names: [], excluding: false) == [13, 10])
    }

    @Test("without an empty line has none to give")
    func unterminated() {
        let block = HeaderBlock(Array("A: b\nC: d".utf8))
        #expect(text(block.extract(names: [Array("c".utf8)], excluding: false)) == "C: d")
    }

    @Test("of any octets is cut without a trap")
    func garbage() {
        var generator = SeededGenerator(seed: 7)
        let alphabet: [UInt8] = Array("ab:\r\n\t \u{0}é".utf8)
        for _ in 0..<2000 {
            let octets = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            let block = HeaderBlock(octets)
            for field in block.fields { _ = block.value(of: field) }
            let all = block.extract(names: [], excluding: true)
            #expect(octets.starts(with: all))
        }
    }
}
