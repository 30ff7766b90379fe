import NIOCore

/// Where a connection comes from.
public struct ConnectionOrigin: Sendable, Hashable {
    /// The client's network address as text; empty for a Unix socket. It is what a client is known by: in limits, in the
    /// log, in trace fields, and for whom failed logins are counted. A client of IPv4 at a socket of IPv6 is the same
    /// client (RFC 4291, 2.5.5.2), whoever says so.
    public let address: String
    /// The client's port; 0 when there is none.
    public let port: UInt16
    /// The proxy that stands between the client and us. It acknowledges our octets in the client's place.
    public let proxy: SocketAddress?

    /// A connection whose other end is the client.
    public init(peer: SocketAddress?) { self.init(client: peer, proxy: nil) }

    /// A connection that came through a proxy, with what the proxy says of it. One that is the proxy's own has its address,
    /// and counts as proxied all the same: not every proxy that says so is both ends of what it says.
    public init(proxy: SocketAddress, header: ProxyHeader) {
        switch header {
        case .client(let source, _): self.init(client: source, proxy: proxy)
        case .connectionItself: self.init(client: proxy, proxy: proxy)
        }
    }

    private init(client: SocketAddress?, proxy: SocketAddress?) {
        let text = client?.ipAddress ?? ""
        address = text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst(7)) : text
        port = client?.port.flatMap(UInt16.init(exactly:)) ?? 0
        self.proxy = proxy
    }

    /// Whether somebody else acknowledges our octets than who reads them.
    public var isProxied: Bool { proxy != nil }
}
