/// An IMAP URL: where on a server something is (RFC 5092). It is read by `init(parsing:)` and written by `text`.
///
/// Mailbox names, users, sections and search keys are held decoded; names are UTF-8, never modified UTF-7 (RFC 5092, 8).
public struct IMAPURL: Hashable, Sendable {
    /// From where on it names its target.
    public var form: IMAPURLForm
    /// What it names.
    public var target: IMAPURLTarget

    /// A URL of a target.
    public init(_ form: IMAPURLForm, _ target: IMAPURLTarget) {
        self.form = form
        self.target = target
    }

    /// Octets of the longest URL that is read.
    public static let octetLimit = 8192
}

/// From where on a URL names its target (RFC 5092, 7 and 11).
public enum IMAPURLForm: Hashable, Sendable {
    /// `imap://server/mailbox`
    case absolute(IMAPURLServer)
    /// `//server/mailbox`: on another server than the base URL's.
    case networkPath(IMAPURLServer)
    /// `/mailbox`: on the base URL's server.
    case absolutePath
    /// `;UID=20`, or `mailbox`: from what the base URL names.
    case relativePath
}

/// Who asks which server (RFC 5092, 11: `iserver`).
public struct IMAPURLServer: Hashable, Sendable {
    /// The user that it is asked as, and whose mailboxes are meant.
    public var user: String?
    /// The SASL mechanism behind `;AUTH=`, or `*` for any.
    public var mechanism: String?
    /// As it stands in the URL: a name, an address, or an address in brackets.
    public var host: String
    /// Nil for the usual one.
    public var port: UInt16?

    /// A server, and who asks it.
    public init(user: String? = nil, mechanism: String? = nil, host: String, port: UInt16? = nil) {
        self.user = user
        self.mechanism = mechanism
        self.host = host
        self.port = port
    }
}

/// What a URL names (RFC 5092, 4 to 6).
public enum IMAPURLTarget: Hashable, Sendable {
    /// The server itself; in a relative path, what the base URL names.
    case server
    /// A mailbox, or what a search in it finds; the search is the octets of SEARCH's arguments, which nobody has read.
    case messages(in: IMAPURLMailbox, search: [UInt8]? = nil)
    case message(IMAPURLMessage)
}

/// A mailbox (RFC 5092, 11: `imailbox-ref`).
public struct IMAPURLMailbox: Hashable, Sendable {
    /// Its name.
    public var name: MailboxName
    /// When it is not the mailbox's any more, the URL names nothing.
    public var uidValidity: UInt32?

    /// A mailbox.
    public init(_ name: MailboxName, uidValidity: UInt32? = nil) {
        self.name = name
        self.uidValidity = uidValidity
    }
}

/// A message or a part of one (RFC 5092, 11: `imessagepart`).
public struct IMAPURLMessage: Hashable, Sendable {
    /// Nil in a relative path: the base URL's.
    public var mailbox: IMAPURLMailbox?
    /// Nil in a relative path: the base URL's.
    public var uid: UInt32?
    /// Which part; all of it when none is given.
    public var section: BodySection
    /// Which octets of the part; nil for all.
    public var partial: IMAPURLPartial?
    /// Who may fetch it besides those who may read the mailbox (RFC 4467).
    public var authorization: IMAPURLAuthorization?

    /// A message or a part of one.
    public init(
        mailbox: IMAPURLMailbox?, uid: UInt32?, section: BodySection = .whole, partial: IMAPURLPartial? = nil,
        authorization: IMAPURLAuthorization? = nil
    ) {
        self.mailbox = mailbox
        self.uid = uid
        self.section = section
        self.partial = partial
        self.authorization = authorization
    }
}

/// `;PARTIAL=0.1024`: octets of a message or part (RFC 5092, 11: `partial-range`).
public struct IMAPURLPartial: Hashable, Sendable {
    /// The first octet, counted from 0, of 63 bits.
    public var offset: UInt64
    /// How many octets at most, of 63 bits and not 0; nil for all that follow.
    public var count: UInt64?

    /// Octets of a message or part; nil when `count` is 0.
    public init?(offset: UInt64, count: UInt64? = nil) {
        guard count != 0 else { return nil }
        self.offset = offset
        self.count = count
    }

    /// As FETCH means it.
    public var range: PartialRange? { PartialRange(offset: offset, count: count ?? .max) }
}

/// The end of a URL that carries an authorization (RFC 5092, 6.1; RFC 4467).
public struct IMAPURLAuthorization: Hashable, Sendable {
    /// The last moment at which it holds; nil when it holds until it is revoked.
    public var expiry: DateTime?
    /// Who may use it.
    public var access: IMAPURLAccess
    /// What proves it; nil in a URL that asks for one.
    public var verifier: IMAPURLVerifier?

    /// An authorization.
    public init(expiry: DateTime? = nil, access: IMAPURLAccess, verifier: IMAPURLVerifier? = nil) {
        self.expiry = expiry
        self.access = access
        self.verifier = verifier
    }
}

/// Who may use an authorized URL (RFC 5092, 6.1.2).
public enum IMAPURLAccess: Hashable, Sendable {
    /// A message submission server on this user's behalf.
    case submit(String)
    /// This user.
    case user(String)
    /// Every user but an anonymous one.
    case authenticatedUser
    /// Everybody.
    case anonymous
}

/// What proves an authorization (RFC 5092, 11: `iua-verifier`).
public struct IMAPURLVerifier: Hashable, Sendable {
    /// Its name in upper case, for example INTERNAL.
    public let mechanism: String
    /// Hexadecimal digits in lower case, 32 at least.
    public let token: String

    /// Nil when the mechanism is none, or the token too short or not of digits.
    public init?(mechanism: String, token: String) {
        guard IMAPURLVerifier.isMechanism(mechanism), token.utf8.count >= 32,
            token.utf8.allSatisfy({ hexadecimalValue(of: $0) != nil })
        else { return nil }
        self.mechanism = uppercasedASCII(mechanism)
        self.token = String(decoding: token.utf8.map(lowercased), as: UTF8.self)
    }

    /// With a token of these octets; nil when they are fewer than 16, or the mechanism is none.
    public init?(mechanism: String, octets: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        let token = octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 0x0F)]] }
        self.init(mechanism: mechanism, token: String(decoding: token, as: UTF8.self))
    }

    /// The octets of the token; nil when its digits are not in pairs.
    public var octets: [UInt8]? {
        guard token.utf8.count.isMultiple(of: 2) else { return nil }
        var octets: [UInt8] = []
        var high: UInt8?
        for value in token.utf8.compactMap(hexadecimalValue) {
            if let first = high {
                octets.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return octets
    }

    /// `uauth-mechanism`: letters, digits, `-` and `.`; 64 at most.
    static func isMechanism(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { lowercased($0) &- 0x61 < 26 || $0 &- 0x30 < 10 || "-.".utf8.contains($0) }
    }
}

extension IMAPURL {
    /// The message that it names in a session, as CATENATE takes it (RFC 4469, 3): on this server, as this user, without
    /// more authority than the session has. Nil when it is no such URL.
    ///
    /// Of relative paths only `;UID=` is taken, in the selected mailbox (RFC 5092, 9.1): for a mailbox's name there is the
    /// absolute path, and RFC 5092, 7.2 wants no other.
    public func message(selected: MailboxName?) -> (mailbox: IMAPURLMailbox, uid: UInt32, part: IMAPURLMessage)? {
        guard case .message(let message) = target, let uid = message.uid, message.authorization == nil else {
            return nil
        }
        switch form {
        case .absolute, .networkPath: return nil
        case .absolutePath: return message.mailbox.map { ($0, uid, message) }
        case .relativePath:
            guard message.mailbox == nil, let selected else { return nil }
            return (IMAPURLMailbox(selected), uid, message)
        }
    }
}

/// The value of a hexadecimal digit of either case.
func hexadecimalValue(of octet: UInt8) -> UInt8? {
    switch octet {
    case 0x30...0x39: octet - 0x30
    case 0x41...0x46: octet - 0x41 + 10
    case 0x61...0x66: octet - 0x61 + 10
    default: nil
    }
}
