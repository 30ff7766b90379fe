import NIOCore

/// What a client says (RFC 5321, 4.1; RFC 2033, 4.1; RFC 3030, 2; RFC 3207, 4; RFC 4954, 4).
public enum Command: Sendable, Hashable {
    /// HELO with the client's name.
    case helo(String)
    /// EHLO with the client's name or address literal.
    case ehlo(String)
    /// LHLO, with which an LMTP client greets (RFC 2033, 4.1).
    case lhlo(String)
    /// MAIL FROM.
    case mail(ReversePath, MailParameters)
    /// RCPT TO.
    case rcpt(ForwardPath, RcptParameters)
    /// DATA.
    case data
    /// BDAT: this many octets follow the command line (RFC 3030, 2).
    case bdat(octets: Int, last: Bool)
    /// RSET.
    case rset
    /// NOOP; its argument means nothing.
    case noop
    /// VRFY with what to verify.
    case vrfy(String)
    /// EXPN with the list to expand.
    case expn(String)
    /// HELP, with a topic perhaps.
    case help(String?)
    /// QUIT.
    case quit
    /// STARTTLS (RFC 3207).
    case starttls
    /// AUTH; the initial response as it came, in base64, `=` for an empty one (RFC 4954, 4).
    case auth(mechanism: String, initialResponse: String?)
}

/// Why a line is no command.
public struct CommandError: Error, Hashable, Sendable {
    /// What is wrong. More may come.
    public enum Problem: Sendable, Hashable {
        /// No such verb.
        case unknownVerb
        /// A verb of another protocol: a browser was led here, or somebody tries things.
        case foreignProtocol
        /// The arguments do not follow the grammar.
        case badArguments
        /// A CR or LF of its own stands in the line.
        case bareNewline
        /// The address does not follow the grammar.
        case badAddress
        /// A part of the address is longer than its limit.
        case addressTooLong
        /// Octets beyond ASCII that are not UTF-8.
        case invalidUTF8
        /// An extension parameter that nobody defined.
        case unknownParameter
        /// An extension parameter with a value that it cannot have, or given twice.
        case badParameterValue
    }

    /// What is wrong.
    public let problem: Problem
    /// In which command; nil when that was not understood.
    public let verb: Verb?

    init(_ problem: Problem, _ verb: Verb? = nil) {
        self.problem = problem
        self.verb = verb
    }

    /// The commands with an address.
    public enum Verb: Sendable, Hashable {
        /// MAIL.
        case mail
        /// RCPT.
        case rcpt
        /// Any other one.
        case other
    }

    func of(_ verb: Verb) -> CommandError { CommandError(problem, verb) }
}

extension CommandError {
    /// The answer that RFC 5321, 4.2.4 and RFC 3463 have for it.
    public var reply: Reply {
        switch problem {
        case .unknownVerb: Reply(500, "5.5.1", "Command not recognised")
        case .foreignProtocol: Reply(421, "4.7.0", "This is SMTP; closing connection")
        case .badArguments: Reply(501, "5.5.4", "Syntax error in arguments")
        case .bareNewline: Reply(500, "5.5.2", "A line ends with CRLF and nothing else")
        case .badAddress: Reply(501, verb == .mail ? "5.1.7" : "5.1.3", "Address syntax error")
        case .addressTooLong: Reply(501, verb == .mail ? "5.1.7" : "5.1.3", "Address too long")
        case .invalidUTF8: Reply(501, "5.5.2", "Not valid UTF-8")
        case .unknownParameter: Reply(555, "5.5.4", "Parameter not recognised")
        case .badParameterValue: Reply(501, "5.5.4", "Parameter value not valid")
        }
    }
}

extension Command {
    /// Prints the command with its CRLF.
    public func write(to buffer: inout ByteBuffer) {
        var text: String
        switch self {
        case .helo(let name): text = "HELO \(name)"
        case .ehlo(let name): text = "EHLO \(name)"
        case .lhlo(let name): text = "LHLO \(name)"
        case .mail(let path, let parameters):
            text = "MAIL FROM:<\(path.text)>"
            parameters.append(to: &text)
        case .rcpt(let path, let parameters):
            text = "RCPT TO:<\(path.text)>"
            parameters.append(to: &text)
        case .data: text = "DATA"
        case .bdat(let octets, let last): text = "BDAT \(octets)\(last ? " LAST" : "")"
        case .rset: text = "RSET"
        case .noop: text = "NOOP"
        case .vrfy(let what): text = "VRFY \(what)"
        case .expn(let list): text = "EXPN \(list)"
        case .help(let topic): text = topic.map { "HELP \($0)" } ?? "HELP"
        case .quit: text = "QUIT"
        case .starttls: text = "STARTTLS"
        case .auth(let mechanism, let response): text = "AUTH \(mechanism)" + (response.map { " \($0)" } ?? "")
        }
        buffer.writeString(text)
        buffer.writeStaticString("\r\n")
    }
}
