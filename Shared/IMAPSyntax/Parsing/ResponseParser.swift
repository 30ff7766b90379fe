import NIOCore

/// What `ResponseParser.next()` found.
public enum ResponseEvent: Hashable, Sendable {
    /// All octets are used up: feed more.
    case needMore
    /// A whole response; the greeting is an untagged status.
    case response(Response)
    /// A response that cannot be understood. The parser goes on with what follows, unless a limit was passed.
    case invalid(InvalidResponse)
}

/// Why a response cannot be understood.
public struct InvalidResponse: Hashable, Sendable, Error {
    /// What was wrong.
    public var problem: SyntaxProblem
    /// The position of the offending octet in the response.
    public var position: Int
    /// Nothing that follows can be understood: a limit was passed, so the connection is of no more use.
    public var mustClose: Bool

    /// A response that cannot be understood.
    public init(problem: SyntaxProblem, position: Int, mustClose: Bool = false) {
        self.problem = problem
        self.position = position
        self.mustClose = mustClose
    }
}

extension ParsingLimits {
    /// For a client: whole messages come as literals.
    public static let client: ParsingLimits = {
        var limits = ParsingLimits()
        limits.lineOctets = 16 << 20
        limits.literalOctets = 128 << 20
        limits.commandLiteralOctets = 256 << 20
        limits.literals = 4096
        limits.listItems = 65_536
        limits.sequenceRanges = 1 << 20
        return limits
    }()
}

/// Reads what a server sends (RFC 9051, 2.2.2). Feed octets as they come, then take events until `needMore`.
/// A response is kept whole, with its literals, within `limits`; each octet is searched for a line end once.
public struct ResponseParser: Sendable {
    /// What a server may make grow.
    public var limits: ParsingLimits
    /// How mailbox names are written.
    public var encoding: SessionEncoding
    /// An AUTHENTICATE is going on: continuation requests hold challenges in base64, not texts.
    public var awaitsChallenge = false

    private var scanner = LineScanner()
    private var lineStart = 0
    private var literalEnd: Int?
    private var literals = 0
    private var literalOctets = 0
    private var isClosed = false

    /// A parser for a connection that begins.
    public init(limits: ParsingLimits = .client, encoding: SessionEncoding = .modifiedUTF7) {
        self.limits = limits
        self.encoding = encoding
    }

    /// Adds octets that have come.
    public mutating func feed(_ octets: ByteBuffer) {
        if !isClosed { scanner.feed(octets) }
    }

    /// Drops everything that has come: before TLS begins.
    public mutating func abandon() {
        scanner.clear()
        startAnew()
    }

    private mutating func startAnew() {
        lineStart = 0
        literalEnd = nil
        literals = 0
        literalOctets = 0
    }

    /// The next thing that the server said.
    public mutating func next() -> ResponseEvent {
        while !isClosed {
            if let end = literalEnd {
                guard scanner.count >= end else { return .needMore }
                literalEnd = nil
                lineStart = end
                scanner.search(from: end)
            }
            guard let lineEnd = scanner.lineEnd() else {
                return scanner.count - literalOctets > limits.lineOctets ? beyond(.lineOctets) : .needMore
            }
            guard lineEnd - literalOctets <= limits.lineOctets else { return beyond(.lineOctets) }
            guard holdsLiterals, let tail = scanner.literalTail(from: lineStart, to: lineEnd), tail.endsWithCRLF else {
                return wholeResponse(octets: lineEnd)
            }
            let count = tail.header.octets
            guard count <= limits.literalOctets else { return beyond(.literalOctets) }
            guard count <= limits.commandLiteralOctets - literalOctets else { return beyond(.commandLiteralOctets) }
            guard literals < limits.literals else { return beyond(.literals) }
            literals += 1
            literalOctets += count
            literalEnd = lineEnd + count
        }
        return .needMore
    }

    /// Whether braces at the end of the line announce octets: not in a text for a person, which may end in anything.
    private var holdsLiterals: Bool {
        if lineStart > 0 { return true }
        guard scanner.octet(at: 0) == UInt8(ascii: "*"), scanner.octet(at: 1) == 0x20 else { return false }
        var word: [UInt8] = []
        for offset in 2..<10 {
            guard let octet = scanner.octet(at: offset), octet > 0x20 else { break }
            word.append(uppercased(octet))
        }
        return StatusCondition(rawValue: String(decoding: word, as: UTF8.self)) == nil
    }

    private mutating func beyond(_ limit: ParsingLimit) -> ResponseEvent {
        isClosed = true
        scanner.clear()
        return .invalid(InvalidResponse(problem: .beyondLimit(limit), position: 0, mustClose: true))
    }

    private mutating func wholeResponse(octets count: Int) -> ResponseEvent {
        let octets = scanner.take(count)
        startAnew()
        let awaitsChallenge = awaitsChallenge
        let result = ByteCursor.parse(octets, limits: limits, encoding: encoding, isResponse: true) {
            cursor throws(SyntaxError) in
            try ResponseGrammar.response(&cursor, awaitsChallenge: awaitsChallenge)
        }
        switch result {
        case .success(let response): return .response(response)
        case .failure(let error):
            return .invalid(InvalidResponse(problem: error.problem, position: error.position))
        }
    }
}
