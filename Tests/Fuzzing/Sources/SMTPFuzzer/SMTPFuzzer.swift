// Both directions of an SMTP connection: command lines, message text, replies. Whatever comes, whole or in two pieces,
// the result is the same, and nothing traps.

import FuzzDriver
import NIOCore
import SMTPSyntax

private func lines(of pieces: [ArraySlice<UInt8>]) -> [LineFramer.Outcome] {
    var framer = LineFramer()
    var buffer = ByteBuffer()
    var found: [LineFramer.Outcome] = []
    for piece in pieces {
        buffer.writeBytes(piece)
        loop: while true {
            let outcome = framer.next(&buffer, limit: 512)
            switch outcome {
            case .needMore: break loop
            case .line(let line):
                found.append(.line(ByteBuffer(bytes: line.readableBytesView)))
                _ = try? Command.parse(line)
            case .tooLong: found.append(outcome)
            }
        }
    }
    return found
}

private func message(of pieces: [ArraySlice<UInt8>]) -> (content: [UInt8], ended: Bool, violation: NewlineViolation?) {
    var decoder = DataDecoder()
    var buffer = ByteBuffer()
    var content: [UInt8] = []
    for piece in pieces {
        buffer.writeBytes(piece)
        loop: while true {
            switch decoder.next(&buffer) {
            case .content(let slice): content += slice.readableBytesView
            case .end: return (content, true, decoder.violation)
            case .needMore: break loop
            }
        }
    }
    return (content, false, decoder.violation)
}

@main
enum SMTPFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            guard let first = input.first else { return 0 }
            let rest = input.dropFirst()
            let middle = rest.startIndex + Int(first) % max(1, rest.count + 1)
            let whole = [rest[...]]
            let halves = [rest[..<middle], rest[middle...]]
            check(lines(of: whole) == lines(of: halves), "a line depends on how it came")
            let (one, two) = (message(of: whole), message(of: halves))
            check(one.content == two.content && one.ended == two.ended, "a message depends on how it came")
            check(!one.ended || one.violation == two.violation, "a violation depends on how it came")
            var parser = ReplyParser()
            var buffer = ByteBuffer(bytes: rest)
            while let reply = try? parser.next(&buffer) {
                var printed = ByteBuffer()
                reply.write(to: &printed)
            }
            return 0
        }
    }
}
