import Testing

@testable import MailMessage

/// What must hold of the index of any message whatever.
func expectSound(_ message: ParsedMessage, of octets: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
    let parts = message.index.parts
    #expect(message.index.octetCount == octets.count, sourceLocation: sourceLocation)
    #expect(parts[0].header.lowerBound == 0 && parts[0].subtreeEnd == parts.count, sourceLocation: sourceLocation)
    for (position, part) in parts.enumerated() {
        #expect(part.header.upperBound == part.body.lowerBound, sourceLocation: sourceLocation)
        #expect(part.body.upperBound <= octets.count, sourceLocation: sourceLocation)
        let lines = octets[part.body].reduce(0) { $0 + ($1 == 0x0A ? 1 : 0) }
        #expect(part.lineCount == lines, "lines of part \(position)", sourceLocation: sourceLocation)
        let children = message.index.children(of: position)
        switch part.structure {
        case .leaf: #expect(children.isEmpty, sourceLocation: sourceLocation)
        case .multipart: #expect(!children.isEmpty, sourceLocation: sourceLocation)
        case .message: #expect(children.count == 1 && part.envelope != nil, sourceLocation: sourceLocation)
        }
        var end = part.body.lowerBound
        for child in children {
            #expect(parts[child].header.lowerBound >= end, sourceLocation: sourceLocation)
            end = parts[child].body.upperBound
            #expect(end <= part.body.upperBound, sourceLocation: sourceLocation)
        }
    }
    #expect((try? MIMEIndex(decoding: message.index.encoded())) == message.index, sourceLocation: sourceLocation)
    for printed in [message.envelopeOctets(), message.bodyStructureOctets(), message.bodyOctets()] {
        #expect(isIMAPValue(printed), "\(text(printed))", sourceLocation: sourceLocation)
    }
}

/// Whether octets are one parenthesised value of IMAP: atoms, quoted strings, literals and lists.
func isIMAPValue(_ octets: [UInt8]) -> Bool {
    var depth = 0
    var position = 0
    while position < octets.count {
        switch octets[position] {
        case UInt8(ascii: "("): depth += 1
        case UInt8(ascii: ")"):
            depth -= 1
            if depth == 0 { return position == octets.count - 1 }
        case UInt8(ascii: "\""):
            position += 1
            while position < octets.count, octets[position] != UInt8(ascii: "\"") {
                guard octets[position] < 0x80, ![0, 10, 13].contains(octets[position]) else { return false }
                position += octets[position] == UInt8(ascii: "\\") ? 2 : 1
            }
        case UInt8(ascii: "{"):
            guard let close = octets[position...].firstIndex(of: UInt8(ascii: "}")),
                let length = Int(text(octets[(position + 1)..<close])), octets.count >= close + 3 + length,
                octets[close + 1] == 13, octets[close + 2] == 10,
                !octets[(close + 3)..<(close + 3 + length)].contains(0)
            else { return false }
            position = close + 2 + length
        case 0x20, 0x30...0x39, UInt8(ascii: "A")...UInt8(ascii: "Z"): break
        case _: return false
        }
        position += 1
    }
    return false
}
