/// What a message may make grow while it is parsed.
///
/// The header block of the message itself has a limit beyond which the message is refused, since a server keeps and
/// answers from that block as one piece. All other limits are about structure: beyond them the message is still
/// accepted, octet for octet, and only its index becomes coarser.
public struct MIMELimits: Sendable, Hashable {
    /// Octets of the message's own header block; beyond, ``MessageRefusal/headerTooLarge``.
    public var headerOctets: Int
    /// Fields in the message's own header block; beyond, ``MessageRefusal/tooManyHeaderFields``.
    public var headerFields: Int
    /// Octets of a part's header block that are interpreted; what follows belongs to the header unread.
    public var partHeaderOctets: Int
    /// How deep multiparts and messages nest; an entity at this depth becomes an opaque leaf.
    public var depth: Int
    /// Parts in all; everything after so many becomes one opaque leaf.
    public var parts: Int
    /// Parameters kept of one field.
    public var parameters: Int
    /// Addresses of one field that go into an envelope.
    public var addresses: Int

    /// The defaults admit all that people send, with much room.
    public init(
        headerOctets: Int = 256 * 1024, headerFields: Int = 2000, partHeaderOctets: Int = 64 * 1024, depth: Int = 64,
        parts: Int = 4096, parameters: Int = 64, addresses: Int = 8192
    ) {
        self.headerOctets = headerOctets
        self.headerFields = headerFields
        self.partHeaderOctets = partHeaderOctets
        self.depth = depth
        self.parts = parts
        self.parameters = parameters
        self.addresses = addresses
    }
}

/// Why a message cannot be accepted, whoever sent it.
public enum MessageRefusal: Error, Sendable, Hashable {
    /// The header block has more octets than ``MIMELimits/headerOctets``.
    case headerTooLarge
    /// The header block has more fields than ``MIMELimits/headerFields``.
    case tooManyHeaderFields
}
