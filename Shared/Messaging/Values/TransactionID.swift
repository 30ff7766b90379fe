import Atomics
import Glibc

/// 128 bits, ordered by time: the trace id of every request and the name of a mail transaction.
///
/// The first 48 bits are milliseconds since 1970, the next 32 a counter, the last 48 a number drawn once for
/// the process. Printed as 26 characters of lower-case Crockford base32, so that the order of the text is the
/// order of time.
public struct TransactionID: Sendable, Hashable, Comparable {
    let high: UInt64
    let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    private static let process = UInt64.random(in: 0...0xFFFF_FFFF_FFFF)
    private static let counter = ManagedAtomic<UInt32>(UInt32.random(in: 0...0x7FFF_FFFF))

    /// A new id, greater than those made in earlier milliseconds.
    public static func next() -> Self {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let milliseconds = UInt64(clamping: Int(time.tv_sec) &* 1_000 &+ Int(time.tv_nsec) / 1_000_000)
        let count = UInt64(counter.loadThenWrappingIncrement(ordering: .relaxed))
        return Self(high: milliseconds << 16 | count >> 16, low: count << 48 | process)
    }

    /// The 16 octets, most significant first.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for octet in octets.prefix(8) { high = high << 8 | UInt64(octet) }
        for octet in octets.dropFirst(8) { low = low << 8 | UInt64(octet) }
        self.init(high: high, low: low)
    }

    /// The 16 octets, most significant first.
    public var octets: [UInt8] {
        (0..<16).map { index in
            UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index % 8)))
        }
    }

    /// Earlier ids are less.
    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension TransactionID: LosslessStringConvertible {
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    /// 26 characters of lower-case Crockford base32.
    public var description: String {
        String(unsafeUninitializedCapacity: 26) { text in
            var high = self.high
            var low = self.low
            for index in stride(from: 25, through: 0, by: -1) {
                text[index] = Self.alphabet[Int(low & 31)]
                low = low >> 5 | high << 59
                high >>= 5
            }
            return 26
        }
    }

    /// Reads what `description` prints; upper case is understood too.
    public init?(_ description: String) {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var count = 0
        for character in description.utf8 {
            let lower = character >= 0x41 && character <= 0x5A ? character | 0x20 : character
            guard let value = Self.alphabet.firstIndex(of: lower), count < 26 else { return nil }
            if count == 0, value > 7 { return nil }
            high = high << 5 | low >> 59
            low = low << 5 | UInt64(value)
            count += 1
        }
        guard count == 26 else { return nil }
        self.init(high: high, low: low)
    }
}
