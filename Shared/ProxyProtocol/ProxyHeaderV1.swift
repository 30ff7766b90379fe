import NIOCore

/// The form that people can read: one line, `PROXY TCP4 192.0.2.1 192.0.2.11 56324 25` (proxy-protocol.txt, 2.1).
enum ProxyHeaderV1 {
    static let opening = Array("PROXY ".utf8)

    /// What octets are that begin like such a line, and how many of them a whole one has.
    static func parse(_ octets: UnsafeRawBufferPointer) -> (ProxyHeader.Outcome, length: Int) {
        let window = octets.prefix(ProxyHeader.lineLimit)
        guard let end = window.indices.dropLast().first(where: { window[$0] == 13 && window[$0 + 1] == 10 }) else {
            return (octets.count < ProxyHeader.lineLimit ? .needMore : .malformed(.lineTooLong), 0)
        }
        guard let header = header(window[..<end].dropFirst(opening.count)) else { return (.malformed(.line), 0) }
        return (.header(header), end + 2)
    }

    /// Exactly one space stands between two fields, so an empty field is one too many.
    private static func header(_ line: Slice<UnsafeRawBufferPointer>) -> ProxyHeader? {
        let fields = line.split(separator: 32, omittingEmptySubsequences: false)
        switch fields.first.map({ String(decoding: $0, as: UTF8.self) }) {
        case "UNKNOWN":
            // Whatever follows is to be ignored.
            return .connectionItself
        case "TCP4": return client(fields.dropFirst()) { if case .v4 = $0 { true } else { false } }
        case "TCP6": return client(fields.dropFirst()) { if case .v6 = $0 { true } else { false } }
        default: return nil
        }
    }

    private static func client(
        _ fields: ArraySlice<Slice<UnsafeRawBufferPointer>>, isOfFamily: (SocketAddress) -> Bool
    ) -> ProxyHeader? {
        let fields = Array(fields)
        guard fields.count == 4, let sourcePort = port(fields[2]), let destinationPort = port(fields[3]),
            let source = address(fields[0], port: sourcePort), isOfFamily(source),
            let destination = address(fields[1], port: destinationPort), isOfFamily(destination)
        else { return nil }
        return .client(source: source, destination: destination)
    }

    private static func address(_ octets: Slice<UnsafeRawBufferPointer>, port: UInt16) -> SocketAddress? {
        // The system's parser reads C strings, which end at a zero octet. It refuses leading zeroes itself.
        let isOfAddress = octets.allSatisfy { octet in
            switch octet {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard isOfAddress else { return nil }
        return try? SocketAddress(ipAddress: String(decoding: octets, as: UTF8.self), port: Int(port))
    }

    private static func port(_ octets: Slice<UnsafeRawBufferPointer>) -> UInt16? {
        guard octets.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            octets.count == 1 || octets.first != UInt8(ascii: "0")
        else { return nil }
        return UInt16(String(decoding: octets, as: UTF8.self))
    }
}
