import Foundation
import NIOCore
import NIOPosix
import TransportSecurity

/// A client that speaks octets: sends what a test writes and reads lines with their literals.
package final class IMAPClient: Sendable {
    package let channel: any Channel
    private let reader: ClientReader

    /// - Parameter preface: octets that are sent before anything else, in clear: what a proxy in front says.
    package init(
        _ address: SocketAddress, on group: any EventLoopGroup, tls: Bool = false, preface: [UInt8] = []
    ) async throws {
        let reader = ClientReader()
        self.reader = reader
        channel = try await ClientBootstrap(group: group)
            .channelOption(.autoRead, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PrefaceHandler(preface))
                    if tls {
                        try channel.pipeline.syncOperations.addHandler(
                            TLSHandler(client: Self.insecure(), serverName: "localhost"))
                    }
                    try channel.pipeline.syncOperations.addHandler(ClientHandler(reader))
                }
            }
            .connect(to: address).get()
    }

    private static func insecure() throws -> TLSContext {
        try TLSContext(client: TLSClientConfiguration(trust: .insecure))
    }

    package func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    package func send(_ octets: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: octets))
    }

    /// The next line without its end; a literal and what follows it belong to the line.
    package func line() async throws -> String {
        String(decoding: try await reader.line(), as: UTF8.self)
    }

    /// The next line, its literals included, as octets.
    package func octets() async throws -> [UInt8] { try await reader.line() }

    /// Sends a command and returns what comes up to and with its tagged response.
    package func command(_ text: String, tag: String = "t") async throws -> [String] {
        try await send("\(tag) \(text)\r\n")
        return try await answer(tag)
    }

    /// What comes up to and with a tagged response.
    package func answer(_ tag: String = "t") async throws -> [String] {
        var lines: [String] = []
        while true {
            let line = try await line()
            lines.append(line)
            if line.hasPrefix(tag + " ") { return lines }
        }
    }

    /// As `command`, which must end with OK; the tagged line is left out.
    @discardableResult
    package func ok(_ text: String) async throws -> [String] {
        let lines = try await command(text)
        guard lines.last?.hasPrefix("t OK") == true else { throw TestFailure("\(text): \(lines)") }
        return Array(lines.dropLast())
    }

    /// APPEND with a literal that does not wait.
    package func append(_ message: String, to name: String = "INBOX", flags: String = "") async throws -> [String] {
        try await send("t APPEND \(name) \(flags){\(message.utf8.count)+}\r\n\(message)\r\n")
        return try await answer()
    }

    /// Begins TLS after STARTTLS was answered.
    package func startTLS() async throws {
        let context = try Self.insecure()
        try await channel.eventLoop.submit {
            let handlerContext = try self.channel.pipeline.syncOperations.context(handlerType: ClientHandler.self)
            var nothing = ByteBuffer()
            try TLSHandler.startTLS(
                client: context, serverName: "localhost", below: handlerContext, discarding: &nothing)
        }.get()
    }

    /// Puts a layer between what the test says and the connection, above TLS.
    package func insert(_ layer: @escaping @Sendable () throws -> any ChannelHandler) async throws {
        try await channel.eventLoop.submit {
            let context = try self.channel.pipeline.syncOperations.context(handlerType: ClientHandler.self)
            try self.channel.pipeline.syncOperations.addHandler(layer(), position: .before(context.handler))
        }.get()
    }

    /// Waits until the server has ended the connection; what came before is kept.
    package func untilEnd() async throws { await reader.untilEnd() }

    package func close() async { try? await channel.close() }

    /// From now on only `close()` ends the client's side, not the server's end.
    package func stayOpen() async throws {
        try await channel.setOption(.allowRemoteHalfClosure, value: true).get()
    }

    /// RST.
    package func reset() async { await channel.resetTransport() }
}

private final class ClientHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let reader: ClientReader

    init(_ reader: ClientReader) { self.reader = reader }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { reader.feed(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { reader.finish() }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { reader.finish() }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Octets that came, taken line by line by one reader.
private final class ClientReader: Sendable {
    private let stream: AsyncStream<ByteBuffer>
    private let source: AsyncStream<ByteBuffer>.Continuation
    private let buffered = LockedBuffer()

    init() { (stream, source) = AsyncStream.makeStream(of: ByteBuffer.self) }

    func feed(_ octets: ByteBuffer) { source.yield(octets) }
    func finish() { source.finish() }

    func line() async throws -> [UInt8] {
        while true {
            if let line = buffered.take() { return line }
            var iterator = stream.makeAsyncIterator()
            guard let octets = await iterator.next() else { throw TestFailure("connection ended") }
            buffered.put(octets)
        }
    }

    func untilEnd() async {
        for await octets in stream { buffered.put(octets) }
    }
}

private final class LockedBuffer: @unchecked Sendable {
    private let lock = NSLock()
    private var octets: [UInt8] = []

    func put(_ buffer: ByteBuffer) { lock.withLock { octets += buffer.readableBytesView } }

    /// A whole line, with all octets of its literals.
    func take() -> [UInt8]? {
        lock.withLock {
            var position = 0
            while let end = octets[position...].firstIndex(of: 10) {
                let line = octets[position..<end]
                if let count = Self.literal(line) {
                    guard octets.count >= end + 1 + count else { return nil }
                    position = end + 1 + count
                    continue
                }
                let whole = Array(octets[..<end])
                octets.removeFirst(end + 1)
                return whole.last == 13 ? whole.dropLast() : whole
            }
            return nil
        }
    }

    private static func literal(_ line: ArraySlice<UInt8>) -> Int? {
        let text = String(decoding: line.suffix(24), as: UTF8.self).trimmingCharacters(in: .newlines)
        guard text.hasSuffix("}"), let open = text.lastIndex(of: "{") else { return nil }
        return Int(text[text.index(after: open)...].dropLast())
    }
}
