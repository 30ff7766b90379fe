import Glibc
import NIOCore

/// What the kernel keeps for a channel's socket. To be asked on the channel's event loop.
extension Channel {
    /// Octets of ours that the other side has not acknowledged (SIOCOUTQ); nil when the channel is no socket, or closed.
    var unacknowledgedOctets: Int32? {
        withSocket { descriptor in
            var octets: Int32 = 0
            // Linux' SIOCOUTQ is TIOCOUTQ by another name.
            return ioctl(descriptor, UInt(TIOCOUTQ), &octets) == 0 ? octets : nil
        }
    }

    /// Whether something has come that was not read: octets, or FIN.
    var hasUnreadInput: Bool { nextInput != nil }

    /// Whether everything was read and FIN has come.
    var isAtEndOfInput: Bool { nextInput == 0 }

    /// How many of the next octet are there: 0 at FIN; nil when nothing has come.
    private var nextInput: Int? {
        withSocket { descriptor in
            var octet: UInt8 = 0
            let count = recv(descriptor, &octet, 1, CInt(Int(MSG_PEEK) | Int(MSG_DONTWAIT)))
            return count < 0 ? nil : count
        }
    }

    private func withSocket<Value>(_ body: (CInt) -> Value?) -> Value? {
        let value = try? pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self, { body($0) })
        return value.flatMap { $0 }.flatMap { $0 }
    }
}
