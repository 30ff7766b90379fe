/// What can go wrong on a connection. The handler fires it through `errorCaught` and then closes the channel.
public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of failure.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the kind.
        public let description: String

        /// The two sides did not agree: no common version or cipher, an untrusted certificate, or not TLS at all.
        public static let handshakeFailed = Code(description: "handshake failed")
        /// The peer went away in the middle of the handshake.
        public static let handshakeInterrupted = Code(description: "handshake interrupted")
        /// What came after the handshake was not what TLS allows; somebody may have changed it.
        public static let protocolViolation = Code(description: "protocol violation")
        /// The handler was added by hand to a connection that was already in use: only `TLSHandler.startTLS` drops
        /// what came in plaintext (RFC 3207, 6).
        public static let addedInMidStream = Code(description: "added in mid-stream")
        /// OpenSSL refused something that does not depend on the peer, or memory is short.
        public static let internalFailure = Code(description: "internal failure")
    }

    /// The kind of failure.
    public var code: Code

    /// OpenSSL's own reason, for the log.
    public var reason: String

    /// One line for the log.
    public var description: String { reason.isEmpty ? "TLS: \(code)" : "TLS: \(code): \(reason)" }
}

/// A file or a setting that keeps a context from being made. Its description is one line that names the file.
public struct TLSConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of failure.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the kind.
        public let description: String

        /// No identity at all.
        public static let noCertificate = Code(description: "no certificate")
        /// The file is not there.
        public static let missing = Code(description: "no such file")
        /// The file is there and cannot be read.
        public static let unreadable = Code(description: "unreadable")
        /// The file is not PEM, or not what it should hold.
        public static let malformed = Code(description: "malformed")
        /// The key needs a passphrase.
        public static let encryptedKey = Code(description: "encrypted key")
        /// The key does not belong to the certificate.
        public static let keyMismatch = Code(description: "key mismatch")
        /// OpenSSL refused a setting or a certificate, for example a key that is too short.
        public static let refused = Code(description: "refused")
    }

    /// The kind of failure.
    public var code: Code

    /// The file that it is about; empty when it is about none.
    public var file: String

    /// What is wrong with it.
    public var text: String

    /// One line that names the file.
    public var description: String { file.isEmpty ? text : "\(file): \(text)" }
}

/// Something that the operator should know although the context works.
public struct TLSConfigurationWarning: Sendable, Hashable, CustomStringConvertible {
    /// The kinds of warning.
    public enum Code: Sendable, Hashable {
        /// The certificate's time is over.
        case expired
        /// The certificate's time has not begun.
        case notYetValid
    }

    /// The kind of warning.
    public var code: Code

    /// The certificate's file.
    public var file: String

    /// What is odd about it.
    public var text: String

    /// One line that names the file.
    public var description: String { "\(file): \(text)" }
}
