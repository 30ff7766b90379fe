/// User inbound event: the handshake is done and what follows is encrypted.
public struct TLSHandshakeCompleted: Sendable, Hashable {
    /// The version that both sides chose.
    public var version: TLSVersion

    /// The cipher suite, in OpenSSL's words, for example `TLS_AES_256_GCM_SHA384`.
    public var cipher: String

    /// What ALPN chose (RFC 7301), if it was used.
    public var applicationProtocol: String?

    /// The name that the client asked for (RFC 6066, 3), if it did.
    public var serverName: String?

    /// A session that began earlier goes on: no certificate was sent.
    public var resumed: Bool

    /// The peer's certificate in DER, if it showed one.
    public var peerCertificate: [UInt8]?

    /// All that an authentication on this connection can be bound to.
    public var channelBindings: [TLSChannelBinding]
}

/// Something that both ends of this TLS connection know and nobody in between can arrange (RFC 5056).
public struct TLSChannelBinding: Sendable, Hashable {
    /// `tls-exporter` (RFC 9266), `tls-server-end-point` or `tls-unique` (RFC 5929).
    public var type: String

    /// The binding data.
    public var octets: [UInt8]

    /// A binding as it came from a connection or, in a test, from nowhere.
    public init(type: String, octets: [UInt8]) {
        self.type = type
        self.octets = octets
    }
}

/// A user inbound event: all that was written has left, and behind it close_notify (RFC 8446, 6.1) and nothing more.
public struct TLSOutputEnded: Sendable, Hashable {
    /// Octets of the record with close_notify, on the wire.
    public var octets: Int

    /// The event.
    public init(octets: Int) { self.octets = octets }
}

/// User inbound event: nothing more comes from the peer. Fired exactly once for a connection whose handshake completed,
/// after the last octets and before the channel becomes inactive, unless this side closed the channel before.
public enum TLSInputEnded: Sendable, Hashable {
    /// The peer said so with close_notify (RFC 8446, 6.1): nothing was cut off.
    case closeNotify
    /// The transport ended without close_notify: somebody on the way may have cut the stream.
    case truncated
    /// The transport broke: the peer, or the network, reset it.
    case reset
}
