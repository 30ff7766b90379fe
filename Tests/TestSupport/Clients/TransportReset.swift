import Glibc
import NIOCore
import NIOPosix
import TransportSecurity

extension Channel {
    /// RST. It comes from below TLS: a close_notify before it would be an end in order for whoever reads that in time.
    func resetTransport() async {
        try? await (self as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        try? await eventLoop.submit {
            if let tls = try? self.pipeline.syncOperations.context(handlerType: TLSHandler.self) {
                tls.close(promise: nil)
            } else {
                self.close(promise: nil)
            }
        }.get()
        try? await closeFuture.get()
    }
}
