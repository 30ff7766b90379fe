import Atomics
import Foundation
import Glibc
import Messaging
import NIOCore
import TestSupport
import Testing

/// Passes one TCP connection on, until it is frozen: then both ends are open and silent, as when a machine hangs.
final class FreezableProxy: Sendable {
    let port: UInt16
    private let state = ManagedAtomic(0)

    private enum State {
        static let frozen = 1
        static let closed = 2
    }

    init(to target: UInt16) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, size) == 0 && getsockname(listener, address, &size) == 0
            }
        }
        try #require(isBound && listen(listener, 1) == 0)
        port = UInt16(bigEndian: address.sin_port)
        let state = self.state
        Thread { Self.run(listener, target, state) }.start()
    }

    func freeze() { state.store(State.frozen, ordering: .relaxed) }

    func close() { state.store(State.closed, ordering: .relaxed) }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func run(_ listener: Int32, _ target: UInt16, _ state: ManagedAtomic<Int>) {
        let client = accept(listener, nil, nil)
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(target)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        defer { for descriptor in [listener, client, server] { Glibc.close(descriptor) } }
        var octets = [UInt8](repeating: 0, count: 65_536)
        while state.load(ordering: .relaxed) != State.closed {
            var descriptors = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard state.load(ordering: .relaxed) != State.frozen else {
                usleep(10_000)
                continue
            }
            poll(&descriptors, 2, 10)
            for (from, to) in [(0, 1), (1, 0)] where descriptors[from].revents != 0 {
                let count = read(descriptors[from].fd, &octets, octets.count)
                guard count > 0 else { return }
                var sent = 0
                while sent < count {
                    let written = write(descriptors[to].fd, Array(octets[sent..<count]), count - sent)
                    guard written > 0 else { return }
                    sent += written
                }
            }
        }
    }
}

@Suite(.timeLimit(.minutes(5)))
struct HeartbeatTests {
    @Test func aReplicaThatFallsSilentIsTakenForDeadAndItsCallsGoElsewhere() async throws {
        let serverKeys = try CurveKeyPair.generate()
        let clientKeys = try CurveKeyPair.generate()
        let (begun, never) = (Gate(), Gate())
        func server(_ contract: EchoContract) throws -> (MessagingContext, ServerSocket) {
            let context = try MessagingContext(keys: serverKeys, logger: .quiet)
            return (
                context,
                try ServerSocket(
                    context, endpoint: "tcp://127.0.0.1:0", contracts: [contract],
                    peers: [clientKeys.publicKey: PeerIdentity(service: "client")], access: OpenAccess())
            )
        }
        let (silentContext, silent) = try server(
            EchoContract(onEcho: { call in
                begun.open()
                await never.wait()
                return .reply(call.body)
            }))
        let (otherContext, other) = try server(EchoContract())
        let port = try #require(silent.endpoint.split(separator: ":").last.flatMap { UInt16($0) })
        let proxy = try FreezableProxy(to: port)

        var options = MessagingOptions()
        options.heartbeatInterval = .milliseconds(100)
        options.heartbeatTimeout = .seconds(3)
        let context = try MessagingContext(keys: clientKeys, options: options, logger: .quiet)
        let client = PeerClient(
            context, service: "echo", replicas: .endpoints(["tcp://127.0.0.1:\(proxy.port)", other.endpoint]),
            serverKey: serverKeys.publicKey)
        #expect(await eventually { client.readyReplicas == 2 })
        // Calls take turns between equal replicas: one of the two gets to the one that will fall silent.
        let calls = [1, 2].map { number in Task { try await client.echo("call \(number)") } }
        await begun.wait()
        proxy.freeze()
        #expect(try await calls[0].value == "call 1")
        #expect(try await calls[1].value == "call 2")
        #expect(await eventually { client.readyReplicas == 1 })
        proxy.close()
        never.open()
        for context in [context, silentContext, otherContext] { await context.shutdown() }
    }
}
