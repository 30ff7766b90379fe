/// A point in time: `timestamptz` on the server, microseconds since 1970-01-01 UTC here and in the contracts.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Microseconds since 1970-01-01 00:00 UTC.
    public var microseconds: Int64

    /// The point in time so many microseconds after 1970-01-01 00:00 UTC.
    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// Earlier is less.
    public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

    /// PostgreSQL counts from 2000-01-01 00:00 UTC.
    @usableFromInline static let postgreSQLEpoch: Int64 = 946_684_800_000_000
}

/// Sixteen octets: `uuid` on the server.
public struct DatabaseUUID: Sendable, Hashable {
    /// The first eight octets, big endian.
    public var high: UInt64
    /// The last eight octets, big endian.
    public var low: UInt64

    /// The value of these two halves.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The value of these octets; nil unless there are sixteen.
    @inlinable
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 16 else { return nil }
        var (high, low): (UInt64, UInt64) = (0, 0)
        for octet in octets { (high, low) = (high << 8 | low >> 56, low << 8 | UInt64(octet)) }
        self.init(high: high, low: low)
    }

    /// The sixteen octets.
    public var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(16)
        for half in [high, low] {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                octets.append(UInt8(truncatingIfNeeded: half >> shift))
            }
        }
        return octets
    }
}
