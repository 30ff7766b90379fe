import Glibc
import NIOCore
import SMTPSyntax

/// A listening socket on the network that outlives its channel for a moment.
///
/// Closing a socket resets the connections that the kernel has accepted for it and we have not: with SO_REUSEPORT they
/// do not pass to the other replicas. A replica that goes while mail flows would meet some senders so. This second
/// descriptor keeps the socket until its queue is empty, and those in it are told to come again.
struct ListeningSocket: Sendable {
    /// For the channel, which closes it.
    let descriptor: CInt
    private let second: CInt

    /// A socket that is bound to the address and does not listen yet. SO_REUSEPORT lets replicas share a port: the
    /// kernel deals the connections out.
    init(boundTo address: SocketAddress) throws {
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        var one: CInt = 1
        for option in [SO_REUSEADDR, SO_REUSEPORT] {
            setsockopt(descriptor, SOL_SOCKET, option, &one, socklen_t(MemoryLayout<CInt>.size))
        }
        let descriptor = descriptor
        let isBound = address.withSockAddr { pointer, size in Glibc.bind(descriptor, pointer, socklen_t(size)) == 0 }
        second = isBound ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : -1
        guard second >= 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw IOError(errnoCode: code, reason: "bind")
        }
    }

    /// Once the channel is closed: tells those who are still in the queue to come again, and closes the socket.
    func turnAwayRest(speaks: Bool) {
        var line = ByteBuffer()
        Replies.shuttingDown.write(to: &line)
        let octets = Array(line.readableBytesView)
        var rest: [CInt] = []
        while rest.count <= Listener.backlog {
            let client = accept(second, nil, nil)
            guard client >= 0 else { break }
            rest.append(client)
        }
        // Who comes between the last look and this is reset, unless net.ipv4.tcp_migrate_req lets the kernel pass it on.
        Glibc.close(second)
        for client in rest {
            if speaks { _ = send(client, octets, octets.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) }
            Glibc.close(client)
        }
    }
}
