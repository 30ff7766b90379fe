import NIOCore

/// What `CommandParser.next()` found.
public enum CommandEvent: Hashable, Sendable {
    /// All octets are used up: feed more.
    case needMore
    /// A whole command. The parser reads no further before `next()` is called again, so that what the command changes
    /// (limits, encoding, an authentication exchange, IDLE) applies to what follows.
    case command(TaggedCommand)
    /// The client waits for `+` before it sends a literal of a command (not APPEND's message): answer with a
    /// continuation request, or call `refuseLiteral()` and answer with a tagged NO or BAD.
    case literal(tag: String?, LiteralHeader)
    /// APPEND's head. When its literal is synchronizing, answer with `+`; or call `refuseLiteral()` and answer with a
    /// tagged NO. Then come `messageOctets`, `messageEnd`, and `appendEnd`, `appendNext` or `invalid`. When the message is
    /// put together from parts, then come these, one `appendPart` each, before that end.
    case append(AppendCommand)
    /// A part of a message that is put together (RFC 4469). Of a text: as with `.append`, up to `messageEnd`. Of a URL
    /// there is nothing more; `refuseLiteral()` may be called all the same.
    case appendPart(AppendPart)
    /// Another message of the same APPEND (RFC 3502), between `messageEnd` and `appendEnd`: as with `.append`.
    case appendNext(AppendMessage)
    /// Octets of APPEND's message, as they came: slices of what was fed, never gathered.
    case messageOctets(ByteBuffer)
    /// All announced octets of the message have come.
    case messageEnd
    /// APPEND's line is complete: store the message and answer. An APPEND that ends in `invalid` must not be stored.
    case appendEnd
    /// The answer to a challenge, after `awaitAuthenticationLine()`.
    case authenticationLine(AuthenticationLine)
    /// DONE, after `awaitIdleEnd()`.
    case idleEnd
    /// A command that cannot be carried out. The parser has resynchronised, or does so with what comes next;
    /// unless `mustClose`, the session goes on.
    case invalid(InvalidCommand)
}

/// Why a command is not one, and how to answer.
public struct InvalidCommand: Hashable, Sendable, Error {
    /// The tag, if one could be read; answer with an untagged BAD otherwise (RFC 9051, 7.1.3).
    public var tag: String?
    /// What was wrong.
    public var problem: SyntaxProblem
    /// The position of the offending octet, counted from the beginning of the command.
    public var position: Int
    /// The session cannot be saved: answer with BYE and close (RFC 7888, 4).
    public var mustClose: Bool

    /// A command that cannot be carried out.
    public init(tag: String?, problem: SyntaxProblem, position: Int, mustClose: Bool = false) {
        self.tag = tag
        self.problem = problem
        self.position = position
        self.mustClose = mustClose
    }

    /// The answer that the RFCs want: BAD; [TOOBIG] for a literal or message beyond its limit (RFC 7888, 5;
    /// RFC 7889, 4), NO [CANNOT] for a name that is no mailbox name, BYE when the session must end.
    public var response: StatusResponse {
        let condition: StatusCondition
        let code: ResponseCode?
        switch problem {
        case .invalid, .unknownCommand:
            condition = .bad
            code = nil
        case .invalidMailboxName:
            condition = .no
            code = .cannot
        case .beyondLimit(.nonSynchronizingOctets):
            condition = .bad
            code = .tooBig
        case .beyondLimit(.messageOctets), .beyondLimit(.literalOctets), .beyondLimit(.commandLiteralOctets):
            condition = tag == nil ? .bad : .no
            code = .tooBig
        case .beyondLimit:
            condition = .bad
            code = .limit
        }
        return StatusResponse(mustClose ? .bye : condition, code, problem.text(at: position))
    }
}

/// What was wrong with a command or a response.
public enum SyntaxProblem: Hashable, Sendable {
    /// What was expected where something else stood.
    case invalid(expected: String)
    /// There is no such command; its name in upper case, cut to 32 characters.
    case unknownCommand(String)
    /// Modified UTF-7 or UTF-8 that is not well formed, or a control character.
    case invalidMailboxName
    case beyondLimit(ParsingLimit)

    /// A text for the peer.
    public func text(at position: Int) -> String {
        switch self {
        case .invalid(let expected): "Expected \(expected) at octet \(position)"
        case .unknownCommand(let name): "Unknown command \(name)"
        case .invalidMailboxName: "Not a valid mailbox name at octet \(position)"
        case .beyondLimit(let limit): "Beyond the limit: \(limit.rawValue)"
        }
    }
}
