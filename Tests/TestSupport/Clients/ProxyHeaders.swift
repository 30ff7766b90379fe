import NIOCore

/// Sends octets as soon as the connection is there, before those of what stands above, and in one segment with them if it
/// speaks first.
final class PrefaceHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let preface: [UInt8]

    init(_ preface: [UInt8]) { self.preface = preface }

    func channelActive(context: ChannelHandlerContext) {
        if !preface.isEmpty { context.write(wrapOutboundOut(ByteBuffer(bytes: preface)), promise: nil) }
        context.fireChannelActive()
        context.flush()
    }
}

/// What a proxy sends in front of a connection (haproxy's proxy-protocol.txt, 2), put together by hand.
package enum ProxyHeaders {
    package static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10] + Array("QUIT\n".utf8)

    /// Version 1, of a client of IPv4 or IPv6.
    package static func line(
        from source: String, port: Int = 56_324, to destination: String? = nil, destinationPort: Int = 25
    ) -> [UInt8] {
        let isV6 = source.contains(":")
        let destination = destination ?? (isV6 ? "2001:db8::25" : "192.0.2.25")
        return Array("PROXY TCP\(isV6 ? 6 : 4) \(source) \(destination) \(port) \(destinationPort)\r\n".utf8)
    }

    /// Version 1, of nobody knows whom.
    package static let unknown = Array("PROXY UNKNOWN\r\n".utf8)

    /// Version 2. The default is PROXY of a client by TCP over IPv4.
    package static func binary(
        command: UInt8 = 0x21, family: UInt8 = 0x11, _ block: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? block.count
        return signature + [command, family, UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF)] + block
    }

    /// Version 2, of a client of IPv4 given by its octets.
    package static func binary(from source: [UInt8], port: UInt16 = 56_324, vectors: [UInt8] = []) -> [UInt8] {
        binary(source + [192, 0, 2, 25] + [UInt8(port >> 8), UInt8(port & 0xFF), 0, 25] + vectors)
    }

    /// Version 2, the proxy's own connection.
    package static let local = binary(command: 0x20, family: 0, [])

    /// A vector of type, length and value.
    package static func vector(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [type, UInt8(value.count >> 8 & 0xFF), UInt8(value.count & 0xFF)] + value
    }
}
