import NIOCore

/// The binary form: a signature, command and family, a length, addresses, and vectors of type, length and value
/// (proxy-protocol.txt, 2.2).
enum ProxyHeaderV2 {
    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    /// Octets before the addresses.
    static let fixedOctets = 16

    private static let checksumType: UInt8 = 0x03

    /// What octets are that begin with as much of the signature as there is, and how many of them a whole header has.
    static func parse(_ octets: UnsafeRawBufferPointer) -> (ProxyHeader.Outcome, length: Int) {
        // What can be refused is refused before the rest has come.
        guard octets.count > 12 else { return (.needMore, 0) }
        guard octets[12] >> 4 == 2 else { return (.malformed(.version), 0) }
        let command = octets[12] & 0x0F
        guard command <= 1 else { return (.malformed(.command), 0) }
        guard octets.count >= fixedOctets else { return (.needMore, 0) }
        let length = fixedOctets + Int(octets[14]) << 8 + Int(octets[15])
        guard length <= ProxyHeader.octetLimit else { return (.malformed(.tooLong), 0) }
        guard octets.count >= length else { return (.needMore, 0) }
        // The connection is the proxy's own: family, addresses and vectors are to be ignored.
        guard command == 1 else { return (.header(.connectionItself), length) }
        do {
            return (.header(try relayed(UnsafeRawBufferPointer(rebasing: octets[..<length]))), length)
        } catch {
            return (.malformed(error), 0)
        }
    }

    /// What a whole header with the command PROXY says.
    private static func relayed(_ octets: UnsafeRawBufferPointer) throws(ProxyHeader.Malformation) -> ProxyHeader {
        let (family, transport) = (octets[13] >> 4, octets[13] & 0x0F)
        guard transport <= 2 else { throw .family }
        let addressOctets: Int
        switch family {
        // Unspecified: whatever stands there is to be ignored.
        case 0: return .connectionItself
        case 1: addressOctets = 4
        case 2: addressOctets = 16
        case 3: addressOctets = 108
        default: throw .family
        }
        let portOctets = family == 3 ? 0 : 2
        let vectors = fixedOctets + 2 * (addressOctets + portOctets)
        guard octets.count >= vectors else { throw .truncated }
        try checkVectors(octets, from: vectors)
        // Nobody speaks a mail protocol over datagrams, and a path names no client.
        guard family < 3, transport == 1 else { return .connectionItself }
        let ports = fixedOctets + 2 * addressOctets
        let source = address(octets[fixedOctets..<fixedOctets + addressOctets], port: octets[ports..<ports + 2])
        let destination = address(octets[fixedOctets + addressOctets..<ports], port: octets[ports + 2..<ports + 4])
        guard let source, let destination else { throw .truncated }
        return .client(source: source, destination: destination)
    }

    private static func address(
        _ octets: Slice<UnsafeRawBufferPointer>, port: Slice<UnsafeRawBufferPointer>
    ) -> SocketAddress? {
        let number = port.reduce(0) { $0 << 8 | Int($1) }
        return try? SocketAddress(packedIPAddress: ByteBuffer(bytes: octets), port: number)
    }

    /// Steps over the vectors, which fill the header to its last octet, and verifies the checksum if one of them is that.
    private static func checkVectors(
        _ octets: UnsafeRawBufferPointer, from start: Int
    ) throws(ProxyHeader.Malformation) {
        var position = start
        var isChecked = false
        while position < octets.count {
            guard octets.count - position >= 3 else { throw .vectors }
            let type = octets[position]
            let count = Int(octets[position + 1]) << 8 + Int(octets[position + 2])
            let value = position + 3
            guard octets.count - value >= count else { throw .vectors }
            position = value + count
            guard type == checksumType else { continue }
            guard count == 4, !isChecked else { throw .vectors }
            isChecked = true
            let found = octets[value..<position].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard CRC32C.checksum(of: octets, zeroing: value..<position) == found else { throw .checksum }
        }
    }
}
