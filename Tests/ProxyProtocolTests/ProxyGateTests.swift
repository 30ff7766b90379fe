import Logging
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@testable import ProxyProtocol

/// The gate in front of a pipeline, without a network.
@Suite struct ProxyGateTests {
    /// What the session above the gate sees, in order.
    private final class Session: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        var events: [String] = []

        func channelActive(context: ChannelHandlerContext) { events.append("active") }
        func channelInactive(context: ChannelHandlerContext) { events.append("inactive") }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            events.append(String(buffer: unwrapInboundIn(data)))
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { events.append("event") }
    }

    /// A connection of a proxy at 10.0.0.1, or of somebody else.
    private final class Connection {
        let channel = EmbeddedChannel()
        let session = Session()
        var origin: ConnectionOrigin?

        init(to gate: ProxyGate, from address: SocketAddress, failure: (any Error)? = nil) throws {
            channel.remoteAddress = address
            try gate.open(channel, below: []) { [unowned self] origin in
                self.origin = origin
                if let failure { throw failure }
                try channel.pipeline.syncOperations.addHandler(session)
            }
            channel.pipeline.fireChannelActive()
        }

        func receive(_ octets: some Sequence<UInt8>) throws { try channel.writeInbound(ByteBuffer(bytes: octets)) }
        func receive(_ text: String) throws { try receive(Array(text.utf8)) }

        /// Whether the gate has closed it.
        var isClosed: Bool {
            channel.embeddedEventLoop.run()
            return (try? channel.closeFuture.isFulfilled()) == true
        }
    }

    private let proxy = try? SocketAddress(ipAddress: "10.0.0.1", port: 4_000)

    private func gate(limit: Int = 10) -> ProxyGate {
        ProxyGate(
            trusting: { $0.ipAddress == "10.0.0.1" }, patience: .seconds(5), limit: limit, logger: .quiet)
    }

    private func proxied(_ gate: ProxyGate) throws -> Connection {
        try Connection(to: gate, from: try #require(proxy))
    }

    @Test("From any other address a header is not interpreted: it is what the client says")
    func stranger() throws {
        for address in [
            try SocketAddress(ipAddress: "10.0.0.2", port: 4_000), try SocketAddress(unixDomainSocketPath: "/run/x"),
        ] {
            let connection = try Connection(to: gate(), from: address)
            let header = String(decoding: ProxyHeaders.line(from: "192.0.2.1"), as: UTF8.self)
            try connection.receive(header)
            #expect(connection.session.events == ["active", header])
            #expect(connection.origin == ConnectionOrigin(peer: address) && connection.origin?.isProxied == false)
        }
    }

    @Test("A Unix socket has no proxy, whatever is trusted")
    func unixSocket() throws {
        let gate = ProxyGate(trusting: { _ in true }, patience: .seconds(5), limit: 1, logger: .quiet)
        let connection = try Connection(to: gate, from: try SocketAddress(unixDomainSocketPath: "/run/x"))
        #expect(connection.session.events == ["active"] && connection.origin?.isProxied == false)
    }

    @Test("The session begins when the header is whole, and what stands behind the header is its first input")
    func held() throws {
        let gate = gate()
        let connection = try proxied(gate)
        let header = ProxyHeaders.binary(from: [192, 0, 2, 1])
        for octet in header.dropLast() {
            try connection.receive([octet])
            #expect(connection.origin == nil && connection.session.events.isEmpty)
        }
        #expect(gate.waitingCount == 1)
        try connection.receive(header.suffix(1) + Array("EHLO x\r\n".utf8))
        #expect(connection.session.events == ["active", "EHLO x\r\n"])
        #expect(connection.origin?.address == "192.0.2.1" && connection.origin?.port == 56_324)
        #expect(connection.origin?.proxy == proxy && gate.waitingCount == 0)
        try connection.receive(ProxyHeaders.signature)
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(connection.session.events.count == 4 && connection.session.events.last == "event")
        // Nothing of the gate is left on the way.
        #expect(throws: (any Error).self) {
            try connection.channel.pipeline.syncOperations.handler(type: ProxyHeaderHandler.self)
        }
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(!connection.isClosed)
    }

    @Test(
        "LOCAL and UNKNOWN begin a session of the proxy itself", arguments: [ProxyHeaders.local, ProxyHeaders.unknown])
    func own(header: [UInt8]) throws {
        let connection = try proxied(gate())
        try connection.receive(header)
        #expect(connection.session.events == ["active"])
        #expect(connection.origin?.address == "10.0.0.1" && connection.origin?.isProxied == true)
    }

    @Test(
        "What is no header closes the connection, and the session never begins",
        arguments: ["EHLO client.example\r\n", "PROXY TCP4 1.2.3.4\r\n", String(repeating: "\0", count: 100_000)])
    func malformed(text: String) throws {
        let gate = gate()
        let connection = try proxied(gate)
        try connection.receive(text)
        #expect(connection.isClosed && connection.origin == nil && gate.waitingCount == 0)
    }

    @Test("A header that does not come in time closes the connection")
    func timeout() throws {
        let gate = gate()
        let connection = try proxied(gate)
        try connection.receive("PROXY TCP4")
        connection.channel.embeddedEventLoop.advanceTime(by: .milliseconds(4_999))
        #expect(!connection.isClosed)
        connection.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(connection.isClosed && connection.origin == nil && gate.waitingCount == 0)
    }

    @Test("A connection that ends before its header is closed and no session: a load balancer that looks who listens")
    func ended() throws {
        let gate = gate()
        let half = try proxied(gate)
        half.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(half.isClosed && half.session.events.isEmpty && gate.waitingCount == 0)
        let whole = try proxied(gate)
        whole.channel.pipeline.fireChannelInactive()
        #expect(whole.origin == nil && gate.waitingCount == 0)
        let broken = try proxied(gate)
        broken.channel.pipeline.fireErrorCaught(ChannelError.operationUnsupported)
        #expect(broken.isClosed && gate.waitingCount == 0)
    }

    @Test("No more connections wait for a header than the limit says; a place that is free is given again")
    func limit() throws {
        let gate = gate(limit: 2)
        let (first, second) = (try proxied(gate), try proxied(gate))
        #expect(try proxied(gate).isClosed && gate.waitingCount == 2)
        try first.receive(ProxyHeaders.unknown)
        let fourth = try proxied(gate)
        #expect(!fourth.isClosed && !first.isClosed && !second.isClosed && gate.waitingCount == 2)
    }

    @Test("A session that cannot begin closes its connection")
    func failure() throws {
        let gate = gate()
        let connection = try Connection(to: gate, from: try #require(proxy), failure: ChannelError.operationUnsupported)
        try connection.receive(ProxyHeaders.unknown)
        #expect(connection.isClosed && connection.session.events.isEmpty && gate.waitingCount == 0)
    }
}

extension EventLoopFuture<Void> {
    /// Whether it has its value.
    fileprivate func isFulfilled() throws -> Bool {
        var isFulfilled = false
        assumeIsolated().whenComplete { _ in isFulfilled = true }
        return isFulfilled
    }
}
