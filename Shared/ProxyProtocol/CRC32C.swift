/// The checksum by Castagnoli's polynomial (RFC 9260, appendix A).
enum CRC32C {
    /// Of all octets, those in `hole` counting as zero.
    static func checksum(of octets: some Collection<UInt8>, zeroing hole: Range<Int> = 0..<0) -> UInt32 {
        var sum = UInt32.max
        for (position, octet) in octets.enumerated() {
            sum = sum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: sum) ^ (hole.contains(position) ? 0 : octet))]
        }
        return ~sum
    }

    private static let table: [UInt32] = (0..<256).map { octet in
        (0..<8).reduce(UInt32(octet)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0x82F6_3B78 : 0) }
    }
}
