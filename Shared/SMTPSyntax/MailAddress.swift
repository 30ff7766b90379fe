/// A mailbox as it stands in an envelope: local part and domain (RFC 5321, 4.1.2; RFC 6531, 3.3).
///
/// The text is kept as it came, without brackets and without a source route. Two spellings of one local part
/// (`"a"@x` and `a@x`) are different values here; whoever resolves addresses decides what they mean.
public struct MailAddress: Sendable, Hashable {
    /// As it stood between the brackets, for example `bob@example.test` or `"b o b"@[192.0.2.1]`.
    public let text: String
    /// Octets of the local part as written, quotes included.
    let localOctets: Int
    /// No octet beyond ASCII, so that the address can go where SMTPUTF8 is unknown.
    public let isASCII: Bool

    init(text: String, localOctets: Int, isASCII: Bool) {
        self.text = text
        self.localOctets = localOctets
        self.isASCII = isASCII
    }

    /// Parses an address that stands alone; nil when it is not one.
    public init?(_ text: String, limits: AddressLimits = .standard) {
        let parsed: MailAddress? = Array(text.utf8).withUnsafeBytes { octets in
            var cursor = Cursor(octets)
            guard let address = try? cursor.takeMailbox(limits), cursor.isAtEnd else { return nil }
            return address
        }
        guard let parsed else { return nil }
        self = parsed
    }

    /// The local part as written, with its quotes if it has any.
    public var localPart: Substring { Substring(text.utf8.prefix(localOctets)) }

    /// The domain or address literal.
    public var domain: Substring { Substring(text.utf8.dropFirst(localOctets + 1)) }

    /// The domain is an address literal (RFC 5321, 4.1.3).
    public var hasAddressLiteral: Bool { domain.utf8.first == Octet.openBracket }

    /// The local part's meaning: quotes and backslashes taken away (RFC 5321, 4.1.2).
    public var unquotedLocalPart: String {
        guard text.utf8.first == Octet.quote else { return String(localPart) }
        var octets: [UInt8] = []
        var escaped = false
        for octet in localPart.utf8.dropFirst().dropLast() {
            if octet == Octet.backslash && !escaped {
                escaped = true
            } else {
                octets.append(octet)
                escaped = false
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}

extension MailAddress: CustomStringConvertible {
    /// The address without brackets.
    public var description: String { text }
}

/// How long the parts of a path may be (RFC 5321, 4.5.3.1).
public struct AddressLimits: Sendable, Hashable {
    /// RFC 5321, 4.5.3.1.1.
    public var localPartOctets: Int
    /// RFC 5321, 4.5.3.1.2.
    public var domainOctets: Int
    /// RFC 5321, 4.5.3.1.3: with brackets and a source route.
    public var pathOctets: Int

    /// Limits of your own.
    public init(localPartOctets: Int, domainOctets: Int, pathOctets: Int) {
        self.localPartOctets = localPartOctets
        self.domainOctets = domainOctets
        self.pathOctets = pathOctets
    }

    /// What RFC 5321 lets everyone count on.
    public static let standard = AddressLimits(localPartOctets: 64, domainOctets: 255, pathOctets: 256)

    /// What senders use: variable envelope return paths are often longer than 64 octets before the at sign.
    public static let receiving = AddressLimits(localPartOctets: 254, domainOctets: 255, pathOctets: 512)
}

/// The argument of `MAIL FROM:` (RFC 5321, 4.1.1.2).
public enum ReversePath: Sendable, Hashable {
    /// `<>`: a notification, to which nobody answers (RFC 5321, 4.5.5).
    case null
    /// Where failures go.
    case mailbox(MailAddress)

    /// Without brackets; empty for the null path.
    public var text: String {
        switch self {
        case .null: ""
        case .mailbox(let address): address.text
        }
    }

    /// No octet beyond ASCII.
    public var isASCII: Bool {
        switch self {
        case .null: true
        case .mailbox(let address): address.isASCII
        }
    }
}

/// The argument of `RCPT TO:` (RFC 5321, 4.1.1.3).
public enum ForwardPath: Sendable, Hashable {
    /// `<Postmaster>` without a domain, which every server accepts (RFC 5321, 4.5.1).
    case postmaster
    /// A recipient.
    case mailbox(MailAddress)

    /// Without brackets.
    public var text: String {
        switch self {
        case .postmaster: "Postmaster"
        case .mailbox(let address): address.text
        }
    }

    /// No octet beyond ASCII.
    public var isASCII: Bool {
        switch self {
        case .postmaster: true
        case .mailbox(let address): address.isASCII
        }
    }
}
