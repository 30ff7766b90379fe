/// A place to listen at, as the configuration names it.
public enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// A host or address and a port: `0.0.0.0:25`, `[::]:25`, `localhost:2525`; port 0 lets the system choose.
    case network(host: String, port: Int)
    /// A Unix socket: `unix:/run/martlet/lmtp.sock`.
    case unix(path: String)
    /// A socket that the supervisor opened and passed under this name: `systemd:smtp` (sd_listen_fds(3)).
    case activated(name: String)

    /// Reads one of the three forms; nil for anything else.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count < UnixSocketPath.limit else { return nil }
            self = .unix(path: path)
            return
        }
        if text.hasPrefix("systemd:") {
            let name = String(text.dropFirst(8))
            guard !name.isEmpty, !name.contains(":") else { return nil }
            self = .activated(name: name)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self = .network(host: host == "*" ? "::" : host, port: Int(port))
    }

    /// The form that the initializer reads.
    public var description: String {
        switch self {
        case .network(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        case .activated(let name): "systemd:\(name)"
        }
    }
}

/// What the kernel allows for the path of a Unix socket.
public enum UnixSocketPath {
    /// Octets of `sun_path`, terminating zero included.
    public static let limit = 108
}
