import NIOCore

/// LOGIN (RFC 9051, 6.2.3). The name and the password are octets: whether they are UTF-8 is for authentication to say.
public struct LoginCommand: Hashable, Sendable {
    /// Who.
    public var user: ByteBuffer
    /// The password.
    public var password: ByteBuffer

    /// The arguments of LOGIN.
    public init(user: ByteBuffer, password: ByteBuffer) {
        self.user = user
        self.password = password
    }
}

/// AUTHENTICATE, with an initial response where the client sent one (RFC 9051, 6.2.2; RFC 4959).
public struct AuthenticateCommand: Hashable, Sendable {
    /// The SASL mechanism in upper case.
    public var mechanism: String
    /// The initial response, decoded; empty when it was `=`.
    public var initialResponse: ByteBuffer?

    /// The arguments of AUTHENTICATE.
    public init(mechanism: String, initialResponse: ByteBuffer? = nil) {
        self.mechanism = uppercasedASCII(mechanism)
        self.initialResponse = initialResponse
    }
}

/// A line that answers a challenge of AUTHENTICATE (RFC 9051, 6.2.2).
public enum AuthenticationLine: Hashable, Sendable {
    /// The response, decoded.
    case response(ByteBuffer)
    /// `*`: the client gives up; the server answers BAD.
    case cancelled
    /// Neither base64 nor `*`, or longer than the limit; the server answers BAD and ends the exchange.
    case malformed
}

/// What client and server tell of themselves (RFC 2971), in the order given. A value is nil for NIL.
public struct IDParameters: Hashable, Sendable {
    /// A field and its value.
    public struct Field: Hashable, Sendable {
        /// Such as `name` or `version`.
        public var name: String
        /// What it says; nil for NIL.
        public var value: String?

        /// A field and its value.
        public init(_ name: String, _ value: String?) {
            self.name = name
            self.value = value
        }
    }

    /// The fields in their order.
    public var fields: [Field]

    /// Some fields.
    public init(_ fields: [Field]) { self.fields = fields }
}

extension LoginCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> LoginCommand {
        try cursor.space()
        let user = try cursor.astring("a user name")
        try cursor.space()
        return LoginCommand(user: user, password: try cursor.astring("a password"))
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.astring(user)
        writer.space()
        writer.astring(password)
    }
}

extension AuthenticateCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> AuthenticateCommand {
        try cursor.space()
        let mechanism = try cursor.atom("a mechanism")
        guard !cursor.isAtEndOfLine else { return AuthenticateCommand(mechanism: mechanism) }
        try cursor.space()
        let start = cursor.position
        // `=` is an initial response of no octets (RFC 4959, 3); "+", "/" and "=" are all characters of an atom.
        let range = cursor.skip(while: .atom)
        let text = cursor.slice(range)
        if range.count == 1, cursor.octet(at: start) == UInt8(ascii: "=") {
            return AuthenticateCommand(mechanism: mechanism, initialResponse: ByteBuffer())
        }
        guard !range.isEmpty, let response = Base64.decode(text) else {
            throw cursor.failure("an initial response in base64", at: start)
        }
        return AuthenticateCommand(mechanism: mechanism, initialResponse: response)
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.text(mechanism)
        guard let initialResponse else { return }
        writer.space()
        if initialResponse.readableBytes == 0 {
            writer.text("=")
        } else {
            Base64.encode(initialResponse, into: &writer.buffer)
        }
    }
}

extension IDParameters {
    /// RFC 2971, 3.3: not more than 30 pairs, names of 30 octets and values of 1,024.
    private static let limits = (pairs: 30, nameOctets: 30, valueOctets: 1024)

    /// `SP id-params-list`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> IDParameters? {
        try cursor.space()
        return try parameters(&cursor)
    }

    /// `id-params-list`
    static func parameters(_ cursor: inout ByteCursor) throws(SyntaxError) -> IDParameters? {
        if cursor.skip(word: "NIL") { return nil }
        let fields = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
            let name = try cursor.string("a field in quotes")
            guard name.readableBytes <= limits.nameOctets else { throw cursor.beyond(.listItems) }
            try cursor.space()
            let value = try cursor.nilOrString()
            guard value.map({ $0.readableBytes <= limits.valueOctets }) ?? true else { throw cursor.beyond(.listItems) }
            return Field(String(buffer: name), value.map { String(buffer: $0) })
        }
        guard fields.count <= limits.pairs else { throw cursor.beyond(.listItems) }
        return IDParameters(fields)
    }
}
