/// Octets as pairs of hexadecimal digits (RFC 4648, 8).
public enum Hex {
    /// In lower case.
    public static func encode(_ octets: some Collection<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var encoded: [UInt8] = []
        encoded.reserveCapacity(octets.count * 2)
        for octet in octets {
            encoded.append(digits[Int(octet >> 4)])
            encoded.append(digits[Int(octet & 0x0F)])
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// The octets, or nil if anything but pairs of digits, of either case, is there.
    public static func decode(_ encoded: String) -> [UInt8]? {
        var decoded: [UInt8] = []
        var high: UInt8?
        for character in encoded.utf8 {
            let digit: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - 48
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - 97 + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - 65 + 10
            default: return nil
            }
            if let first = high {
                decoded.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? decoded : nil
    }
}
