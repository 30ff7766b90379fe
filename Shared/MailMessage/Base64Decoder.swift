/// Decodes base64 as it passes (RFC 2045, 6.8). Octets outside the alphabet are skipped; `=` ends a group, and what
/// follows begins a new one, since bodies are sometimes glued together.
public struct Base64Decoder: Sendable, Hashable {
    private var accumulator: UInt32 = 0
    private var sextets = 0

    /// A decoder at the beginning of a body.
    public init() {}

    /// Decodes the next octets.
    public mutating func decode(_ input: some Sequence<UInt8>, into output: inout [UInt8]) {
        output.reserveCapacity(output.count + input.underestimatedCount / 4 * 3 + 3)
        for octet in input {
            let value = Self.alphabet[Int(octet)]
            if value < 64 {
                accumulator = accumulator << 6 | UInt32(value)
                sextets += 1
                if sextets == 4 {
                    output.append(UInt8(truncatingIfNeeded: accumulator >> 16))
                    output.append(UInt8(truncatingIfNeeded: accumulator >> 8))
                    output.append(UInt8(truncatingIfNeeded: accumulator))
                    sextets = 0
                }
            } else if octet == ASCII.equals {
                finish(into: &output)
            }
        }
    }

    /// The body has ended: whole octets of an unfinished group are given out.
    public mutating func finish(into output: inout [UInt8]) {
        switch sextets {
        case 2: output.append(UInt8(truncatingIfNeeded: accumulator >> 4))
        case 3:
            output.append(UInt8(truncatingIfNeeded: accumulator >> 10))
            output.append(UInt8(truncatingIfNeeded: accumulator >> 2))
        case _: break
        }
        sextets = 0
        accumulator = 0
    }

    private static let alphabet: [UInt8] = {
        var table = [UInt8](repeating: 0xFF, count: 256)
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, octet) in letters.utf8.enumerated() { table[Int(octet)] = UInt8(value) }
        return table
    }()
}
