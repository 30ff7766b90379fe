/// How a session writes mailbox names and whether quoted strings may hold UTF-8: modified UTF-7 and 7 bits for
/// IMAP4rev1, UTF-8 after ENABLE IMAP4rev2 or UTF8=ACCEPT (RFC 9051, 5.1 and A.1; RFC 6855, 3).
public enum SessionEncoding: Hashable, Sendable {
    case modifiedUTF7
    case utf8
}

/// A mailbox name as the rest of the system has it: UTF-8. `INBOX` in any case is `INBOX` (RFC 9051, 5.1).
public struct MailboxName: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name in UTF-8.
    public let value: String

    /// A name in UTF-8.
    public init(_ value: String) {
        self.value = equalIgnoringASCIICase(value, "INBOX") ? "INBOX" : value
    }

    /// A name in UTF-8 written in the program.
    public init(stringLiteral value: String) { self.init(value) }

    /// The inbox.
    public static let inbox = MailboxName("INBOX")

    /// Whether this is the inbox.
    public var isInbox: Bool { value == "INBOX" }

    /// The name in UTF-8.
    public var description: String { value }
}
