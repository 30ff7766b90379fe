import CZeroMQ
import Foundation
import Messaging

/// What libzmq does by itself: a ROUTER that sends back what it gets and a DEALER that keeps `depth` messages in
/// flight, a thread and a ZeroMQ context each. Without ZAP every key is accepted.
struct BareEcho {
    let curve: Bool

    func run(depth: Int, seconds: Double) throws -> Double {
        let endpoint = "ipc:///tmp/martlet-benchmark-bare-\(getpid()).sock"
        let serverKeys = try CurveKeyPair.generate()
        let clientKeys = try CurveKeyPair.generate()

        let serverContext = zmq_ctx_new()
        let server = zmq_socket(serverContext, ZMQ_ROUTER)
        if curve {
            set(server, ZMQ_CURVE_SERVER, 1)
            zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, serverKeys.secretKey, 40)
        }
        precondition(zmq_bind(server, endpoint) == 0)
        let serverSocket = Unconfined(server)
        let serving = Thread { Self.serve(serverSocket.pointer) }
        serving.start()

        let clientContext = zmq_ctx_new()
        let client = zmq_socket(clientContext, ZMQ_DEALER)
        if curve {
            zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, serverKeys.publicKey.description, 40)
            zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, clientKeys.publicKey.description, 40)
            zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, clientKeys.secretKey, 40)
        }
        set(client, ZMQ_LINGER, 0)
        precondition(zmq_connect(client, endpoint) == 0)
        let rate = measure(client, depth: depth, seconds: seconds)
        zmq_close(client)
        zmq_ctx_term(clientContext)
        // Makes the server's receive fail, which ends its thread and closes its socket.
        zmq_ctx_term(serverContext)
        return rate
    }

    private func set(_ socket: UnsafeMutableRawPointer?, _ option: Int32, _ value: Int32) {
        var value = value
        zmq_setsockopt(socket, option, &value, MemoryLayout<Int32>.size)
    }

    private struct Unconfined: @unchecked Sendable {
        let pointer: UnsafeMutableRawPointer?

        init(_ pointer: UnsafeMutableRawPointer?) { self.pointer = pointer }
    }

    private static func serve(_ socket: UnsafeMutableRawPointer?) {
        let route = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)
        let body = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)
        zmq_msg_init(route)
        zmq_msg_init(body)
        while zmq_msg_recv(route, socket, 0) >= 0, zmq_msg_recv(body, socket, 0) >= 0 {
            zmq_msg_send(route, socket, ZMQ_SNDMORE)
            zmq_msg_send(body, socket, 0)
        }
        var linger: Int32 = 0
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
        zmq_close(socket)
        route.deallocate()
        body.deallocate()
    }

    private func measure(_ socket: UnsafeMutableRawPointer?, depth: Int, seconds: Double) -> Double {
        let octets = [UInt8](repeating: 0x61, count: MessagingBenchmark.octets)
        var answer = [UInt8](repeating: 0, count: 1_024)
        func send() { zmq_send(socket, octets, octets.count, 0) }
        func receive() { precondition(zmq_recv(socket, &answer, answer.count, 0) == Int32(octets.count)) }
        send()
        receive()
        let start = ContinuousClock.now
        let end = start.advanced(by: .seconds(seconds))
        var count = 0
        for _ in 0..<depth { send() }
        while ContinuousClock.now < end {
            receive()
            send()
            count += 1
        }
        for _ in 0..<depth { receive() }
        count += depth
        let elapsed = ContinuousClock.now - start
        return Double(count) / (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
    }
}
