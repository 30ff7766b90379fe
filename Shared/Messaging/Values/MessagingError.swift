/// Why a call came to nothing.
public struct MessagingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong; the raw value travels in failure frames, so numbers never change.
    public struct Code: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
        /// The number that travels.
        public let rawValue: UInt8

        /// A code by its number.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// No replica could be reached, or the one that had the call died.
        public static let unavailable = Code(rawValue: 1)
        /// Every replica has as much in hand as it takes.
        public static let overloaded = Code(rawValue: 2)
        /// The deadline passed first.
        public static let deadlineExceeded = Code(rawValue: 3)
        /// The caller gave up.
        public static let cancelled = Code(rawValue: 4)
        /// This peer may not call this.
        public static let denied = Code(rawValue: 5)
        /// The server is of another release: it does not know the contract or method.
        public static let unknownMethod = Code(rawValue: 6)
        /// A frame or message that cannot be read, or is beyond a limit.
        public static let malformed = Code(rawValue: 7)
        /// The server's own code failed.
        public static let failed = Code(rawValue: 8)
        /// The replica is about to leave; seen only when no other one takes the call.
        public static let draining = Code(rawValue: 9)

        /// For logs.
        public var description: String {
            switch self {
            case .unavailable: "unavailable"
            case .overloaded: "overloaded"
            case .deadlineExceeded: "deadline exceeded"
            case .cancelled: "cancelled"
            case .denied: "denied"
            case .unknownMethod: "unknown method"
            case .malformed: "malformed"
            case .failed: "failed"
            case .draining: "draining"
            default: "code \(rawValue)"
            }
        }
    }

    /// What went wrong.
    public var code: Code
    /// For the log.
    public var text: String

    /// An error with a text for the log.
    public init(_ code: Code, _ text: String = "") {
        self.code = code
        self.text = text
    }

    /// For logs.
    public var description: String { text.isEmpty ? code.description : "\(code): \(text)" }

    /// True when the same call may well succeed later: a temporary failure (4yz) in SMTP, UNAVAILABLE in IMAP.
    public var isTemporary: Bool {
        switch code {
        case .unavailable, .overloaded, .deadlineExceeded, .draining, .cancelled: true
        default: false
        }
    }
}
