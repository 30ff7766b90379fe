import Foundation
import NIOCore
import TestSupport

/// A port of the loopback address that nobody else gets while this value lives.
final class ReservedPort: Sendable {
    let number: Int
    private let descriptor: Int32

    /// - Parameter isShared: a service may listen there, as its replicas share a port. The socket that keeps it never
    ///   listens itself, so that connections are refused while the service is away.
    init(isShared: Bool = true) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var isOn: Int32 = isShared ? 1 : 0
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &isOn, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0 ? getsockname(descriptor, pointer, &length) : -1
            }
        }
        guard code == 0 else {
            close(descriptor)
            throw TestFailure("no free port: error \(errno)")
        }
        self.descriptor = descriptor
        number = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }

    var address: SocketAddress {
        get throws { try SocketAddress(ipAddress: "127.0.0.1", port: number) }
    }
}
