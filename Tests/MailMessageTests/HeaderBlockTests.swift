import TestRandomness
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
        let named = chosen(from: block.octets, ["Subject", "x-none"])
        #expect(text(named) == "subject : Folded\r\n over\r\n\tlines \r\nSUBJECT: second\r\n\r\n")
        let others = chosen(from: block.octets, ["SUBJECT"], excluding: true)
        #expect(
            text(others) == "From sender@example.com Thu Jan  1 00:00:00 1970\r\nReceived: from a\r\n\tby b\r\n"
                + "no colon here\r\nTo: one@example.com\r\n\r\n")
        #expect(chosen(from: block.octets, []) == [13, 10])
    }

    @Test("without an empty line has none to give")
    func unterminated() {
        #expect(text(chosen(from: Array("A: b\nC: d".utf8), ["c"])) == "C: d")
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
            let all = chosen(from: octets, [], excluding: true)
            #expect(octets.starts(with: all))
            let fields = block.fields.filter { block.isNamed($0, "A".utf8) }.flatMap { octets[$0.whole] }
            #expect(chosen(from: octets, ["a"]) == fields + octets[block.emptyLine])
        }
    }

    /// What HEADER.FIELDS or HEADER.FIELDS.NOT answers with.
    private func chosen(from octets: [UInt8], _ names: [String], excluding: Bool = false) -> [UInt8] {
        let choice = HeaderFieldChoice(names: names.map(\.utf8), excluding: excluding)
        return octets.withUnsafeBufferPointer { choice.ranges(in: $0) }.flatMap { octets[$0] }
    }
}
