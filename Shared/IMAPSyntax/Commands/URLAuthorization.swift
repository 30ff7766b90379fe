/// RESETKEY (RFC 4467, 7).
public struct ResetKeyCommand: Hashable, Sendable {
    /// Whose key is replaced; nil for all keys.
    public var mailbox: MailboxName?
    /// For which mechanisms, in upper case; none means INTERNAL. There are none without a mailbox.
    public var mechanisms: [String]

    /// The arguments of RESETKEY.
    public init(mailbox: MailboxName?, mechanisms: [String] = []) {
        self.mailbox = mailbox
        self.mechanisms = mechanisms
    }
}

/// One of the URLs of GENURLAUTH (RFC 4467, 7).
public struct URLAuthorizationRequest: Hashable, Sendable {
    /// The URL, up to where its verifier will stand, as the client wrote it: nobody has read it yet.
    public var url: String
    /// The mechanism's name in upper case.
    public var mechanism: String

    /// A URL that is to be authorized.
    public init(url: String, mechanism: String) {
        self.url = url
        self.mechanism = mechanism
    }
}

extension ResetKeyCommand {
    /// `[SP mailbox *(SP mechanism)]`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ResetKeyCommand {
        guard cursor.skip(0x20) else { return ResetKeyCommand(mailbox: nil) }
        var command = ResetKeyCommand(mailbox: try cursor.mailbox())
        while cursor.skip(0x20) {
            guard command.mechanisms.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            command.mechanisms.append(try cursor.urlMechanism())
        }
        return command
    }

    func write(to writer: inout CommandWriter) {
        guard let mailbox else { return }
        writer.space()
        writer.mailbox(mailbox)
        for mechanism in mechanisms {
            writer.space()
            writer.text(mechanism)
        }
    }
}

extension URLAuthorizationRequest {
    /// `1*(SP url-rump SP mechanism)`
    static func parseAll(_ cursor: inout ByteCursor) throws(SyntaxError) -> [URLAuthorizationRequest] {
        var requests: [URLAuthorizationRequest] = []
        repeat {
            guard requests.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            try cursor.space()
            let url = try cursor.astringText("a URL")
            try cursor.space()
            requests.append(URLAuthorizationRequest(url: url, mechanism: try cursor.urlMechanism()))
        } while !cursor.isAtEndOfLine
        return requests
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.astring(url)
        writer.space()
        writer.text(mechanism)
    }
}

extension ByteCursor {
    /// `1*(SP url-full)`
    mutating func urls() throws(SyntaxError) -> [String] {
        var urls: [String] = []
        repeat {
            guard urls.count < limits.listItems else { throw beyond(.listItems) }
            try space()
            urls.append(try astringText("a URL"))
        } while !isAtEndOfLine
        return urls
    }

    /// `mechanism` in upper case (RFC 4467, 9)
    fileprivate mutating func urlMechanism() throws(SyntaxError) -> String {
        let start = position
        let name = uppercasedASCII(try atom("the name of a mechanism"))
        guard IMAPURLVerifier.isMechanism(name) else { throw failure("the name of a mechanism", at: start) }
        return name
    }
}
