import Contracts
import Cryptography

/// What makes two deliveries the same: SHA-256 over the reverse-path, one forward-path and the message's octets as
/// received, before any trace field; and, where the client named it, the transaction. The octets stand in it by their own
/// SHA-256, which ingress made as they came.
///
/// Each part is preceded by its length, so that no two deliveries have the same input.
struct Fingerprint: Sendable, Hashable {
    /// 32 of them.
    let octets: [UInt8]

    /// Of a message that came by SMTP, submission or LMTP, to one of its recipients.
    ///
    /// A client that names its transaction says by that what is a repetition and what is not (RFC 1845, 2): the name is
    /// TRANSID together with the client's own name. Without one the octets alone have to tell.
    init(of request: AcceptRequest, to forwardPath: String) {
        var parts = [Array(request.reversePath.utf8), Array(forwardPath.utf8), Array(request.messageDigest)]
        if !request.transid.isEmpty { parts += [Array(request.client.greeting.utf8), Array(request.transid.utf8)] }
        self.init("delivery", parts)
    }

    /// Of a message that its user appends: mailbox, flags and date are part of what was asked (RFC 9051, 6.3.12).
    /// So is who appends to a mailbox that is not his own: what two users put there is two messages.
    init(appending request: AppendRequest, digest: [UInt8]) {
        var parts = [
            Array(request.mailboxName.utf8), Array(request.flags.sorted().joined(separator: " ").utf8),
            Array(String(request.internalDate).utf8), digest,
        ]
        parts += Self.guest(of: request)
        self.init("append", parts)
    }

    private static func guest(of request: AppendRequest) -> [[UInt8]] {
        request.guest == 0 ? [] : [Array("by \(request.guest)".utf8)]
    }

    /// Of each of several messages that are appended together (RFC 3502), in their order. The whole of them is part of
    /// it, and each one's place: so a repetition is one of all or of none, and the same message twice is two. So is the
    /// message that goes for them (RFC 8508).
    static func together(_ request: AppendRequest, digests: [[UInt8]]) -> [Fingerprint] {
        var parts = [Array(request.mailboxName.utf8)]
        parts += guest(of: request)
        if request.hasReplaced {
            parts += [Array(String(request.replaced.mailboxID).utf8), Array(String(request.replaced.uid).utf8)]
        }
        for (message, digest) in zip(request.messages, digests) {
            parts.append(Array(message.flags.sorted().joined(separator: " ").utf8))
            parts.append(Array(String(message.internalDate).utf8))
            parts.append(digest)
        }
        let whole = Fingerprint(request.hasReplaced ? "replace" : "append together", parts)
        return digests.indices.map { Fingerprint("of appended together", [whole.octets, Array(String($0).utf8)]) }
    }

    private init(_ kind: String, _ parts: [[UInt8]]) {
        var input = Array(kind.utf8)
        for part in parts {
            withUnsafeBytes(of: UInt64(part.count).bigEndian) { input.append(contentsOf: $0) }
            input += part
        }
        octets = SHA256.hash(input)
    }
}
