import NIOCore

/// What a TCP load balancer says of the connection that it passes on, before the first octet of the client's: the PROXY
/// protocol, versions 1 and 2 (haproxy's proxy-protocol.txt, 2.1 and 2.2).
public enum ProxyHeader: Sendable, Hashable {
    /// The connection is a client's: where it comes from, and where the client had connected to.
    case client(source: SocketAddress, destination: SocketAddress)
    /// The connection is the proxy's own, such as its check of our health (LOCAL), or the proxy does not know whose it is,
    /// or that cannot be said as an address and a port of TCP (UNKNOWN, UNSPEC, a Unix socket): the connection's own
    /// address counts.
    case connectionItself

    /// What the octets so far are.
    public enum Outcome: Sendable, Hashable {
        /// The beginning of a header, and nothing was taken.
        case needMore
        /// A whole header, which was taken; what follows is the client's.
        case header(ProxyHeader)
        /// No header, and none can come of it. Nothing was taken.
        case malformed(Malformation)
    }

    /// What is wrong with the octets in the place of a header.
    public struct Malformation: Error, Sendable, Hashable, CustomStringConvertible {
        /// For the log.
        public let description: String

        /// The connection begins with something else.
        public static let noHeader = Malformation(description: "no PROXY header")
        /// Version 1, and the line does not end where it must.
        public static let lineTooLong = Malformation(description: "a line of more than \(lineLimit) octets")
        /// Version 1, and the line is not what the protocol allows.
        public static let line = Malformation(description: "a malformed line")
        /// Another version in the binary form.
        public static let version = Malformation(description: "an unknown version")
        /// Version 2, neither LOCAL nor PROXY.
        public static let command = Malformation(description: "an unknown command")
        /// Version 2, an address family or transport protocol that nobody has defined.
        public static let family = Malformation(description: "an unknown address family or protocol")
        /// Version 2, longer than we take.
        public static let tooLong = Malformation(description: "a header of more than \(octetLimit) octets")
        /// Version 2, shorter than its addresses.
        public static let truncated = Malformation(description: "a header that is shorter than its addresses")
        /// Version 2, and what follows the addresses are no type-length-value vectors.
        public static let vectors = Malformation(description: "malformed type-length-value vectors")
        /// Version 2, changed on the way.
        public static let checksum = Malformation(description: "a wrong checksum")
    }

    /// The longest line of version 1, with its CRLF (proxy-protocol.txt, 2.1).
    public static let lineLimit = 107
    /// The longest header of version 2 that is taken. The protocol's field could say 65,551; addresses and all vectors
    /// that are in use stay far below this.
    public static let octetLimit = 4_096

    /// Takes a header from the beginning of a connection.
    public static func next(_ input: inout ByteBuffer) -> Outcome {
        let (outcome, length) = input.withUnsafeReadableBytes { octets in
            if octets.starts(with: ProxyHeaderV2.signature.prefix(octets.count)) { return ProxyHeaderV2.parse(octets) }
            if octets.starts(with: ProxyHeaderV1.opening.prefix(octets.count)) { return ProxyHeaderV1.parse(octets) }
            return (.malformed(.noHeader), 0)
        }
        input.moveReaderIndex(forwardBy: length)
        return outcome
    }
}
