import NIOCore

/// A value that can be read from a column in PostgreSQL's binary format.
public protocol DatabaseDecodable {
    /// Whether it can be read from a column of this type.
    static func reads(_ type: PostgreSQLType) -> Bool
    /// The value in these octets; nil when they do not have the format. `octets` are good only during the call.
    static func decode(borrowed octets: UnsafeRawBufferPointer) -> Self?
    /// The value for NULL; nil when NULL is an error.
    static var null: Self? { get }
}

extension DatabaseDecodable {
    /// NULL is an error.
    public static var null: Self? { nil }
}

extension UnsafeRawBufferPointer {
    /// The integer that exactly fills these octets, big endian.
    func bigEndian<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
        guard count == MemoryLayout<Value>.size else { return nil }
        return Value(bigEndian: loadUnaligned(as: Value.self))
    }
}

extension Bool: DatabaseDecodable {
    /// `boolean`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .bool }
    /// One octet.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Bool? {
        octets.bigEndian(UInt8.self).map { $0 != 0 }
    }
}

extension Int16: DatabaseDecodable {
    /// `smallint`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .int2 }
    /// Two octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Int16? { octets.bigEndian(Int16.self) }
}

extension Int32: DatabaseDecodable {
    /// `integer`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .int4 }
    /// Four octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Int32? { octets.bigEndian(Int32.self) }
}

extension Int64: DatabaseDecodable {
    /// `bigint`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .int8 }
    /// Eight octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Int64? { octets.bigEndian(Int64.self) }
}

extension Int: DatabaseDecodable {
    /// Any integer.
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .int8 || type == .int4 || type == .int2 }
    /// Two, four or eight octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Int? {
        switch octets.count {
        case 8: octets.bigEndian(Int64.self).map { Int($0) }
        case 4: octets.bigEndian(Int32.self).map { Int($0) }
        default: octets.bigEndian(Int16.self).map { Int($0) }
        }
    }
}

extension Double: DatabaseDecodable {
    /// `double precision`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .float8 }
    /// Eight octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Double? {
        octets.bigEndian(UInt64.self).map(Double.init(bitPattern:))
    }
}

extension String: DatabaseDecodable {
    /// `text` and its kin
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .text || type == .varchar || type == .name }
    /// UTF-8, as the session asks for.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> String? {
        String(decoding: octets, as: UTF8.self)
    }
}

extension ByteBuffer: DatabaseDecodable {
    /// `bytea`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .bytea }
    /// A copy of the octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> ByteBuffer? { ByteBuffer(bytes: octets) }
}

extension Timestamp: DatabaseDecodable {
    /// `timestamptz`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .timestamptz }
    /// Microseconds since 2000-01-01 UTC.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Timestamp? {
        guard let value = octets.bigEndian(Int64.self) else { return nil }
        let (sum, overflow) = value.addingReportingOverflow(postgreSQLEpoch)
        return Timestamp(microseconds: overflow ? Int64.max : sum)
    }
}

extension DatabaseUUID: DatabaseDecodable {
    /// `uuid`
    public static func reads(_ type: PostgreSQLType) -> Bool { type == .uuid }
    /// Sixteen octets.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> DatabaseUUID? {
        DatabaseUUID(octets: octets)
    }
}

extension Optional: DatabaseDecodable where Wrapped: DatabaseDecodable {
    /// The types of the value that may be missing.
    public static func reads(_ type: PostgreSQLType) -> Bool { Wrapped.reads(type) }
    /// The value.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> Wrapped?? {
        Wrapped.decode(borrowed: octets).map { .some($0) }
    }
    /// Nil.
    public static var null: Wrapped?? { .some(.none) }
}

extension Array: DatabaseDecodable where Element: DatabaseDecodable & DatabaseEncodable {
    /// The array type of the element.
    public static func reads(_ type: PostgreSQLType) -> Bool { type == Element.postgreSQLArrayType }

    /// A one-dimensional array.
    public static func decode(borrowed octets: UnsafeRawBufferPointer) -> [Element]? {
        guard octets.count >= 12 else { return nil }
        func integer(_ offset: Int) -> Int32? {
            guard offset + 4 <= octets.count else { return nil }
            return Int32(bigEndian: octets.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        }
        guard let dimensions = integer(0) else { return nil }
        if dimensions == 0 { return [] }
        guard dimensions == 1, let count = integer(12), count >= 0, Int(count) <= octets.count else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(Int(count))
        var offset = 20
        for _ in 0..<count {
            guard let length = integer(offset) else { return nil }
            offset += 4
            if length < 0 {
                guard let null = Element.null else { return nil }
                elements.append(null)
                continue
            }
            guard offset + Int(length) <= octets.count,
                let element = Element.decode(
                    borrowed: UnsafeRawBufferPointer(rebasing: octets[offset..<offset + Int(length)]))
            else { return nil }
            elements.append(element)
            offset += Int(length)
        }
        return elements
    }
}
