import NIOCore
import SMTPSyntax

func parse(_ line: String) throws(CommandError) -> Command {
    try Command.parse(ByteBuffer(string: line))
}

/// The problem of a line that is no command; nil when it is one.
func problem(of line: String) -> CommandError.Problem? {
    do throws(CommandError) {
        _ = try parse(line)
        return nil
    } catch {
        return error.problem
    }
}

/// What a decoder makes of a stream that comes in these pieces: the content, whether it ended, what is left.
func decode(_ pieces: [[UInt8]]) -> (content: [UInt8], ended: Bool, rest: [UInt8], violation: NewlineViolation?) {
    var decoder = DataDecoder()
    var content: [UInt8] = []
    for (position, piece) in pieces.enumerated() {
        var buffer = ByteBuffer(bytes: piece)
        reading: while true {
            switch decoder.next(&buffer) {
            case .content(let slice):
                content += slice.readableBytesView
            case .needMore:
                break reading
            case .end:
                let rest = Array(buffer.readableBytesView) + pieces[(position + 1)...].flatMap { $0 }
                return (content, true, rest, decoder.violation)
            }
        }
    }
    return (content, false, [], decoder.violation)
}

/// A stream cut into pieces in every way that has one cut, and octet by octet.
func splits(_ octets: [UInt8]) -> [[[UInt8]]] {
    var all = (0...octets.count).map { [Array(octets[..<$0]), Array(octets[$0...])] }
    all.append(octets.map { [$0] })
    return all
}
