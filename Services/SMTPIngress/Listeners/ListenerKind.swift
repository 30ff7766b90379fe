import Contracts

/// What a listening socket is for; it decides what its sessions may do.
enum ListenerKind: String, Sendable, Hashable, CaseIterable {
    /// Port 25: mail from other servers.
    case relay
    /// Port 587: mail from users; TLS by STARTTLS, then AUTH, then MAIL (RFC 6409).
    case submission
    /// Port 465: the same with TLS from the first octet (RFC 8314, 3.3).
    case submissions
    /// LMTP (RFC 2033): one reply for each recipient.
    case lmtp

    /// TLS begins with the connection.
    var hasImplicitTLS: Bool { self == .submissions }
    /// Users send here, and prove who they are.
    var isSubmission: Bool { self == .submission || self == .submissions }
    /// Answers each recipient on its own.
    var isLMTP: Bool { self == .lmtp }

    /// The name of this way in for content processing.
    var door: Door {
        switch self {
        case .relay: .relay
        case .submission, .submissions: .submission
        case .lmtp: .lmtp
        }
    }
}
