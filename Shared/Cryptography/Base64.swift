/// Base64 (RFC 4648, 4), strict: one encoding for each sequence of octets, no line breaks, padding required.
public enum Base64 {
    /// The encoding as octets of ASCII.
    public static func encodedOctets(_ octets: some Collection<UInt8>) -> [UInt8] {
        var encoded: [UInt8] = []
        encoded.reserveCapacity((octets.count + 2) / 3 * 4)
        var bits: UInt32 = 0
        var held = 0
        for octet in octets {
            bits = bits << 8 | UInt32(octet)
            held += 1
            if held == 3 {
                encoded.append(character(bits >> 18))
                encoded.append(character(bits >> 12))
                encoded.append(character(bits >> 6))
                encoded.append(character(bits))
                bits = 0
                held = 0
            }
        }
        switch held {
        case 1:
            encoded.append(character(bits >> 2))
            encoded.append(character(bits << 4))
            encoded.append(padding)
            encoded.append(padding)
        case 2:
            encoded.append(character(bits >> 10))
            encoded.append(character(bits >> 4))
            encoded.append(character(bits << 2))
            encoded.append(padding)
        default:
            break
        }
        return encoded
    }

    /// The encoding as text.
    public static func encode(_ octets: some Collection<UInt8>) -> String {
        String(decoding: encodedOctets(octets), as: UTF8.self)
    }

    /// The octets that are encoded so, or nil if this is not exactly what `encode` makes of them.
    public static func decode(_ encoded: some Collection<UInt8>) -> [UInt8]? {
        guard encoded.count % 4 == 0 else { return nil }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(encoded.count / 4 * 3)
        var bits: UInt32 = 0
        var held = 0
        var pads = 0
        for octet in encoded {
            if octet == padding {
                pads += 1
                held += 1
                // At most two, and only as the last of four; whatever follows them is refused below.
                guard pads <= 2, held > 2 else { return nil }
                bits <<= 6
            } else {
                guard pads == 0, let value = value(of: octet) else { return nil }
                bits = bits << 6 | value
                held += 1
            }
            guard held == 4 else { continue }
            decoded.append(UInt8(truncatingIfNeeded: bits >> 16))
            if pads < 2 { decoded.append(UInt8(truncatingIfNeeded: bits >> 8)) }
            if pads < 1 { decoded.append(UInt8(truncatingIfNeeded: bits)) }
            // Bits that are cut off are zero (RFC 4648, 3.5).
            if pads == 1, bits & 0xFF != 0 { return nil }
            if pads == 2, bits & 0xFFFF != 0 { return nil }
            bits = 0
            held = 0
        }
        return decoded
    }

    /// The octets that are encoded so, or nil if this is not exactly what `encode` makes of them.
    public static func decode(_ encoded: String) -> [UInt8]? {
        decode(Array(encoded.utf8))
    }

    private static let padding = UInt8(ascii: "=")
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func character(_ bits: UInt32) -> UInt8 {
        alphabet[Int(bits & 0x3F)]
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 97 + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) - 48 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
