import NIOCore

/// APPEND and REPLACE: their messages pass, and their parts are read one by one.
extension CommandParser {
    /// The head of APPEND, and where it ends.
    func appendHead(_ octets: ByteBuffer) -> Result<(AppendCommand, Int), SyntaxError> {
        ByteCursor.parse(octets, limits: limits, encoding: encoding) {
            (cursor: inout ByteCursor) throws(SyntaxError) -> (AppendCommand, Int) in
            let command = try AppendCommand.parse(&cursor)
            return (command, cursor.position)
        }
    }

    /// `position` is where the head ends, on a line that ends behind `lineEnd` octets.
    mutating func append(_ command: AppendCommand, _ position: Int, line lineEnd: Int) -> CommandEvent {
        let appending = Appending(tag: command.tag, mayHaveMore: command.replaced == nil)
        return begin(command.message, appending, position, line: lineEnd) ?? .append(command)
    }

    private mutating func begin(
        _ message: AppendMessage, _ appending: Appending, _ position: Int, line lineEnd: Int
    ) -> CommandEvent? {
        switch message.content {
        case .literal(let header, let isUTF8):
            var appending = appending
            appending.isInParentheses = isUTF8
            return begin(header, appending, after: lineEnd)
        case .parts:
            scanner.consume(position)
            gathered = Gathered()
            state = .part(appending, PartsProgress(lineOctets: lineEnd - position))
            return nil
        }
    }

    /// The octets of a message or of a part follow, unless they are too many: then what is returned says so.
    private mutating func begin(
        _ header: LiteralHeader, _ appending: Appending, after lineEnd: Int
    ) -> CommandEvent? {
        if header.octets > limits.messageOctets {
            return refuse(
                header, after: lineEnd, .beyondLimit(.messageOctets), position: lineEnd, tag: appending.tag)
        }
        if !header.isSynchronizing, header.octets > limits.nonSynchronizingOctets {
            return refuse(
                header, after: lineEnd, .beyondLimit(.nonSynchronizingOctets), position: lineEnd, tag: appending.tag)
        }
        scanner.consume(lineEnd)
        gathered = Gathered()
        messageIsSynchronizing = header.isSynchronizing
        state = .message(appending, remaining: header.octets)
        return nil
    }

    mutating func passMessage(_ appending: Appending, remaining: Int) -> CommandEvent {
        guard remaining > 0 else {
            state = .afterMessage(appending)
            return .messageEnd
        }
        guard scanner.count > 0 else { return .needMore }
        let octets = scanner.take(remaining)
        state = .message(appending, remaining: remaining - octets.readableBytes)
        // From here on a client that waited has sent its octets.
        messageIsSynchronizing = false
        return .messageOctets(octets)
    }

    /// `[")"]`, and then CRLF, or a space and another message (RFC 3502), or another part (RFC 4469).
    mutating func readEndOfMessage(_ appending: Appending) -> CommandEvent? {
        var offset = 0
        func invalid(_ expected: String) -> CommandEvent {
            .invalid(InvalidCommand(tag: appending.tag, problem: .invalid(expected: expected), position: offset))
        }
        if appending.isInParentheses {
            guard let octet = scanner.octet(at: 0) else { return .needMore }
            guard octet == UInt8(ascii: ")") else {
                state = .skippingLine
                return invalid("\")\" after the message")
            }
            offset = 1
        }
        if let parts = appending.parts {
            scanner.consume(offset)
            state = .part(appending, PartsProgress(count: parts.count))
            return nil
        }
        guard let octet = scanner.octet(at: offset) else { return .needMore }
        if octet == 0x20, appending.mayHaveMore {
            scanner.consume(offset + 1)
            state = .nextMessage(appending)
            return nil
        }
        for expected in [UInt8(0x0D), 0x0A] {
            guard let octet = scanner.octet(at: offset) else { return .needMore }
            guard octet == expected else {
                state = .skippingLine
                return invalid("the end of the line (CRLF) after the message")
            }
            offset += 1
        }
        scanner.consume(offset)
        state = .command
        return .appendEnd
    }

    mutating func readNextMessage(_ appending: Appending) -> CommandEvent {
        guard let lineEnd = scanner.lineEnd(), lineEnd <= limits.lineOctets else {
            return scanner.count > limits.lineOctets ? lineTooLong(appending) : .needMore
        }
        let head = ByteCursor.parse(scanner.prefix(lineEnd), limits: limits, encoding: encoding) {
            (cursor: inout ByteCursor) throws(SyntaxError) -> (AppendMessage, Int) in
            let message = try AppendMessage.parseNext(&cursor)
            return (message, cursor.position)
        }
        switch head {
        case .success((let message, let position)):
            let next = Appending(tag: appending.tag, mayHaveMore: true)
            return begin(message, next, position, line: lineEnd) ?? .appendNext(message)
        case .failure(let error): return refuseLine(lineEnd, appending, error.problem, position: error.position)
        }
    }

    // MARK: Parts

    /// One part, or the end of them, once the whole line has come that it stands on.
    mutating func readPart(_ appending: Appending, _ parts: PartsProgress) -> CommandEvent? {
        var parts = parts
        if parts.lineOctets == 0 {
            guard let lineEnd = scanner.lineEnd(), lineEnd <= limits.lineOctets else {
                return scanner.count > limits.lineOctets ? lineTooLong(appending) : .needMore
            }
            parts.lineOctets = lineEnd
        }
        let isFirst = parts.count == 0
        let step = ByteCursor.parse(scanner.prefix(parts.lineOctets), limits: limits, encoding: encoding) {
            (cursor: inout ByteCursor) throws(SyntaxError) -> (AppendPart.Step, Int) in
            let step = try AppendPart.parseStep(&cursor, isFirst: isFirst)
            return (step, cursor.position)
        }
        parts.count += 1
        switch step {
        case .success((.end, let position)):
            scanner.consume(position)
            // Another message may follow on this very line.
            scanner.search(from: 0)
            state = .afterMessage(Appending(tag: appending.tag, mayHaveMore: appending.mayHaveMore))
            return nil
        case .success where parts.count > limits.listItems:
            return refuseLine(parts.lineOctets, appending, .beyondLimit(.listItems), position: 0)
        case .success((.part(.url(let url)), let position)):
            scanner.consume(position)
            parts.lineOctets -= position
            state = .part(appending, parts)
            return .appendPart(.url(url))
        case .success((.part(.text(let header, let isUTF8)), let position)):
            guard position == parts.lineOctets else {
                return refuseLine(
                    parts.lineOctets, appending, .invalid(expected: "CRLF after \"}\""), position: position)
            }
            var part = appending
            part.isInParentheses = isUTF8
            part.parts = parts
            return begin(header, part, after: position) ?? .appendPart(.text(header, isUTF8: isUTF8))
        case .success((.urlLiteral(let header), let position)):
            return announced(header, appending, parts, after: position)
        case .failure(let error):
            return refuseLine(parts.lineOctets, appending, error.problem, position: error.position)
        }
    }

    /// The octets of a part's URL follow, unless they are too many.
    private mutating func announced(
        _ header: LiteralHeader, _ appending: Appending, _ parts: PartsProgress, after lineEnd: Int
    ) -> CommandEvent? {
        let limit: ParsingLimit? =
            if header.octets > min(limits.literalOctets, IMAPURL.octetLimit) {
                .literalOctets
            } else if !header.isSynchronizing, header.octets > limits.nonSynchronizingOctets {
                .nonSynchronizingOctets
            } else {
                nil
            }
        if let limit {
            return refuse(header, after: lineEnd, .beyondLimit(limit), position: lineEnd, tag: appending.tag)
        }
        scanner.consume(lineEnd)
        state = .partURL(appending, parts, octets: header.octets)
        return header.isSynchronizing ? .literal(tag: appending.tag, header) : nil
    }

    mutating func readPartURL(_ appending: Appending, _ parts: PartsProgress, _ octets: Int) -> CommandEvent? {
        guard scanner.count >= octets else { return .needMore }
        let url = scanner.take(octets)
        scanner.search(from: 0)
        guard let text = url.validatedText, !text.utf8.contains(0) else {
            gathered = Gathered()
            state = .skippingLine
            return .invalid(InvalidCommand(tag: appending.tag, problem: .invalid(expected: "a URL"), position: 0))
        }
        state = .part(appending, PartsProgress(count: parts.count))
        return .appendPart(.url(text))
    }

    // MARK: Refusal

    private mutating func lineTooLong(_ appending: Appending) -> CommandEvent {
        scanner.search(from: 0)
        state = .skippingLine
        return .invalid(
            InvalidCommand(tag: appending.tag, problem: .beyondLimit(.lineOctets), position: limits.lineOctets))
    }

    /// Refuses the rest of a command, whose next line is here.
    private mutating func refuseLine(
        _ lineEnd: Int, _ appending: Appending, _ problem: SyntaxProblem, position: Int
    ) -> CommandEvent {
        if let tail = scanner.literalTail(from: 0, to: lineEnd) {
            return refuse(tail.header, after: lineEnd, problem, position: position, tag: appending.tag)
        }
        scanner.consume(lineEnd)
        state = .command
        return .invalid(InvalidCommand(tag: appending.tag, problem: problem, position: position))
    }
}
