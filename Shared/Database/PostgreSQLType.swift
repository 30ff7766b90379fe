/// A type of PostgreSQL by its object id (`pg_type.oid`), which is the same in every installation.
public struct PostgreSQLType: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The object id.
    public let rawValue: UInt32

    /// The type with this object id.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `boolean`
    public static let bool = Self(rawValue: 16)
    /// `bytea`
    public static let bytea = Self(rawValue: 17)
    /// `bigint`
    public static let int8 = Self(rawValue: 20)
    /// `smallint`
    public static let int2 = Self(rawValue: 21)
    /// `integer`
    public static let int4 = Self(rawValue: 23)
    /// `text`
    public static let text = Self(rawValue: 25)
    /// `double precision`
    public static let float8 = Self(rawValue: 701)
    /// `timestamp with time zone`
    public static let timestamptz = Self(rawValue: 1184)
    /// `uuid`
    public static let uuid = Self(rawValue: 2950)
    /// `character varying`
    public static let varchar = Self(rawValue: 1043)
    /// `name`
    public static let name = Self(rawValue: 19)
    /// `"char"`, `xid` and other types are left to casts in the statement.
    public static let unknown = Self(rawValue: 705)

    /// `boolean[]`
    public static let boolArray = Self(rawValue: 1000)
    /// `bytea[]`
    public static let byteaArray = Self(rawValue: 1001)
    /// `smallint[]`
    public static let int2Array = Self(rawValue: 1005)
    /// `integer[]`
    public static let int4Array = Self(rawValue: 1007)
    /// `text[]`
    public static let textArray = Self(rawValue: 1009)
    /// `bigint[]`
    public static let int8Array = Self(rawValue: 1016)
    /// `double precision[]`
    public static let float8Array = Self(rawValue: 1022)
    /// `timestamp with time zone[]`
    public static let timestamptzArray = Self(rawValue: 1185)
    /// `uuid[]`
    public static let uuidArray = Self(rawValue: 2951)

    /// The name as PostgreSQL prints it, for error texts.
    public var description: String {
        Self.names[self] ?? "type \(rawValue)"
    }

    private static let names: [PostgreSQLType: String] = [
        .bool: "boolean", .bytea: "bytea", .int8: "bigint", .int2: "smallint", .int4: "integer", .text: "text",
        .float8: "double precision", .timestamptz: "timestamptz", .uuid: "uuid", .varchar: "varchar", .name: "name",
        .unknown: "unknown", .boolArray: "boolean[]", .byteaArray: "bytea[]", .int2Array: "smallint[]",
        .int4Array: "integer[]", .textArray: "text[]", .int8Array: "bigint[]", .float8Array: "double precision[]",
        .timestamptzArray: "timestamptz[]", .uuidArray: "uuid[]",
    ]
}
