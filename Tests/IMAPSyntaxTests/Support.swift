import NIOCore

@testable import IMAPSyntax

extension ByteBuffer {
    /// Octets of a text.
    init(_ text: String) { self.init(string: text) }

    var text: String { String(buffer: self) }
}

/// Joins pieces into one buffer.
func joined(_ pieces: [ByteBuffer]) -> ByteBuffer {
    var all = ByteBuffer()
    for piece in pieces { all.writeImmutableBuffer(piece) }
    return all
}

/// Cuts octets into pieces of at most that size.
func pieces(of octets: ByteBuffer, size: Int) -> [ByteBuffer] {
    var rest = octets
    var pieces: [ByteBuffer] = []
    while let piece = rest.readSlice(length: min(size, rest.readableBytes)), piece.readableBytes > 0 {
        pieces.append(piece)
    }
    return pieces
}

/// Everything that the parser reports of some octets, `needMore` left out, pieces of a message put together.
/// `react` is called after each event, as a server would be.
func events(
    of pieces: [ByteBuffer], limits: ParsingLimits = ParsingLimits(), encoding: SessionEncoding = .modifiedUTF7,
    react: (inout CommandParser, CommandEvent) -> Void = reactLikeServer
) -> [CommandEvent] {
    var parser = CommandParser(limits: limits, encoding: encoding)
    var events: [CommandEvent] = []
    for piece in pieces {
        parser.feed(piece)
        while true {
            let event = parser.next()
            if event == .needMore { break }
            react(&parser, event)
            if case .messageOctets(let more) = event, case .messageOctets(let before)? = events.last {
                events[events.count - 1] = .messageOctets(joined([before, more]))
            } else {
                events.append(event)
            }
        }
    }
    return events
}

func events(
    of text: String, limits: ParsingLimits = ParsingLimits(), encoding: SessionEncoding = .modifiedUTF7,
    react: (inout CommandParser, CommandEvent) -> Void = reactLikeServer
) -> [CommandEvent] {
    events(of: [ByteBuffer(string: text)], limits: limits, encoding: encoding, react: react)
}

/// A server that asks for one line after AUTHENTICATE without an initial response, and accepts IDLE.
func reactLikeServer(_ parser: inout CommandParser, _ event: CommandEvent) {
    guard case .command(let command) = event else { return }
    switch command.command {
    case .authenticate(let arguments) where arguments.initialResponse == nil: parser.awaitAuthenticationLine()
    case .idle: parser.awaitIdleEnd()
    default: break
    }
}

/// The one command in some octets.
func command(_ text: String, encoding: SessionEncoding = .modifiedUTF7) -> Command? {
    let events = events(of: text, encoding: encoding).filter {
        if case .literal = $0 { false } else { true }
    }
    guard events.count == 1, case .command(let tagged)? = events.first else { return nil }
    return tagged.command
}

/// The one failure in some octets.
func failure(
    _ text: String, limits: ParsingLimits = ParsingLimits(), encoding: SessionEncoding = .modifiedUTF7
) -> InvalidCommand? {
    for case .invalid(let failure) in events(of: text, limits: limits, encoding: encoding) { return failure }
    return nil
}

/// Everything that a client reads in some octets.
func responses(
    of pieces: [ByteBuffer], limits: ParsingLimits = .client, encoding: SessionEncoding = .modifiedUTF7,
    awaitsChallenge: Bool = false
) -> [ResponseEvent] {
    var parser = ResponseParser(limits: limits, encoding: encoding)
    parser.awaitsChallenge = awaitsChallenge
    var events: [ResponseEvent] = []
    for piece in pieces {
        parser.feed(piece)
        while true {
            let event = parser.next()
            if event == .needMore { break }
            events.append(event)
        }
    }
    return events
}
