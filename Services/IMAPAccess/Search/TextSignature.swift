import Contracts
import NIOCore

/// Which strings of three octets are in a text, folded as it is compared: a bit for each, by a hash. A text without one of
/// a needle's bits does not hold the needle; one with all of them may.
struct TextSignature: Sendable {
    private var words = [UInt64](repeating: 0, count: TextSegment.rows / 64)

    /// Adds a folded text, or a piece of one.
    mutating func insert(_ folded: [UInt8]) {
        guard folded.count >= 3 else { return }
        words.withUnsafeMutableBufferPointer { words in
            folded.withUnsafeBufferPointer { text in
                var window = UInt32(text[0]) << 8 | UInt32(text[1])
                for position in 2..<text.count {
                    window = (window << 8 | UInt32(text[position])) & 0xFF_FFFF
                    let row = Self.row(window)
                    words[row / 64] |= 1 << UInt64(row % 64)
                }
            }
        }
    }

    /// The bits that are set, ascending.
    func forEachRow(_ body: (Int) -> Void) {
        for (index, var word) in words.enumerated() {
            while word != 0 {
                body(index * 64 + word.trailingZeroBitCount)
                word &= word - 1
            }
        }
    }

    /// The bit of three octets: the upper bits of a product with the golden ratio spread best.
    @inline(__always)
    fileprivate static func row(_ window: UInt32) -> Int {
        Int((window &* 0x9E37_79B1) >> UInt32(32 - TextSegment.rows.trailingZeroBitCount))
    }
}

extension TextNeedle {
    /// More bits than this tell little.
    private static var signatureRowLimit: Int { 12 }

    /// Bits that are set in the signature of each text that holds the needle; none for a needle of less than three octets.
    var signatureRows: [Int] {
        guard octets.count >= 3 else { return [] }
        var rows: [Int] = []
        for start in 0...octets.count - 3 {
            let window = octets[start..<start + 3].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let row = TextSignature.row(window)
            if !rows.contains(row) { rows.append(row) }
        }
        // Taken from all over the needle: neighbours go together more often than not.
        let step = max(1, (rows.count + Self.signatureRowLimit - 1) / Self.signatureRowLimit)
        return stride(from: 0, to: rows.count, by: step).map { rows[$0] }
    }
}

/// Signatures that become a segment of the index when there are enough.
struct TextSegmentBuilder {
    private var uids = ByteBuffer()
    private var rows: [UInt8] = []
    private var count = 0

    /// Adds a message; uids ascend. Returns the payload of a segment that has become full.
    mutating func add(_ uid: UInt32, _ signature: TextSignature) -> [ByteBuffer]? {
        if rows.isEmpty { rows = [UInt8](repeating: 0, count: TextSegment.octets) }
        let (octet, bit) = (count / 8, UInt8(1) << UInt8(count % 8))
        rows.withUnsafeMutableBufferPointer { rows in
            signature.forEachRow { rows[$0 * TextSegment.rowOctets + octet] |= bit }
        }
        uids.writeInteger(uid, endianness: .little)
        count += 1
        guard count == TextSegment.messages else { return nil }
        defer { self = TextSegmentBuilder() }
        return [uids, ByteBuffer(bytes: rows)]
    }
}
