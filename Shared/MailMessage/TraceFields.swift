/// The fields that a server puts in front of a message (RFC 5321, 4.4).
public enum TraceFields {
    /// Return-Path, which final delivery adds: one line, never folded.
    public static func returnPath(_ reversePath: String) -> [UInt8] {
        Array("Return-Path: <".utf8) + clean(reversePath) + Array(">\r\n".utf8)
    }

    /// A field of one line with a value that is safe to write.
    public static func field(_ name: String, _ value: String) -> [UInt8] {
        Array(name.utf8) + [ASCII.colon, ASCII.space] + clean(value) + [ASCII.cr, ASCII.lf]
    }

    /// `value` without what would end the line or hide in it.
    static func clean(_ value: String) -> [UInt8] {
        value.utf8.filter { $0 >= 0x20 && $0 != 0x7F }
    }
}

/// A Received field (RFC 5321, 4.4; RFC 3848; RFC 6531, 3.7.3). What the client said of itself is written only as far
/// as it is a domain or an address literal; everything else in the field is the server's own knowledge.
public struct ReceivedField: Sendable, Hashable {
    /// The argument of EHLO, HELO or LHLO.
    public var greeting: String
    /// The client's network address without brackets, for example `192.0.2.1` or `2001:db8::1`.
    public var clientAddress: String
    /// The name of this server.
    public var serverName: String
    /// The registered protocol type, for example `ESMTPS`.
    public var withProtocol: String
    /// The TLS version, for example `TLSv1.3`; empty without TLS.
    public var tlsVersion: String
    /// The TLS cipher suite.
    public var tlsCipher: String
    /// The transaction, as the reply names it.
    public var identifier: String
    /// The only recipient; nil when there are several, which must not learn of one another (RFC 5321, 7.2).
    public var recipient: String?
    /// When the message arrived.
    public var date: MailDate

    /// A Received field.
    public init(
        greeting: String, clientAddress: String, serverName: String, withProtocol: String, tlsVersion: String = "",
        tlsCipher: String = "", identifier: String, recipient: String? = nil, date: MailDate
    ) {
        self.greeting = greeting
        self.clientAddress = clientAddress
        self.serverName = serverName
        self.withProtocol = withProtocol
        self.tlsVersion = tlsVersion
        self.tlsCipher = tlsCipher
        self.identifier = identifier
        self.recipient = recipient
        self.date = date
    }

    /// The field with its line ends, folded at its clauses.
    public var octets: [UInt8] {
        let literal = Self.addressLiteral(clientAddress)
        var text = "Received: from " + (Self.isDomainOrLiteral(greeting) ? greeting : literal) + " (" + literal + ")"
        text += "\r\n\tby " + (Self.isDomainOrLiteral(serverName) ? serverName : "localhost")
        if Self.isAtom(withProtocol) { text += " with " + withProtocol }
        if Self.isAtom(tlsVersion) {
            text += "\r\n\t(" + tlsVersion + (Self.isAtom(tlsCipher) ? " " + tlsCipher : "") + ")"
        }
        if Self.isAtom(identifier) { text += "\r\n\tid " + identifier }
        var result = Array(text.utf8)
        if let recipient, !recipient.isEmpty {
            result += Array("\r\n\tfor <".utf8) + TraceFields.clean(recipient) + [ASCII.greater]
        }
        result += Array((";\r\n\t" + date.description + "\r\n").utf8)
        return result
    }

    /// RFC 5321, 4.1.3.
    static func addressLiteral(_ address: String) -> String {
        let isAddress =
            !address.isEmpty && address.utf8.count <= 64
            && address.utf8.allSatisfy {
                ASCII.isDigit($0) || ASCII.isLetter($0) || $0 == ASCII.dot || $0 == ASCII.colon || $0 == ASCII.percent
            }
        guard isAddress else { return "unknown" }
        return address.utf8.contains(ASCII.colon) ? "[IPv6:" + address + "]" : "[" + address + "]"
    }

    /// Letters, digits, dots, hyphens, underscores and octets beyond US-ASCII; with brackets also colons.
    private static func isDomainOrLiteral(_ text: String) -> Bool {
        guard (1...255).contains(text.utf8.count) else { return false }
        let isLiteral = text.utf8.first == ASCII.openBracket && text.utf8.last == ASCII.closeBracket
        let inside = isLiteral ? text.utf8.dropFirst().dropLast() : text.utf8[...]
        return !inside.isEmpty
            && inside.allSatisfy { octet in
                ASCII.isLetter(octet) || ASCII.isDigit(octet) || octet == ASCII.dot || octet == ASCII.hyphen
                    || octet == ASCII.underscore || octet >= 0x80 || (isLiteral && octet == ASCII.colon)
            }
    }

    private static func isAtom(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                ASCII.isLetter($0) || ASCII.isDigit($0) || "!#$%&'*+-/=?^_`{|}~.".utf8.contains($0)
            }
    }
}
