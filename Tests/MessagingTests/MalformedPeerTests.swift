import CZeroMQ
import Foundation
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import Messaging

/// A peer that holds a valid key and sends what it likes.
@Suite(.timeLimit(.minutes(5)))
struct MalformedPeerTests {
    @Test func aServerLivesThroughAnythingAPeerSends() async throws {
        var options = MessagingOptions()
        options.allowsPlaintext = true
        let directory = try TemporaryDirectory()
        let context = try MessagingContext(keys: nil, options: options, logger: .quiet)
        let server = try ServerSocket(
            context, endpoint: "ipc://\(directory.path)/s", contracts: [EchoContract()], access: OpenAccess())
        let client = PeerClient(context, service: "echo", replicas: .endpoints([server.endpoint]), serverKey: nil)

        let raw = zmq_ctx_new()
        let socket = zmq_socket(raw, ZMQ_DEALER)
        defer {
            zmq_close(socket)
            zmq_ctx_term(raw)
        }
        var linger: Int32 = 0
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
        #expect(zmq_connect(socket, server.endpoint) == 0)
        var generator = SeededGenerator(seed: 7)
        for seed in UInt64(0)..<40 {
            for frame in FrameTests.frames(seed: seed) {
                var octets = FrameTests.encode(frame)
                if Bool.random(using: &generator), let index = octets.indices.randomElement(using: &generator) {
                    octets[index] = UInt8.random(in: 0...255, using: &generator)
                }
                if Bool.random(using: &generator) { octets.removeLast(octets.count / 3) }
                let frames = Int.random(in: 0...3, using: &generator)
                for more in 0..<frames {
                    zmq_send(socket, octets, octets.count, ZMQ_SNDMORE)
                    if more == 1 { octets = [] }
                }
                zmq_send(socket, octets, octets.count, 0)
            }
        }
        #expect(try await client.echo("still here") == "still here")
        await context.shutdown()
    }

    @Test func aPeerThatChoosesItsOwnRoutingIDIsIgnored() async throws {
        var options = MessagingOptions()
        options.allowsPlaintext = true
        let directory = try TemporaryDirectory()
        let dropped = Gate()
        let context = try MessagingContext(
            keys: nil, options: options, logger: .opening(dropped, at: "a frame that cannot be read"))
        let server = try ServerSocket(
            context, endpoint: "ipc://\(directory.path)/s", contracts: [EchoContract()], access: OpenAccess())
        let raw = zmq_ctx_new()
        let socket = zmq_socket(raw, ZMQ_DEALER)
        defer {
            zmq_close(socket)
            zmq_ctx_term(raw)
        }
        var linger: Int32 = 0
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, "a name of my own", 16)
        #expect(zmq_connect(socket, server.endpoint) == 0)
        zmq_send(socket, "x", 1, 0)
        await dropped.wait()
        let client = PeerClient(context, service: "echo", replicas: .endpoints([server.endpoint]), serverKey: nil)
        #expect(try await client.echo("still here") == "still here")
        await context.shutdown()
    }

    @Test func aPeerThatReadsNothingNeitherBlocksTheServerNorLosesAnAnswer() async throws {
        var options = MessagingOptions()
        options.allowsPlaintext = true
        let directory = try TemporaryDirectory()
        let context = try MessagingContext(keys: nil, options: options, logger: .quiet)
        let server = try ServerSocket(
            context, endpoint: "ipc://\(directory.path)/s", contracts: [EchoContract()], access: OpenAccess(),
            limits: ServerLimits(requestsInFlight: 1_000_000))
        let raw = zmq_ctx_new()
        let socket = zmq_socket(raw, ZMQ_DEALER)
        defer {
            zmq_close(socket)
            zmq_ctx_term(raw)
        }
        var few: Int32 = 10
        zmq_setsockopt(socket, ZMQ_RCVHWM, &few, MemoryLayout<Int32>.size)
        var patience: Int32 = 60_000
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, MemoryLayout<Int32>.size)
        var none: Int32 = 0
        zmq_setsockopt(socket, ZMQ_SNDHWM, &none, MemoryLayout<Int32>.size)
        zmq_setsockopt(socket, ZMQ_LINGER, &none, MemoryLayout<Int32>.size)
        #expect(zmq_connect(socket, server.endpoint) == 0)
        let count: UInt64 = 10_000
        let body = [UInt8](repeating: 1, count: 500)
        for call in 1...count {
            let request = Frame.Request(
                contract: EchoContract.description.number, method: EchoContract.echo.number,
                remainingMicroseconds: 60_000_000, transaction: .next())
            let octets = FrameTests.encode(Frame(kind: .request(request), call: call)) + body
            zmq_send(socket, octets, octets.count, 0)
        }
        let client = PeerClient(context, service: "echo", replicas: .endpoints([server.endpoint]), serverKey: nil)
        #expect(try await client.echo("others are served") == "others are served")
        // More than the high-water marks and the kernel take: the rest waits in the server.
        #expect(await eventually { server.requestsInFlight > 1_000 })
        #expect(try await client.echo("still") == "still")
        var answered: Set<UInt64> = []
        var octets = [UInt8](repeating: 0, count: 1_024)
        for _ in 0..<count {
            let length = Int(zmq_recv(socket, &octets, octets.count, 0))
            try #require(length > 0)
            let (frame, _) = try octets.prefix(length).withUnsafeBytes { try Frame.decode($0) }
            #expect(frame.kind == .reply)
            answered.insert(frame.call)
        }
        #expect(answered.count == Int(count))
        #expect(await eventually { server.requestsInFlight == 0 })
        await context.shutdown()
    }
}
