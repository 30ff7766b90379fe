import Glibc
import NIOCore

/// Network addresses with a common beginning, in the notation of RFC 4632, 3.1 and RFC 4291, 2.3: `10.0.0.0/8`,
/// `2001:db8::/32`; an address alone is the range of itself.
///
/// An IPv4 address that is written as an IPv6 address (`::ffff:192.0.2.1`, RFC 4291, 2.5.5.2) is the IPv4 address, in a
/// range as in what is looked for in it: a socket of IPv6 gives clients of IPv4 in that form.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    /// The octets of the first address: four or sixteen.
    private let first: [UInt8]
    /// How many bits all addresses of the range have in common.
    private let bits: Int

    /// Reads an address, or an address, `/` and a number of bits; nil for anything else, also when the address has bits
    /// beyond that number: then one of the two is a mistake.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let octets = Self.octets(String(parts[0])) else { return nil }
        var bits = octets.count * 8
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
                digits.count == 1 || digits.first != 48, let number = Int(parts[1]), number <= bits
            else { return nil }
            bits = number
        }
        let isMapped = bits >= 96 && Self.isMapped(octets)
        first = isMapped ? Array(octets.suffix(4)) : octets
        self.bits = isMapped ? bits - 96 : bits
        guard Self.masked(first, bits: self.bits) == first else { return nil }
    }

    /// Whether the address is in the range. A Unix socket's is in none.
    public func contains(_ address: SocketAddress) -> Bool {
        guard let octets = Self.octets(address), octets.count == first.count else { return false }
        return Self.masked(octets, bits: bits) == first
    }

    /// The form that the initializer reads, with the number of bits.
    public var description: String {
        var octets = first
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(first.count == 4 ? AF_INET : AF_INET6, &octets, &text, socklen_t(text.count)) != nil else {
            return ""
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) + "/\(bits)"
    }

    private static func octets(_ text: String) -> [UInt8]? {
        // The system's parsers read C strings, which end at a zero octet.
        guard !text.utf8.contains(0) else { return nil }
        var octets = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &octets) == 1 { return octets }
        if inet_pton(AF_INET, text, &octets) == 1 { return Array(octets.prefix(4)) }
        return nil
    }

    private static func octets(_ address: SocketAddress) -> [UInt8]? {
        switch address {
        case .v4(let address): return withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
        case .v6(let address):
            let octets = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
            return isMapped(octets) ? Array(octets.suffix(4)) : octets
        case .unixDomainSocket: return nil
        }
    }

    private static func isMapped(_ octets: [UInt8]) -> Bool {
        octets.count == 16 && octets.prefix(10).allSatisfy { $0 == 0 } && octets[10...11].allSatisfy { $0 == 255 }
    }

    private static func masked(_ octets: [UInt8], bits: Int) -> [UInt8] {
        octets.enumerated().map { index, octet in
            switch bits - index * 8 {
            case 8...: octet
            case ...0: 0
            case let kept: octet & (0xFF << (8 - kept))
            }
        }
    }
}

extension [AddressRange] {
    /// Whether the address is in any of the ranges.
    public func contain(_ address: SocketAddress) -> Bool { contains { $0.contains(address) } }
}
