// What an IMAP client may send. In one piece or two, the same commands come out, the parser keeps no more than its limits
// allow, and what was read prints as what is read the same. So do responses.

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

private func checkPrinted(_ command: TaggedCommand) {
    var parser = CommandParser()
    for piece in CommandPrinter(literals: .nonSynchronizing).print(command) { parser.feed(piece) }
    check(parser.next() == .command(command), "a command changed when it was printed: \(command)")
}

private func printed(_ response: Response) -> ByteBuffer {
    var printer = ResponsePrinter()
    printer.write(response)
    return printer.take()
}

private func checkPrinted(_ response: Response) {
    let octets = printed(response)
    var parser = ResponseParser()
    parser.feed(octets)
    guard case .response(let again) = parser.next() else {
        fatalError("a response was printed that cannot be read: \(String(buffer: octets))")
    }
    // Texts for people are changed where they must be, once.
    check(printed(again) == octets, "a response changed when it was printed: \(String(buffer: octets))")
}

@main
enum IMAPFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            guard let first = input.first else { return 0 }
            let rest = input.dropFirst()
            let middle = rest.startIndex + Int(first) % max(1, rest.count + 1)
            let whole = commands(of: [rest])
            check(
                whole == commands(of: [rest[..<middle], rest[middle...]]), "a command depends on how it came")
            for case .command(let command) in whole { checkPrinted(command) }
            var responses = ResponseParser()
            responses.feed(ByteBuffer(bytes: rest))
            loop: while true {
                switch responses.next() {
                case .needMore, .invalid: break loop
                case .response(let response): checkPrinted(response)
                }
            }
            return 0
        }
    }
}
