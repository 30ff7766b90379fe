import NIOCore
import TestSupport
import Testing

@testable import ProxyProtocol

/// One header, and what it says.
struct HeaderCase: Sendable, CustomTestStringConvertible {
    var name: String
    var octets: [UInt8]
    /// nil: the connection's own address counts.
    var source: String?
    var destination = ""

    var testDescription: String { name }

    static let all: [HeaderCase] = lines + binaries

    private static func text(_ line: String, _ source: String?, _ destination: String = "") -> HeaderCase {
        HeaderCase(name: line, octets: Array((line + "\r\n").utf8), source: source, destination: destination)
    }

    /// The specification's example and its longest lines (2.1).
    static let lines: [HeaderCase] = [
        text("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443", "192.168.0.1:56324", "192.168.0.11:443"),
        text(
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", "255.255.255.255:65535", "255.255.255.255:65535"),
        text("PROXY TCP4 192.0.2.1 192.0.2.2 0 25", "192.0.2.1:0", "192.0.2.2:25"),
        text("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2", "2001:db8::1:1", "2001:db8::2:2"),
        text(
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535"),
        text("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", "::ffff:192.0.2.1:1", "::1:2"),
        text("PROXY UNKNOWN", nil),
        text("PROXY UNKNOWN anything \u{1} at all\n in between", nil),
        text(
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            nil),
    ]

    static let v6Block: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [1] + [0x20, 0x01, 0x0D, 0xB8]
        + Array(repeating: 0, count: 11) + [2] + [0xDC, 0x04, 0x01, 0xBB]

    private static func binary(_ name: String, _ octets: [UInt8], _ source: String? = nil) -> HeaderCase {
        HeaderCase(name: name, octets: octets, source: source, destination: source == nil ? "" : "192.0.2.25:25")
    }

    static let binaries: [HeaderCase] = [
        binary("TCP over IPv4", ProxyHeaders.binary(from: [192, 0, 2, 1]), "192.0.2.1:56324"),
        HeaderCase(
            name: "TCP over IPv6", octets: ProxyHeaders.binary(family: 0x21, v6Block), source: "2001:db8::1:56324",
            destination: "2001:db8::2:443"),
        binary(
            "with vectors: ALPN, NOOP without octets, TLS",
            ProxyHeaders.binary(
                from: [192, 0, 2, 1],
                vectors: ProxyHeaders.vector(0x01, Array("h2".utf8)) + ProxyHeaders.vector(0x04, [])
                    + ProxyHeaders.vector(0x20, [1, 0, 0, 0, 0] + ProxyHeaders.vector(0x21, Array("TLSv1.3".utf8)))),
            "192.0.2.1:56324"),
        binary("with a checksum", checksummed, "192.0.2.1:56324"),
        binary(
            "of as many octets as are taken",
            ProxyHeaders.binary(
                from: [192, 0, 2, 1],
                vectors: ProxyHeaders.vector(
                    0x04, Array(repeating: 0, count: ProxyHeader.octetLimit - 16 - 12 - 3))), "192.0.2.1:56324"),
        binary("LOCAL", ProxyHeaders.local),
        binary("LOCAL with a block, which is ignored", ProxyHeaders.binary(command: 0x20, family: 0xFF, [1, 2, 3])),
        binary("unspecified", ProxyHeaders.binary(family: 0x00, [])),
        binary("unspecified with a block, which is ignored", ProxyHeaders.binary(family: 0x00, [9, 9, 9, 9, 9])),
        binary("UDP over IPv4", ProxyHeaders.binary(family: 0x12, Array(repeating: 1, count: 12))),
        binary("IPv6 without a protocol", ProxyHeaders.binary(family: 0x20, v6Block)),
        binary("a Unix stream", ProxyHeaders.binary(family: 0x31, Array(repeating: 47, count: 216))),
    ]

    /// The checksum was made by another implementation of CRC-32C.
    static let checksummed = ProxyHeaders.binary(
        from: [192, 0, 2, 1], vectors: ProxyHeaders.vector(0x03, [0x4D, 0x56, 0x6B, 0x96]))
}

@Suite struct ProxyHeaderTests {
    private static func print(_ address: SocketAddress) -> String {
        "\(address.ipAddress ?? "?"):\(address.port ?? -1)"
    }

    private func expect(
        _ outcome: ProxyHeader.Outcome, is expected: HeaderCase, at location: SourceLocation = #_sourceLocation
    ) {
        switch outcome {
        case .header(.client(let source, let destination)):
            #expect(Self.print(source) == expected.source, sourceLocation: location)
            #expect(Self.print(destination) == expected.destination, sourceLocation: location)
        case .header(.connectionItself): #expect(expected.source == nil, sourceLocation: location)
        case .needMore, .malformed: Issue.record("\(outcome)", sourceLocation: location)
        }
    }

    @Test("A header is taken, and not an octet more", arguments: HeaderCase.all)
    func whole(header: HeaderCase) {
        var buffer = ByteBuffer(bytes: header.octets + Array("EHLO x\r\n".utf8))
        expect(ProxyHeader.next(&buffer), is: header)
        #expect(String(buffer: buffer) == "EHLO x\r\n")
    }

    @Test("Every beginning of a header needs more and takes nothing, octet by octet too", arguments: HeaderCase.all)
    func prefixes(header: HeaderCase) {
        var buffer = ByteBuffer()
        for (count, octet) in header.octets.enumerated() {
            let outcome = ProxyHeader.next(&buffer)
            guard outcome == .needMore, buffer.readableBytes == count else {
                Issue.record("\(outcome) after \(count) octets")
                return
            }
            buffer.writeInteger(octet)
        }
        expect(ProxyHeader.next(&buffer), is: header)
        #expect(buffer.readableBytes == 0)
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        var octets: [UInt8]
        var why: ProxyHeader.Malformation
        var testDescription: String { "\(why): \(String(decoding: octets.prefix(60), as: UTF8.self).debugDescription)" }

        init(_ octets: [UInt8], _ why: ProxyHeader.Malformation) { (self.octets, self.why) = (octets, why) }
        init(_ text: String, _ why: ProxyHeader.Malformation = .line) { self.init(Array(text.utf8), why) }
    }

    static let lines: [Bad] = [
        Bad("E", .noHeader), Bad("EHLO x\r\n", .noHeader), Bad("proxy TCP4", .noHeader), Bad("PROXX", .noHeader),
        Bad("PROXY\t", .noHeader), Bad("\r\n\r\n\0\r\nQUIX", .noHeader), Bad("\n", .noHeader),
        Bad("PROXY \r\n"), Bad("PROXY TCP4\r\n"), Bad("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n"),
        Bad("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), Bad("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n"),
        Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n"), Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"),
        Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), Bad("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"),
        Bad("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n"), Bad("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n"),
        Bad("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"), Bad("PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n"),
        Bad("PROXY TCP4 ::1 ::2 1 2\r\n"), Bad("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"),
        Bad("PROXY TCP6 ::1 5.6.7.8 1 2\r\n"), Bad("PROXY TCP6 1::2::3 ::1 1 2\r\n"),
        Bad("PROXY TCP6 12345::1 ::1 1 2\r\n"), Bad("PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n"),
        Bad("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n"), Bad("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"),
        Bad("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"),
        Bad("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n"), Bad("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"),
        Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n"), Bad("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"),
        Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nEHLO x\r\n"), Bad("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rEHLO x\r\n"),
        Bad("PROXY UNKNOWNS\r\n"), Bad("PROXY TCP4 localhost 5.6.7.8 1 2\r\n"),
        Bad("PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n", .lineTooLong),
        Bad("PROXY TCP4 " + String(repeating: "1", count: 200), .lineTooLong),
    ]

    static let binaries: [Bad] = [
        Bad(ProxyHeaders.signature + [0x11], .version), Bad(ProxyHeaders.signature + [0x31], .version),
        Bad(ProxyHeaders.signature + [0x22], .command), Bad(ProxyHeaders.signature + [0x2F], .command),
        Bad(ProxyHeaders.binary(family: 0x41, []), .family), Bad(ProxyHeaders.binary(family: 0x13, []), .family),
        Bad(ProxyHeaders.binary(family: 0x11, Array(repeating: 0, count: 11)), .truncated),
        Bad(ProxyHeaders.binary(family: 0x21, Array(repeating: 0, count: 35)), .truncated),
        Bad(ProxyHeaders.binary(family: 0x31, Array(repeating: 0, count: 215)), .truncated),
        // Refused as soon as the length is there.
        Bad(ProxyHeaders.binary([], length: ProxyHeader.octetLimit - 15), .tooLong),
        Bad(ProxyHeaders.binary(command: 0x20, [], length: 65_535), .tooLong),
        Bad(ProxyHeaders.binary(from: [192, 0, 2, 1], vectors: [4]), .vectors),
        Bad(ProxyHeaders.binary(from: [192, 0, 2, 1], vectors: [4, 0]), .vectors),
        Bad(ProxyHeaders.binary(from: [192, 0, 2, 1], vectors: [4, 0, 1]), .vectors),
        Bad(ProxyHeaders.binary(from: [192, 0, 2, 1], vectors: [4, 255, 255, 1]), .vectors),
        Bad(ProxyHeaders.binary(from: [192, 0, 2, 1], vectors: ProxyHeaders.vector(3, [0, 0, 0])), .vectors),
        Bad(ProxyHeaders.binary(from: [192, 0, 2, 1], vectors: ProxyHeaders.vector(3, [0, 0, 0, 0])), .checksum),
    ]

    @Test("What is no header is refused, and nothing is taken", arguments: lines + binaries)
    func malformed(bad: Bad) {
        var buffer = ByteBuffer(bytes: bad.octets)
        #expect(ProxyHeader.next(&buffer) == .malformed(bad.why))
        #expect(buffer.readableBytes == bad.octets.count)
    }

    @Test("A line ends within 107 octets, or it is none")
    func lineLimit() {
        let opening = "PROXY UNKNOWN "
        for (octets, isTaken) in [(107, true), (108, false)] {
            let line = opening + String(repeating: "x", count: octets - opening.utf8.count - 2) + "\r\n"
            var buffer = ByteBuffer(string: line)
            #expect((ProxyHeader.next(&buffer) == .header(.connectionItself)) == isTaken)
        }
        var endless = ByteBuffer(string: opening + String(repeating: "x", count: 106 - opening.utf8.count))
        #expect(ProxyHeader.next(&endless) == .needMore)
        endless.writeString("x")
        #expect(ProxyHeader.next(&endless) == .malformed(.lineTooLong))
    }

    @Test("A checksum holds for every octet of the header")
    func checksum() {
        for position in 16..<HeaderCase.checksummed.count {
            for bit in 0..<8 {
                var octets = HeaderCase.checksummed
                octets[position] ^= 1 << bit
                var buffer = ByteBuffer(bytes: octets)
                if case .header = ProxyHeader.next(&buffer) {
                    // Only a vector that is no checksum any more goes unseen.
                    #expect(position == 28)
                }
            }
        }
    }

    @Test("CRC-32C as in the standard's and others' examples")
    func knownAnswers() {
        #expect(CRC32C.checksum(of: Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum(of: [UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum(of: [UInt8](repeating: 255, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(of: Array(0..<32)) == 0x46DD_794E)
        #expect(
            CRC32C.checksum(of: Array("123456789".utf8), zeroing: 2..<4)
                == CRC32C.checksum(of: Array("12\0\056789".utf8)))
    }

    @Test("Random octets, and headers with random changes, never trap, and never say more than there is")
    func noise() {
        var generator = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            var octets: [UInt8]
            if round.isMultiple(of: 4) {
                octets = (0..<Int.random(in: 0...300)).map { _ in .random(in: 0...255, using: &generator) }
            } else {
                octets = HeaderCase.all.randomElement(using: &generator)?.octets ?? []
                for _ in 0..<Int.random(in: 1...4) {
                    octets[Int.random(in: octets.indices, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                octets = Array(octets.prefix(Int.random(in: 0...octets.count, using: &generator)))
            }
            var buffer = ByteBuffer(bytes: octets)
            switch ProxyHeader.next(&buffer) {
            case .header: #expect(buffer.readableBytes < octets.count)
            case .needMore: #expect(buffer.readableBytes == octets.count && octets.count < ProxyHeader.octetLimit)
            case .malformed: #expect(buffer.readableBytes == octets.count)
            }
        }
    }
}

@Suite struct ConnectionOriginTests {
    @Test("A client of IPv4 at a socket of IPv6 is known by its IPv4 address, whoever says so")
    func mappedAddress() throws {
        let (mapped, plain) = (try SocketAddress(ipAddress: "::ffff:192.0.2.1", port: 25), "192.0.2.1")
        let proxy = try SocketAddress(ipAddress: "10.0.0.1", port: 4_000)
        #expect(ConnectionOrigin(peer: mapped).address == plain)
        #expect(ConnectionOrigin(proxy: proxy, header: .client(source: mapped, destination: proxy)).address == plain)
        #expect(ConnectionOrigin(proxy: mapped, header: .connectionItself).address == plain)
        #expect(ConnectionOrigin(peer: try SocketAddress(ipAddress: "2001:db8::1", port: 25)).address == "2001:db8::1")
        #expect(ConnectionOrigin(peer: nil).address.isEmpty && ConnectionOrigin(peer: nil).port == 0)
    }

    @Test("Through a proxy the client is who the header says, and else the proxy; both are proxied")
    func proxied() throws {
        let proxy = try SocketAddress(ipAddress: "10.0.0.1", port: 4_000)
        let source = try SocketAddress(ipAddress: "192.0.2.1", port: 4_242)
        let client = ConnectionOrigin(proxy: proxy, header: .client(source: source, destination: proxy))
        #expect(client.address == "192.0.2.1" && client.port == 4_242 && client.isProxied && client.proxy == proxy)
        let own = ConnectionOrigin(proxy: proxy, header: .connectionItself)
        #expect(own.address == "10.0.0.1" && own.port == 4_000 && own.isProxied)
        #expect(!ConnectionOrigin(peer: source).isProxied)
    }
}
