import NIOCore

// All of it can be inlined, so that a command's parameters are encoded without run-time type information.

/// A value that can be a parameter: it knows its PostgreSQL type and writes itself in the binary format.
public protocol DatabaseEncodable: Sendable {
    /// The type that the parameter has.
    static var postgreSQLType: PostgreSQLType { get }
    /// The type of an array of these.
    static var postgreSQLArrayType: PostgreSQLType { get }
    /// True for NULL.
    var isNull: Bool { get }
    /// How many octets `encode` writes, or a good guess.
    var encodedOctets: Int { get }
    /// Writes the binary format; not asked when `isNull`.
    func encode(into buffer: inout ByteBuffer)
}

extension DatabaseEncodable {
    /// A value that is there.
    @inlinable
    public var isNull: Bool { false }
    /// Most types are this long.
    @inlinable
    public var encodedOctets: Int { 8 }
}

extension Bool: DatabaseEncodable {
    /// `boolean`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .bool }
    /// `boolean[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .boolArray }
    /// One octet.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeInteger(self ? 1 : 0, as: UInt8.self) }
}

extension Int16: DatabaseEncodable {
    /// `smallint`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .int2 }
    /// `smallint[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .int2Array }
    /// Two octets, big endian.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeInteger(self) }
}

extension Int32: DatabaseEncodable {
    /// `integer`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .int4 }
    /// `integer[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .int4Array }
    /// Four octets, big endian.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeInteger(self) }
}

extension Int64: DatabaseEncodable {
    /// `bigint`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .int8 }
    /// `bigint[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .int8Array }
    /// Eight octets, big endian.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeInteger(self) }
}

extension Int: DatabaseEncodable {
    /// `bigint`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .int8 }
    /// `bigint[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .int8Array }
    /// Eight octets, big endian.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeInteger(Int64(self)) }
}

extension Double: DatabaseEncodable {
    /// `double precision`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .float8 }
    /// `double precision[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .float8Array }
    /// Eight octets, IEEE 754, big endian.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeInteger(bitPattern) }
}

extension String: DatabaseEncodable {
    /// `text`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .text }
    /// `text[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .textArray }
    /// The UTF-8 octets.
    @inlinable
    public var encodedOctets: Int { utf8.count }
    /// The UTF-8 octets. PostgreSQL refuses a text that contains U+0000.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeString(self) }
}

extension ByteBuffer: DatabaseEncodable {
    /// `bytea`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .bytea }
    /// `bytea[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .byteaArray }
    /// The readable octets.
    @inlinable
    public var encodedOctets: Int { readableBytes }
    /// The readable octets.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeImmutableBuffer(self) }
}

extension Timestamp: DatabaseEncodable {
    /// `timestamptz`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .timestamptz }
    /// `timestamptz[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .timestamptzArray }
    /// Microseconds since 2000-01-01 UTC.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) {
        let (value, overflow) = microseconds.subtractingReportingOverflow(Self.postgreSQLEpoch)
        // What is beyond the range becomes PostgreSQL's own -infinity.
        buffer.writeInteger(overflow ? Int64.min : value)
    }
}

extension DatabaseUUID: DatabaseEncodable {
    /// `uuid`
    @inlinable
    public static var postgreSQLType: PostgreSQLType { .uuid }
    /// `uuid[]`
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .uuidArray }
    /// Sixteen.
    @inlinable
    public var encodedOctets: Int { 16 }
    /// The sixteen octets.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { buffer.writeMultipleIntegers(high, low) }
}

extension Optional: DatabaseEncodable where Wrapped: DatabaseEncodable {
    /// The type of the value that may be missing.
    @inlinable
    public static var postgreSQLType: PostgreSQLType { Wrapped.postgreSQLType }
    /// An array of these.
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { Wrapped.postgreSQLArrayType }
    /// Nil is NULL.
    @inlinable
    public var isNull: Bool { self?.isNull ?? true }
    /// As long as the value.
    @inlinable
    public var encodedOctets: Int { self?.encodedOctets ?? 0 }
    /// The value's own format.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) { self?.encode(into: &buffer) }
}

extension Array: DatabaseEncodable where Element: DatabaseEncodable {
    /// The array type of the element.
    @inlinable
    public static var postgreSQLType: PostgreSQLType { Element.postgreSQLArrayType }
    /// PostgreSQL has one type for arrays of any depth; arrays of arrays are not offered.
    @inlinable
    public static var postgreSQLArrayType: PostgreSQLType { .unknown }
    /// A header and each element with its length.
    @inlinable
    public var encodedOctets: Int { reduce(20) { $0 + 4 + $1.encodedOctets } }

    /// PostgreSQL's one-dimensional array: dimensions, whether there are NULLs, element type, length, first index 1.
    @inlinable
    public func encode(into buffer: inout ByteBuffer) {
        let hasNulls: Int32 = contains(where: \.isNull) ? 1 : 0
        guard !isEmpty else {
            buffer.writeMultipleIntegers(Int32(0), Int32(0), Element.postgreSQLType.rawValue)
            return
        }
        buffer.writeMultipleIntegers(
            Int32(1), hasNulls, Element.postgreSQLType.rawValue, Int32(clamping: count), Int32(1))
        for element in self {
            guard !element.isNull else {
                buffer.writeInteger(Int32(-1))
                continue
            }
            let lengthIndex = buffer.writerIndex
            buffer.writeInteger(Int32(0))
            element.encode(into: &buffer)
            buffer.setInteger(Int32(clamping: buffer.writerIndex - lengthIndex - 4), at: lengthIndex)
        }
    }
}
