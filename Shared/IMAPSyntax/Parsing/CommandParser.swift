import NIOCore

/// Reads what a client sends (RFC 9051, 2.2.1). Feed octets as they come, then take events until `needMore`.
///
/// Invariants: the result does not depend on how the octets were split; every octet is searched for a line end once
/// and parsed once (a literal that the client waits with, and APPEND's mailbox, let the part before be parsed twice);
/// at most a command within `limits` is kept; APPEND's messages and refused octets are never kept.
public struct CommandParser: Sendable {
    /// What a client may make grow. May be changed between events.
    public var limits: ParsingLimits
    /// How mailbox names are written. May be changed between events.
    public var encoding: SessionEncoding

    var scanner = LineScanner()
    var state = State.command
    var gathered = Gathered()
    /// Nothing of APPEND's message, or of the part in hand, has come, and the client waits before it sends any.
    var messageIsSynchronizing = false

    enum State {
        /// A command is gathered, or none has begun.
        case command
        case authenticationLine
        case idle
        /// Octets of APPEND's message are passed on.
        case message(Appending, remaining: Int)
        /// The message is complete, CRLF or another message is missing.
        case afterMessage(Appending)
        /// The head of another message of the same APPEND.
        case nextMessage(Appending)
        /// A part that CATENATE puts a message together from, or the end of them.
        case part(Appending, PartsProgress)
        /// The octets of a part's URL.
        case partURL(Appending, PartsProgress, octets: Int)
        /// Octets of a refused literal are dropped, then the rest of the line.
        case skippingLiteral(remaining: Int)
        case skippingLine
        /// The session must end.
        case closed
    }

    /// What is to be known of APPEND while its message passes.
    struct Appending {
        let tag: String
        /// Another message may follow: not so with REPLACE (RFC 8508, 4.7).
        let mayHaveMore: Bool
        /// ")" stands behind the octets in hand.
        var isInParentheses = false
        /// Set while the octets in hand are one of the parts of CATENATE.
        var parts: PartsProgress?
    }

    /// How far the parts of CATENATE have come.
    struct PartsProgress {
        var count = 0
        /// Octets of the line in hand that are not used up; 0 when its end has not been looked for.
        var lineOctets = 0
    }

    /// How far the command that is gathered has come.
    struct Gathered {
        /// Where the line began that follows the last literal.
        var lineStart = 0
        /// Where the literal ends that is not complete yet.
        var literalEnd: Int?
        var literals = 0
        var literalOctets = 0
        /// Octets dropped since the command was refused.
        var skippedOctets = 0
    }

    /// A parser for a session that begins.
    public init(limits: ParsingLimits = ParsingLimits(), encoding: SessionEncoding = .modifiedUTF7) {
        self.limits = limits
        self.encoding = encoding
    }

    /// Octets that are kept and not used up.
    public var bufferedOctets: Int { scanner.count }

    /// Adds octets that have come. They are taken over without a copy when no half command is kept.
    public mutating func feed(_ octets: ByteBuffer) {
        if case .closed = state { return }
        scanner.feed(octets)
    }

    /// The next thing that the client said.
    public mutating func next() -> CommandEvent {
        while true {
            let event: CommandEvent?
            switch state {
            case .command: event = gatherCommand()
            case .authenticationLine: event = readAuthenticationLine()
            case .idle: event = readIdleEnd()
            case .message(let appending, let remaining): event = passMessage(appending, remaining: remaining)
            case .afterMessage(let appending): event = readEndOfMessage(appending)
            case .nextMessage(let appending): event = readNextMessage(appending)
            case .part(let appending, let parts): event = readPart(appending, parts)
            case .partURL(let appending, let parts, let octets): event = readPartURL(appending, parts, octets)
            case .skippingLiteral(let remaining): event = skipLiteral(remaining: remaining)
            case .skippingLine: event = skipLine()
            case .closed: event = .needMore
            }
            if let event { return event }
        }
    }

    /// After `.literal`, `.append`, `.appendNext` or `.appendPart`: the server has answered NO or BAD. A client that waits
    /// will not send the octets; those of one that does not wait are skipped, or, when they are too many, the session must
    /// end: then the next event is `invalid` with `mustClose`.
    public mutating func refuseLiteral() {
        switch state {
        case .command:
            guard let literalEnd = gathered.literalEnd else { return }
            // The client waits: what is here is the command up to the braces, and anything after is a new command.
            scanner.consume(min(gathered.lineStart, literalEnd))
            gathered = Gathered()
        case .message(_, let remaining):
            gathered = Gathered()
            gathered.skippedOctets = messageIsSynchronizing ? 0 : remaining
            state = messageIsSynchronizing ? .command : .skippingLiteral(remaining: remaining)
        case .part:
            // What is left of the line goes, with all that the client sends behind it without waiting.
            gathered = Gathered()
            scanner.search(from: 0)
            state = .skippingLine
        case .partURL:
            gathered = Gathered()
            state = .command
        case .authenticationLine, .idle, .afterMessage, .nextMessage, .skippingLiteral, .skippingLine, .closed: break
        }
    }

    /// The next line answers a challenge that the server has sent. Holds for one line.
    public mutating func awaitAuthenticationLine() {
        guard case .command = state else { return }
        state = .authenticationLine
    }

    /// The next line ends IDLE, which the server has accepted.
    public mutating func awaitIdleEnd() {
        guard case .command = state else { return }
        state = .idle
    }

    /// Drops everything that has come and is not used up: before TLS begins, what was sent in the clear must not count
    /// as sent within (RFC 9051, 6.2.1).
    public mutating func abandon() {
        scanner.clear()
        gathered = Gathered()
        if case .closed = state { return }
        state = .command
    }

    /// Takes out everything that has come and is not used up: behind COMPRESS it is no text but the beginning of a
    /// compressed stream (RFC 4978, 3).
    public mutating func takeUnread() -> ByteBuffer {
        let octets = scanner.buffer
        abandon()
        return octets
    }

    // MARK: Commands

    private mutating func gatherCommand() -> CommandEvent? {
        if let literalEnd = gathered.literalEnd {
            guard scanner.count >= literalEnd else { return .needMore }
            gathered.literalEnd = nil
            gathered.lineStart = literalEnd
            scanner.search(from: literalEnd)
        }
        guard let lineEnd = scanner.lineEnd() else {
            guard scanner.count - gathered.literalOctets <= limits.lineOctets else { return lineTooLong() }
            return .needMore
        }
        guard lineEnd - gathered.literalOctets <= limits.lineOctets else { return lineTooLong() }
        guard let tail = scanner.literalTail(from: gathered.lineStart, to: lineEnd) else {
            return wholeCommand(octets: lineEnd)
        }
        guard tail.endsWithCRLF else {
            return refuse(tail.header, after: lineEnd, .invalid(expected: "CRLF after \"}\""), position: lineEnd - 1)
        }
        return announced(tail.header, after: lineEnd)
    }

    private mutating func wholeCommand(octets count: Int) -> CommandEvent? {
        let octets = scanner.prefix(count)
        let result = ByteCursor.parse(octets, limits: limits, encoding: encoding) {
            cursor throws(SyntaxError) in try CommandGrammar.command(&cursor)
        }
        switch result {
        case .success(let command):
            scanner.consume(count)
            gathered = Gathered()
            return .command(command)
        case .failure(let error):
            // APPEND without a literal: its own grammar says what is missing, if it is not put together from URLs.
            var specific = error
            if isAppend(octets) {
                switch appendHead(octets) {
                case .success((let command, let position)) where command.message.content == .parts:
                    return append(command, position, line: count)
                case .success: break
                case .failure(let missing): specific = missing
                }
            }
            scanner.consume(count)
            gathered = Gathered()
            return invalid(specific, octets)
        }
    }

    /// Braces end a line: octets of a literal follow, at once or after a continuation request.
    private mutating func announced(_ header: LiteralHeader, after lineEnd: Int) -> CommandEvent? {
        let octets = scanner.prefix(lineEnd)
        let isAppend = isAppend(octets)
        if isAppend {
            switch appendHead(octets) {
            case .success((let command, let position)): return append(command, position, line: lineEnd)
            case .failure(let error) where error.reachedEnd: break
            case .failure(let error): return refuse(header, after: lineEnd, error.problem, position: error.position)
            }
        } else if header.isSynchronizing, gathered.literals == 0 {
            // What is wrong already is said now, instead of a continuation request.
            let start = ByteCursor.parse(octets, limits: limits, encoding: encoding) {
                cursor throws(SyntaxError) in try CommandGrammar.command(&cursor)
            }
            if case .failure(let error) = start, !error.reachedEnd {
                return refuse(header, after: lineEnd, error.problem, position: error.position)
            }
        }
        if let limit = limitPassed(by: header) {
            return refuse(header, after: lineEnd, .beyondLimit(limit), position: lineEnd)
        }
        gathered.literals += 1
        gathered.literalOctets += header.octets
        gathered.lineStart = lineEnd
        gathered.literalEnd = lineEnd + header.octets
        return header.isSynchronizing ? .literal(tag: tag(of: octets), header) : nil
    }

    private func limitPassed(by header: LiteralHeader) -> ParsingLimit? {
        if header.octets > limits.literalOctets { return .literalOctets }
        if !header.isSynchronizing, header.octets > limits.nonSynchronizingOctets { return .nonSynchronizingOctets }
        if header.octets > limits.commandLiteralOctets - gathered.literalOctets { return .commandLiteralOctets }
        return gathered.literals < limits.literals ? nil : .literals
    }

    // MARK: Refusal and resynchronisation

    private mutating func invalid(_ error: SyntaxError, _ octets: ByteBuffer) -> CommandEvent {
        .invalid(InvalidCommand(tag: tag(of: octets), problem: error.problem, position: error.position))
    }

    /// Refuses a command at a literal: a client that waits begins anew, of one that does not the octets are skipped, or
    /// the session ends when there are too many.
    mutating func refuse(
        _ header: LiteralHeader, after lineEnd: Int, _ problem: SyntaxProblem, position: Int, tag: String? = nil
    ) -> CommandEvent {
        let tag = tag ?? self.tag(of: scanner.prefix(lineEnd))
        scanner.consume(lineEnd)
        gathered = Gathered()
        if header.isSynchronizing {
            state = .command
        } else if header.octets > limits.skippedOctets {
            close()
            return .invalid(InvalidCommand(tag: nil, problem: problem, position: position, mustClose: true))
        } else {
            gathered.skippedOctets = header.octets
            state = .skippingLiteral(remaining: header.octets)
        }
        return .invalid(InvalidCommand(tag: tag, problem: problem, position: position))
    }

    private mutating func lineTooLong() -> CommandEvent {
        let tag = tag(of: scanner.prefix(limits.tagOctets + 1))
        let position = gathered.literalOctets + limits.lineOctets
        scanner.consume(gathered.lineStart)
        scanner.search(from: 0)
        gathered = Gathered()
        state = .skippingLine
        return .invalid(InvalidCommand(tag: tag, problem: .beyondLimit(.lineOctets), position: position))
    }

    private mutating func skipLiteral(remaining: Int) -> CommandEvent? {
        guard gathered.skippedOctets <= limits.skippedOctets else {
            close()
            return .invalid(
                InvalidCommand(tag: nil, problem: .beyondLimit(.literalOctets), position: 0, mustClose: true))
        }
        let count = min(remaining, scanner.count)
        scanner.consume(count)
        guard count == remaining else {
            state = .skippingLiteral(remaining: remaining - count)
            return .needMore
        }
        scanner.search(from: 0)
        state = .skippingLine
        return nil
    }

    /// Drops the rest of a line, and the literals that the client sends without waiting. One that it waits with ends
    /// the command, since it has been refused.
    private mutating func skipLine() -> CommandEvent? {
        guard let lineEnd = scanner.lineEnd() else {
            // Braces may end the line, so its last octets are kept.
            scanner.consume(max(0, scanner.count - 32))
            return .needMore
        }
        let header = scanner.literalTail(from: 0, to: lineEnd)?.header
        scanner.consume(lineEnd)
        guard let header, !header.isSynchronizing else {
            gathered = Gathered()
            state = .command
            return nil
        }
        let (skipped, overflow) = gathered.skippedOctets.addingReportingOverflow(header.octets)
        gathered.skippedOctets = overflow ? .max : skipped
        state = .skippingLiteral(remaining: header.octets)
        return nil
    }

    private mutating func close() {
        scanner.clear()
        gathered = Gathered()
        state = .closed
    }

    // MARK: Lines that are no commands

    private mutating func readAuthenticationLine() -> CommandEvent {
        guard let lineEnd = scanner.lineEnd(), lineEnd <= limits.authenticationOctets else {
            guard scanner.count > limits.authenticationOctets else { return .needMore }
            scanner.search(from: 0)
            state = .skippingLine
            return .authenticationLine(.malformed)
        }
        let line = scanner.take(lineEnd)
        state = .command
        guard line.readableBytes >= 2,
            let content = line.getSlice(at: line.readerIndex, length: line.readableBytes - 2),
            line.getInteger(at: line.writerIndex - 2, as: UInt8.self) == 0x0D
        else { return .authenticationLine(.malformed) }
        if content.readableBytesView.elementsEqual("*".utf8) { return .authenticationLine(.cancelled) }
        return .authenticationLine(Base64.decode(content).map { .response($0) } ?? .malformed)
    }

    private mutating func readIdleEnd() -> CommandEvent {
        guard let lineEnd = scanner.lineEnd(), lineEnd <= limits.lineOctets else {
            guard scanner.count > limits.lineOctets else { return .needMore }
            return lineTooLong()
        }
        let line = scanner.take(lineEnd)
        state = .command
        guard line.readableBytesView.map(uppercased).elementsEqual("DONE\r\n".utf8) else {
            return .invalid(InvalidCommand(tag: nil, problem: .invalid(expected: "DONE"), position: 0))
        }
        return .idleEnd
    }

    // MARK: Looking at the beginning

    /// The tag of a command, even of one that is wrong behind it.
    private func tag(of octets: ByteBuffer) -> String? {
        let tag = octets.readableBytesView.prefix { CharacterClass.of($0).contains(.tag) }
        guard !tag.isEmpty, tag.count <= limits.tagOctets, tag.endIndex < octets.writerIndex,
            [0x20, 0x0D, 0x0A].contains(octets.readableBytesView[tag.endIndex])
        else { return nil }
        return String(decoding: tag, as: UTF8.self)
    }

    /// Whether it is APPEND or REPLACE that stands behind the tag.
    private func isAppend(_ octets: ByteBuffer) -> Bool {
        guard let tag = tag(of: octets) else { return false }
        return AppendCommand.begins(octets.readableBytesView.dropFirst(tag.utf8.count + 1))
    }
}
