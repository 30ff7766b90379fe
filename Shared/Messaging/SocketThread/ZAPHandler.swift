import CZeroMQ
import Logging
import NIOCore

/// Decides who may connect (ZeroMQ RFC 27): libzmq asks it for every CURVE handshake of every server in the context.
/// A key that the server's list does not name is refused; one that it names gets its service's name as user id,
/// which libzmq then puts on each message of the connection. A handshake with a server that has just closed is neither
/// refused nor let in: its client connects again when the connection breaks. Confined to the socket thread.
final class ZAPHandler: @unchecked Sendable {
    private let thread: SocketThread
    private let logger: Logger
    private var socket: ZeroMQSocket?
    private var domains: [String: (CurvePublicKey) -> PeerIdentity?] = [:]
    private var lastDomain = 0
    private var lastWarning: ContinuousClock.Instant?

    init(_ thread: SocketThread, logger: Logger) {
        self.thread = thread
        self.logger = logger
    }

    func start() -> MessagingError? {
        do {
            let socket = try ZeroMQSocket(thread, ZMQ_REP)
            socket.set(ZMQ_LINGER, Int32(0))
            socket.onMessage = { [unowned self, unowned socket] message in
                socket.send(frames: self.answer([message.first] + message.rest))
            }
            self.socket = socket
            _ = try socket.bind("inproc://zeromq.zap.01")
            return nil
        } catch {
            return error
        }
    }

    /// A new domain: the name under which one server's connections are judged.
    func addDomain(_ judge: @escaping (CurvePublicKey) -> PeerIdentity?) -> String {
        lastDomain += 1
        let domain = "server-\(lastDomain)"
        domains[domain] = judge
        return domain
    }

    func removeDomain(_ domain: String) { domains[domain] = nil }

    /// Request: version, request id, domain, address, routing id, mechanism, credentials.
    /// Reply: version, request id, status, text, user id, metadata.
    func answer(_ request: [ByteBuffer]) -> [ByteBuffer] {
        let version = ByteBuffer(string: "1.0")
        let number = request.count > 1 ? request[1] : ByteBuffer()
        func reply(_ status: String, _ text: String, user: String = "") -> [ByteBuffer] {
            [
                version, number, ByteBuffer(string: status), ByteBuffer(string: text), ByteBuffer(string: user),
                ByteBuffer(),
            ]
        }
        guard request.count == 7, request[0] == version, request[5] == ByteBuffer(string: "CURVE"),
            let key = request[6].withUnsafeReadableBytes({ CurvePublicKey(octets: $0) })
        else { return reply("400", "CURVE only") }
        guard let judge = domains[String(buffer: request[2])] else { return reply("300", "this server is gone") }
        guard let peer = judge(key) else {
            warn(of: key)
            return reply("400", "this key may call nothing here")
        }
        return reply("200", "", user: peer.service)
    }

    private func warn(of key: CurvePublicKey) {
        if let lastWarning, thread.now < lastWarning.advanced(by: .seconds(1)) { return }
        lastWarning = thread.now
        logger.warning("connection refused: the key may call nothing here", metadata: ["key": "\(key)"])
    }
}
