import NIOCore

/// Base64 of authentication exchanges (RFC 9051, 9: `base64`), strict: padding is required and its bits are 0.
enum Base64 {
    private static let alphabet = Base64Alphabet(last: "/")

    static func encode(_ octets: ByteBuffer, into output: inout ByteBuffer) {
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for octet in octets.readableBytesView {
            bits = bits << 8 | UInt32(octet)
            count += 8
            while count >= 6 {
                count -= 6
                output.writeInteger(alphabet.character(bits >> count))
            }
            bits &= (1 << count) - 1
        }
        if count > 0 { output.writeInteger(alphabet.character(bits << (6 - count))) }
        for _ in 0..<(3 - octets.readableBytes % 3) % 3 { output.writeInteger(UInt8(ascii: "=")) }
    }

    /// The octets, or nil when the text is not base64. Nothing is the base64 of nothing.
    static func decode(_ text: ByteBuffer) -> ByteBuffer? {
        guard text.readableBytes % 4 == 0 else { return nil }
        var output = ByteBuffer()
        output.reserveCapacity(text.readableBytes / 4 * 3)
        var bits: UInt32 = 0
        var count: UInt32 = 0
        var padding = 0
        for octet in text.readableBytesView {
            if octet == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = alphabet.value(of: octet) else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                output.writeInteger(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        // Two characters leave four bits and two "=", three leave two bits and one.
        guard bits == 0, count < 6, padding == Int(count / 2) else { return nil }
        return output
    }
}
