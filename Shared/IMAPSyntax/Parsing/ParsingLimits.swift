/// What a peer may make grow, and how far. Each has a test that reaches it.
public struct ParsingLimits: Hashable, Sendable {
    /// Octets of a command without its literals (RFC 7162, 4 asks for 8,192 at least).
    public var lineOctets = 65_536
    /// Octets of one literal, APPEND's message excepted.
    public var literalOctets = 65_536
    /// Octets of all literals of one command together, APPEND's message excepted.
    public var commandLiteralOctets = 262_144
    /// Literals in one command.
    public var literals = 256
    /// Octets of one literal that the client sends without waiting (RFC 7888): 4,096 makes the server one of LITERAL-.
    /// APPEND's message is under the same limit when it is LITERAL-.
    public var nonSynchronizingOctets = Int.max
    /// Octets of APPEND's message.
    public var messageOctets = 64 << 20
    /// Octets of a refused literal that the parser skips to save the session; beyond that the session must end
    /// with BYE (RFC 7888, 4).
    public var skippedOctets = 64 << 20
    /// Octets of a line that answers an authentication challenge, in base64.
    public var authenticationOctets = 65_536
    /// Octets of a tag.
    public var tagOctets = 128
    /// NOT, OR and parentheses within one another.
    public var searchDepth = 32
    /// Keys of one SEARCH.
    public var searchKeys = 1024
    /// Ranges of one sequence set.
    public var sequenceRanges = 16_384
    /// Members of any other list: flags, fetch attributes, header fields, patterns, status items, capabilities.
    public var listItems = 1024
    /// Numbers of a part: `1.2.3` has three.
    public var sectionDepth = 64
    /// Parentheses within one another in responses and extensions' values.
    public var nesting = 64

    /// The defaults, for an authenticated session.
    public init() {}

    /// For a session that has not authenticated: what a stranger may make the server keep is small.
    public static let unauthenticated: ParsingLimits = {
        var limits = ParsingLimits()
        limits.lineOctets = 8192
        limits.literalOctets = 4096
        limits.commandLiteralOctets = 16_384
        limits.literals = 64
        limits.skippedOctets = 65_536
        limits.authenticationOctets = 16_384
        limits.listItems = 64
        return limits
    }()
}

/// A limit that was passed.
public enum ParsingLimit: String, Hashable, Sendable, CaseIterable {
    case lineOctets = "line length"
    case literalOctets = "literal size"
    case commandLiteralOctets = "size of all literals"
    case literals = "number of literals"
    case nonSynchronizingOctets = "size of a non-synchronizing literal"
    case messageOctets = "message size"
    case tagOctets = "tag length"
    case searchDepth = "depth of search keys"
    case searchKeys = "number of search keys"
    case sequenceRanges = "number of ranges"
    case listItems = "length of a list"
    case sectionDepth = "depth of a section"
    case nesting = "depth of parentheses"
}
