// Messages as the world sends them. In one piece or two, the index is the same; the index survives its own codec; every
// range that it names lies within the message.

import FuzzDriver
import MailMessage

/// The text of HTML that comes in pieces.
private func visible(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
    var reducer = HTMLText()
    var output: [UInt8] = []
    for piece in pieces { reducer.reduce(piece, into: &output) }
    reducer.finish(into: &output)
    return output
}

@main
enum MIMEFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            guard let first = input.first else { return 0 }
            let rest = Array(input.dropFirst())
            let middle = Int(first) % (rest.count + 1)
            let limits = MIMELimits()
            _ = try? MIMEIndex(decoding: rest)
            check(
                visible([rest[...]]) == visible([rest[..<middle], rest[middle...]]), "HTML depends on how it came")
            guard let whole = try? MessageParser.parse(rest, limits: limits) else { return 0 }
            var parser = MessageParser(limits: limits)
            guard (try? parser.consume(rest[..<middle])) != nil, (try? parser.consume(rest[middle...])) != nil,
                let halves = try? parser.finish()
            else { fatalError("accepted in one piece, refused in two") }
            check(whole.index.encoded() == halves.index.encoded(), "the index depends on how the octets came")
            check(whole.envelopeOctets() == halves.envelopeOctets(), "the envelope depends on how it came")
            _ = whole.bodyStructureOctets()
            guard let decoded = try? MIMEIndex(decoding: whole.index.encoded()) else {
                fatalError("the index cannot be read back")
            }
            check(decoded.encoded() == whole.index.encoded(), "the index changed in its codec")
            for part in whole.index.parts {
                check(part.header.upperBound <= rest.count && part.body.upperBound <= rest.count)
                guard var decoder = TransferDecoder(part.encoding) else { continue }
                var decoded: [UInt8] = []
                decoder.decode(rest[part.body], into: &decoded)
                decoder.finish(into: &decoded)
            }
            return 0
        }
    }
}
