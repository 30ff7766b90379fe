import NIOCore

extension Command {
    /// Parses one line, given without its CRLF. The verb is taken in any case (RFC 5321, 2.4).
    public static func parse(
        _ line: ByteBuffer, limits: AddressLimits = .receiving
    ) throws(CommandError) -> Command {
        let outcome: Result<Command, CommandError> = line.withUnsafeReadableBytes { octets in
            var cursor = Cursor(octets)
            do throws(CommandError) {
                return .success(try cursor.takeCommand(limits))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}

extension Cursor {
    fileprivate mutating func takeCommand(_ limits: AddressLimits) throws(CommandError) -> Command {
        for octet in octets where octet == Octet.carriageReturn || octet == Octet.lineFeed {
            throw CommandError(.bareNewline)
        }
        let verb = take(while: \.isLetter)
        // A verb ends with the line or a space; nothing else may stand right behind it.
        guard isAtEnd || peek == Octet.space || peek == Octet.tab, let first = verb.first else {
            throw CommandError(.unknownVerb)
        }
        switch first.uppercased {
        case UInt8(ascii: "A") where verb.equals("AUTH"): return try takeAuth()
        case UInt8(ascii: "B") where verb.equals("BDAT"): return try takeBdat()
        case UInt8(ascii: "D") where verb.equals("DATA"): return try alone(.data)
        case UInt8(ascii: "E") where verb.equals("EHLO"): return .ehlo(try takeGreeting())
        case UInt8(ascii: "E") where verb.equals("EXPN"): return .expn(try takeText())
        case UInt8(ascii: "H") where verb.equals("HELO"): return .helo(try takeGreeting())
        case UInt8(ascii: "H") where verb.equals("HELP"): return .help(try takeOptionalText())
        case UInt8(ascii: "L") where verb.equals("LHLO"): return .lhlo(try takeGreeting())
        case UInt8(ascii: "M") where verb.equals("MAIL"): return try takeMail(limits)
        case UInt8(ascii: "N") where verb.equals("NOOP"): return .noop
        case UInt8(ascii: "Q") where verb.equals("QUIT"): return try alone(.quit)
        case UInt8(ascii: "R") where verb.equals("RCPT"): return try takeRcpt(limits)
        case UInt8(ascii: "R") where verb.equals("RSET"): return try alone(.rset)
        case UInt8(ascii: "S") where verb.equals("STARTTLS"): return try alone(.starttls)
        case UInt8(ascii: "V") where verb.equals("VRFY"): return .vrfy(try takeText())
        case _ where Self.isForeign(verb): throw CommandError(.foreignProtocol)
        case _: throw CommandError(.unknownVerb)
        }
    }

    /// Requests of HTTP and its kin: a browser can be made to send them here with SMTP in the body.
    private static func isForeign(_ verb: Slice<UnsafeRawBufferPointer>) -> Bool {
        verb.equals("GET") || verb.equals("POST") || verb.equals("PUT") || verb.equals("HEAD")
            || verb.equals("CONNECT") || verb.equals("OPTIONS") || verb.equals("DELETE") || verb.equals("PATCH")
            || verb.equals("TRACE")
    }

    /// A command without arguments: what follows is an error (RFC 5321, 4.1.1.5), blanks are not.
    private mutating func alone(_ command: Command) throws(CommandError) -> Command {
        skipSpaces()
        guard isAtEnd else { throw CommandError(.badArguments, .other) }
        return command
    }

    /// The name that a client gives itself. Many are wrong by the letter of RFC 5321, 4.1.1.1 and harmless, so only
    /// what could disturb a trace field or a log is refused.
    private mutating func takeGreeting() throws(CommandError) -> String {
        skipSpaces()
        let name = take { $0 > Octet.space && $0 != 0x7F }
        skipSpaces()
        guard isAtEnd, !name.isEmpty, name.count <= 255 else { throw CommandError(.badArguments, .other) }
        guard let text = String(validating: name, as: UTF8.self) else { throw CommandError(.invalidUTF8, .other) }
        return text
    }

    private mutating func takeOptionalText() throws(CommandError) -> String? {
        skipSpaces()
        var text = rest
        while let last = text.last, last == Octet.space || last == Octet.tab { text = text.dropLast() }
        skipAll()
        guard !text.contains(where: \.isControl) else { throw CommandError(.badArguments, .other) }
        guard let string = String(validating: text, as: UTF8.self) else { throw CommandError(.invalidUTF8, .other) }
        return string.isEmpty ? nil : string
    }

    private mutating func takeText() throws(CommandError) -> String {
        guard let text = try takeOptionalText() else { throw CommandError(.badArguments, .other) }
        return text
    }

    private mutating func takeMail(_ limits: AddressLimits) throws(CommandError) -> Command {
        skipSpaces()
        guard takeWord("FROM:") else { throw CommandError(.badArguments, .mail) }
        // RFC 5321, 4.1.1.2 has no blank here, but too many clients have one.
        skipSpaces()
        let path: ReversePath
        do throws(PathFailure) {
            path = try takeReversePath(limits)
        } catch {
            throw CommandError(error, .mail)
        }
        do throws(CommandError) {
            return .mail(path, try takeMailParameters())
        } catch {
            throw error.of(.mail)
        }
    }

    private mutating func takeRcpt(_ limits: AddressLimits) throws(CommandError) -> Command {
        skipSpaces()
        guard takeWord("TO:") else { throw CommandError(.badArguments, .rcpt) }
        skipSpaces()
        let path: ForwardPath
        do throws(PathFailure) {
            path = try takeForwardPath(limits)
        } catch {
            throw CommandError(error, .rcpt)
        }
        do throws(CommandError) {
            return .rcpt(path, try takeRcptParameters())
        } catch {
            throw error.of(.rcpt)
        }
    }

    /// `"BDAT" SP chunk-size [ SP end-marker ]` (RFC 3030, 2).
    private mutating func takeBdat() throws(CommandError) -> Command {
        skipSpaces()
        guard let octets = take(while: \.isDigit).decimal else { throw CommandError(.badArguments, .other) }
        let before = index
        skipSpaces()
        if isAtEnd { return .bdat(octets: octets, last: false) }
        guard index > before, takeWord("LAST") else { throw CommandError(.badArguments, .other) }
        return try alone(.bdat(octets: octets, last: true))
    }

    /// `"AUTH" SP mechanism [SP initial-response]` (RFC 4954, 4); mechanism names are at most 20 long (RFC 4422, 3.1).
    private mutating func takeAuth() throws(CommandError) -> Command {
        skipSpaces()
        let mechanism = take { $0.isLetterOrDigit || $0 == Octet.hyphen || $0 == Octet.underscore }
        guard !mechanism.isEmpty, mechanism.count <= 20 else { throw CommandError(.badArguments, .other) }
        let before = index
        skipSpaces()
        let name = String(decoding: mechanism.map(\.uppercased), as: UTF8.self)
        if isAtEnd { return .auth(mechanism: name, initialResponse: nil) }
        let response = take { $0.isLetterOrDigit || $0 == Octet.plus || $0 == UInt8(ascii: "/") || $0 == Octet.equals }
        guard index > before + response.count, !response.isEmpty else { throw CommandError(.badArguments, .other) }
        skipSpaces()
        guard isAtEnd else { throw CommandError(.badArguments, .other) }
        return .auth(mechanism: name, initialResponse: response.text)
    }
}

extension CommandError {
    fileprivate init(_ failure: PathFailure, _ verb: Verb) {
        switch failure {
        case .syntax: self.init(.badAddress, verb)
        case .tooLong: self.init(.addressTooLong, verb)
        case .invalidUTF8: self.init(CommandError.Problem.invalidUTF8, verb)
        }
    }
}
