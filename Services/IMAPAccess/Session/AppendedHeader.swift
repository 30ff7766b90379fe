import NIOCore

/// Looks at the header of a message that passes for octets beyond US-ASCII.
///
/// A client that has not said that it understands UTF-8 must not put a message with such a header into a mailbox
/// (RFC 6855, 4): others would have to show it. One that has enabled IMAP4rev2 or UTF8=ACCEPT may.
struct AppendedHeader: Sendable {
    /// An octet beyond US-ASCII was seen in the header.
    private(set) var has8Bit = false
    private var isOver = false

    /// Nothing that comes changes the answer any more.
    var isDecided: Bool { isOver || has8Bit }

    /// Nothing of the line in hand but CR has come.
    private var lineIsEmpty = true

    /// Octets of the message, in order. Those behind the empty line are passed over.
    mutating func take(_ octets: ByteBuffer) {
        guard !isOver, !has8Bit else { return }
        octets.withUnsafeReadableBytes { octets in
            for octet in octets {
                switch octet {
                case 0x0A where lineIsEmpty:
                    isOver = true
                    return
                case 0x0A: lineIsEmpty = true
                case 0x0D: break
                case 0x80...:
                    has8Bit = true
                    return
                default: lineIsEmpty = false
                }
            }
        }
    }
}
