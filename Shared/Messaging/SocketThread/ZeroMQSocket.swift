import CZeroMQ
import Glibc
import NIOCore

/// Owns a ZeroMQ context.
final class ZeroMQContext: @unchecked Sendable {
    private let owned: UnsafeMutableRawPointer

    init() throws(MessagingError) {
        guard let context = zmq_ctx_new() else { throw MessagingError(.failed, "zmq_ctx_new: \(ZeroMQ.errorText)") }
        owned = context
        zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 16_384)
    }

    fileprivate func socket(_ type: Int32) throws(MessagingError) -> UnsafeMutableRawPointer {
        guard let socket = zmq_socket(owned, type) else {
            throw MessagingError(.failed, "zmq_socket: \(ZeroMQ.errorText)")
        }
        return socket
    }

    /// Waits for what closed sockets still have to send (their LINGER). All sockets must be closed.
    func terminate() {
        while zmq_ctx_term(owned) != 0, errno == EINTR {}
    }
}

enum ZeroMQ {
    static var errorText: String { String(cString: zmq_strerror(zmq_errno())) }
}

/// A message as it arrived: the connection it came on (ROUTER only), its first frame, the frames after it.
struct ArrivedMessage {
    var route: UInt32 = 0
    var first = ByteBuffer()
    var rest: [ByteBuffer] = []
    /// The name that ZAP gave to the connection.
    var user: String?
}

/// What became of a message.
enum SendResult {
    case sent
    /// The high-water mark is reached: keep it, and try again a little later.
    case full
    /// The connection is gone.
    case gone
}

/// Owns one ZeroMQ socket; confined to the socket thread.
///
/// `serve` is called when libzmq has news, and before the thread sleeps after anything was sent: a send may consume
/// the signal for messages that have arrived.
final class ZeroMQSocket {
    private let thread: SocketThread
    private var owned: UnsafeMutableRawPointer?
    private let scratch = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)
    private let isRouter: Bool
    private var monitor: ZeroMQSocket?
    let descriptor: Int32
    var isDirty = true
    /// Called with each message; set by the owner.
    var onMessage: (ArrivedMessage) -> Void = { _ in }
    /// The thread ends: the owner lets go of what depends on the socket.
    var onEnd: () -> Void = {}
    /// Wants the name of whoever sent a message from this route.
    var wantsUser: (UInt32) -> Bool = { _ in false }

    /// Messages read in one go before other sockets get their turn.
    private static let batch = 512
    /// Frames from this size on are sent without a copy.
    private static let borrowedOctets = 16 * 1024

    init(_ thread: SocketThread, _ type: Int32) throws(MessagingError) {
        self.thread = thread
        let socket = try thread.zeroMQ.socket(type)
        owned = socket
        isRouter = type == ZMQ_ROUTER
        var descriptor: Int32 = -1
        var size = MemoryLayout<Int32>.size
        zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size)
        self.descriptor = descriptor
        zmq_msg_init(scratch)
        thread.register(self)
    }

    deinit {
        zmq_msg_close(scratch)
        scratch.deallocate()
        if let owned { zmq_close(owned) }
    }

    /// Closed because the thread ends.
    func end() {
        onEnd()
        close()
    }

    func close() {
        guard let socket = owned else { return }
        if let monitor {
            // In this order: libzmq's I/O thread would wait for ever to tell an event to a monitor that is gone.
            zmq_socket_monitor(socket, nil, 0)
            monitor.close()
        }
        monitor = nil
        owned = nil
        isDirty = false
        onMessage = { _ in }
        onEnd = {}
        wantsUser = { _ in false }
        thread.unregister(self)
        zmq_close(socket)
    }

    // MARK: Options and endpoints

    func set(_ option: Int32, _ value: Int32) {
        var value = value
        zmq_setsockopt(owned, option, &value, MemoryLayout<Int32>.size)
    }

    func set(_ option: Int32, _ value: Int64) {
        var value = value
        zmq_setsockopt(owned, option, &value, MemoryLayout<Int64>.size)
    }

    func set(_ option: Int32, _ value: String) { zmq_setsockopt(owned, option, value, value.utf8.count) }

    func bind(_ endpoint: String) throws(MessagingError) -> String {
        guard zmq_bind(owned, endpoint) == 0 else {
            throw MessagingError(.failed, "cannot bind \(endpoint): \(ZeroMQ.errorText)")
        }
        var text = [CChar](repeating: 0, count: 1_024)
        var size = text.count
        guard zmq_getsockopt(owned, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else { return endpoint }
        return CurveText.string(text)
    }

    func connect(_ endpoint: String) throws(MessagingError) {
        guard zmq_connect(owned, endpoint) == 0 else {
            throw MessagingError(.failed, "cannot connect to \(endpoint): \(ZeroMQ.errorText)")
        }
    }

    func disconnect(_ endpoint: String) { zmq_disconnect(owned, endpoint) }

    /// Tells from now on what becomes of the connections: the number of each of these events, and the endpoint.
    func watch(_ events: Int32, _ onEvent: @escaping (Int32, String) -> Void) throws(MessagingError) {
        let name = "inproc://martlet.monitor.\(thread.nextNumber())"
        let monitor = try ZeroMQSocket(thread, ZMQ_PAIR)
        self.monitor = monitor
        monitor.set(ZMQ_LINGER, Int32(0))
        // There is always room: libzmq's I/O thread waits until it has told an event.
        monitor.set(ZMQ_RCVHWM, Int32(0))
        monitor.onMessage = { message in
            // The number (16 bits) and a value (32 bits) in native order; the endpoint is a frame of its own.
            let (event, endpoint) = (message.first, message.rest.first ?? ByteBuffer())
            if let number = event.getInteger(at: event.readerIndex, endianness: .host, as: UInt16.self) {
                onEvent(Int32(number), String(buffer: endpoint))
            }
        }
        guard zmq_socket_monitor(owned, name, events) == 0 else {
            throw MessagingError(.failed, "zmq_socket_monitor: \(ZeroMQ.errorText)")
        }
        try monitor.connect(name)
    }

    // MARK: Receiving

    /// Reads what has arrived.
    func serve() {
        isDirty = false
        var count = 0
        while owned != nil {
            if count == Self.batch {
                isDirty = true
                break
            }
            guard let message = receive() else { break }
            count += 1
            onMessage(message)
        }
    }

    /// Reads all that has arrived, however much it is.
    func serveAll() {
        repeat { serve() } while isDirty && owned != nil
    }

    private func receive() -> ArrivedMessage? {
        guard receiveFrame() else { return nil }
        var message = ArrivedMessage()
        var isWellFormed = true
        if isRouter {
            // Routing ids that libzmq makes are a zero and 32 bits; peers may not choose their own.
            let octets = frameOctets
            if octets.count == 5, octets[0] == 0 {
                message.route = octets.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
            } else {
                isWellFormed = false
            }
            guard zmq_msg_more(scratch) != 0, receiveFrame() else { return ArrivedMessage() }
            if isWellFormed, wantsUser(message.route), let user = zmq_msg_gets(scratch, "User-Id") {
                message.user = String(cString: user)
            }
        }
        message.first = copyFrame()
        while zmq_msg_more(scratch) != 0, receiveFrame() { message.rest.append(copyFrame()) }
        // Who is told of the message may send at once, and a frame that still stood in `scratch` would be lost, not freed.
        zmq_msg_close(scratch)
        zmq_msg_init(scratch)
        return isWellFormed ? message : ArrivedMessage()
    }

    private func receiveFrame() -> Bool {
        while true {
            if zmq_msg_recv(scratch, owned, ZMQ_DONTWAIT) >= 0 { return true }
            if errno != EINTR { return false }
        }
    }

    private var frameOctets: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: zmq_msg_data(scratch), count: zmq_msg_size(scratch))
    }

    private func copyFrame() -> ByteBuffer {
        let octets = frameOctets
        if octets.isEmpty { return ByteBuffer() }
        var buffer = ByteBufferAllocator().buffer(capacity: octets.count)
        buffer.writeBytes(octets)
        return buffer
    }

    // MARK: Sending

    /// Sends `[route] [header body] [payload...]` whole or not at all.
    func send(route: UInt32? = nil, _ frame: Frame, body: ByteBuffer = ByteBuffer(), payload: [ByteBuffer] = [])
        -> SendResult
    {
        isDirty = true
        if let route {
            let result = sendRoute(route)
            guard result == .sent else { return result }
        }
        let headerOctets = frame.encodedOctets
        guard zmq_msg_init_size(scratch, headerOctets + body.readableBytes) == 0, let target = zmq_msg_data(scratch)
        else { return .full }
        frame.encode(into: UnsafeMutableRawBufferPointer(start: target, count: headerOctets))
        if body.readableBytes > 0 {
            body.withUnsafeReadableBytes { octets in
                UnsafeMutableRawBufferPointer(start: target + headerOctets, count: octets.count)
                    .copyMemory(from: octets)
            }
        }
        let result = sendScratch(more: !payload.isEmpty)
        guard result == .sent || route != nil else { return result }
        for (index, buffer) in payload.enumerated() {
            sendFrame(buffer, more: index < payload.count - 1)
        }
        return result
    }

    /// Sends an event: `[topic] [header body]`.
    func send(topic: String, _ frame: Frame, body: ByteBuffer) {
        sendFrame(ByteBuffer(string: topic), more: true)
        _ = send(frame, body: body)
    }

    /// Sends plain frames: for ZAP replies.
    func send(frames: [ByteBuffer]) {
        isDirty = true
        for (index, buffer) in frames.enumerated() { sendFrame(buffer, more: index < frames.count - 1) }
    }

    /// Only here can a ROUTER be full or find the peer gone; libzmq drops or takes the frames after it as a whole.
    private func sendRoute(_ route: UInt32) -> SendResult {
        guard zmq_msg_init_size(scratch, 5) == 0, let target = zmq_msg_data(scratch) else { return .full }
        target.storeBytes(of: 0, as: UInt8.self)
        UnsafeMutableRawBufferPointer(start: target, count: 5).storeBytes(of: route, toByteOffset: 1, as: UInt32.self)
        return sendScratch(more: true)
    }

    private func sendFrame(_ buffer: ByteBuffer, more: Bool) {
        let count = buffer.readableBytes
        if count >= Self.borrowedOctets {
            buffer.withUnsafeReadableBytesWithStorageManagement { octets, storage in
                let owner = storage.retain()
                let data = UnsafeMutableRawPointer(mutating: octets.baseAddress)
                _ = zmq_msg_init_data(
                    scratch, data, count,
                    { _, owner in
                        guard let owner else { return }
                        Unmanaged<AnyObject>.fromOpaque(owner).release()
                    }, owner.toOpaque())
            }
        } else {
            _ = zmq_msg_init_size(scratch, count)
            if count > 0, let target = zmq_msg_data(scratch) {
                buffer.withUnsafeReadableBytes {
                    UnsafeMutableRawBufferPointer(start: target, count: count).copyMemory(from: $0)
                }
            }
        }
        _ = sendScratch(more: more)
    }

    private func sendScratch(more: Bool) -> SendResult {
        while true {
            if zmq_msg_send(scratch, owned, more ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT) >= 0 { return .sent }
            let error = errno
            if error == EINTR { continue }
            zmq_msg_close(scratch)
            zmq_msg_init(scratch)
            return error == EAGAIN ? .full : .gone
        }
    }
}
