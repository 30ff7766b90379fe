import CPostgreSQL
import NIOCore

/// The parameters of one command in PostgreSQL's binary format.
///
/// Small values and arrays are written into one buffer; a `ByteBuffer` given as `bytea` is kept as it is and handed to
/// libpq without a copy.
public struct Parameters: Sendable {
    @usableFromInline
    enum Location: Sendable {
        case null
        case gathered(Range<Int>)
        case separate(ByteBuffer)
    }

    @usableFromInline var types: [PostgreSQLType.RawValue] = []
    @usableFromInline var locations: [Location] = []
    @usableFromInline var gathered = ByteBuffer()

    /// No parameters yet.
    @inlinable
    public init() {}

    /// How many there are.
    public var count: Int { types.count }

    /// Adds the value as the next parameter.
    @inlinable
    public mutating func append<Value: DatabaseEncodable>(_ value: Value) {
        types.append(Value.postgreSQLType.rawValue)
        if value.isNull {
            locations.append(.null)
        } else if let octets = value as? ByteBuffer {
            locations.append(.separate(octets))
        } else {
            let start = gathered.writerIndex
            gathered.reserveCapacity(start + value.encodedOctets)
            value.encode(into: &gathered)
            locations.append(.gathered(start..<gathered.writerIndex))
        }
    }

    /// Runs `body` with what libpq's `PQsendPrepare` and `PQsendQueryPrepared` want; the pointers are good only inside.
    func withLibpqArrays<Result>(
        _ body: (
            _ count: Int32, _ types: UnsafePointer<Oid>?, _ values: UnsafePointer<UnsafePointer<CChar>?>?,
            _ lengths: UnsafePointer<Int32>?, _ formats: UnsafePointer<Int32>?
        ) -> Result
    ) -> Result {
        let formats = [Int32](repeating: 1, count: locations.count)
        var lengths: [Int32] = []
        lengths.reserveCapacity(locations.count)
        for location in locations {
            switch location {
            case .null: lengths.append(0)
            case .gathered(let range): lengths.append(Int32(clamping: range.count))
            case .separate(let octets): lengths.append(Int32(clamping: octets.readableBytes))
            }
        }
        // An empty value still needs an address: without one it would be NULL.
        return withUnsafePointer(to: CChar(0)) { empty in
            gathered.withUnsafeReadableBytes { gathered in
                var values: [UnsafePointer<CChar>?] = []
                values.reserveCapacity(locations.count)
                return withValues(&values, gathered, empty) { values in
                    body(Int32(clamping: types.count), types, values, lengths, formats)
                }
            }
        }
    }

    /// Fills `values` from its end on, one level of closure for each separate buffer, so that no pointer outlives the
    /// closure it was given in.
    private func withValues<Result>(
        _ values: inout [UnsafePointer<CChar>?], _ gathered: UnsafeRawBufferPointer, _ empty: UnsafePointer<CChar>,
        _ body: ([UnsafePointer<CChar>?]) -> Result
    ) -> Result {
        while values.count < locations.count {
            switch locations[values.count] {
            case .null:
                values.append(nil)
            case .gathered(let range):
                let address = gathered.baseAddress.map { ($0 + range.lowerBound).assumingMemoryBound(to: CChar.self) }
                values.append(range.isEmpty ? empty : address)
            case .separate(let octets):
                return octets.withUnsafeReadableBytes { octets in
                    values.append(octets.baseAddress?.assumingMemoryBound(to: CChar.self) ?? empty)
                    return withValues(&values, gathered, empty, body)
                }
            }
        }
        return body(values)
    }
}
