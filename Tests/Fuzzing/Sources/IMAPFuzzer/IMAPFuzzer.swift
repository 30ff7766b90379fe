// What an IMAP client may send. In one piece or two, the same commands come out, and the parser keeps no more than its
// limits allow.

import FuzzDriver
import IMAPSyntax
import NIOCore

private func commands(of pieces: [ArraySlice<UInt8>]) -> [CommandEvent] {
    var parser = CommandParser(limits: ParsingLimits())
    var found: [CommandEvent] = []
    for piece in pieces {
        parser.feed(ByteBuffer(bytes: piece))
        loop: while true {
            let event = parser.next()
            switch event {
            case .needMore: break loop
            case .messageOctets(let slice):
                // How the octets are cut depends on how they came; what they are does not.
                if case .messageOctets(var before)? = found.last {
                    found.removeLast()
                    before.writeBytes(slice.readableBytesView)
                    found.append(.messageOctets(ByteBuffer(bytes: before.readableBytesView)))
                } else {
                    found.append(.messageOctets(ByteBuffer(bytes: slice.readableBytesView)))
                }
            case .invalid(let failure):
                found.append(event)
                if failure.mustClose { return found }
            case .command, .literal, .append, .appendPart, .messageEnd, .appendNext, .appendEnd, .authenticationLine,
                .idleEnd:
                found.append(event)
            }
        }
    }
    return found
}

@main
enum IMAPFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            guard let first = input.first else { return 0 }
            let rest = input.dropFirst()
            let middle = rest.startIndex + Int(first) % max(1, rest.count + 1)
            precondition(
                commands(of: [rest]) == commands(of: [rest[..<middle], rest[middle...]]),
                "a command depends on how it came")
            var responses = ResponseParser()
            responses.feed(ByteBuffer(bytes: rest))
            loop: while true {
                switch responses.next() {
                case .needMore, .invalid: break loop
                case .response: continue
                }
            }
            return 0
        }
    }
}
