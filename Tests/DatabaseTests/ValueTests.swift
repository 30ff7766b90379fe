import Database
import NIOCore
import TestRandomness
import Testing

@Suite("Values travel in the binary format")
struct ValueTests {
    private func echo<Value: DatabaseEncodable & DatabaseDecodable & Equatable>(
        _ values: [Value], as type: String, _ connection: DatabaseConnection
    ) async throws {
        let statement = Statement("SELECT $1::\(type), ARRAY[$1::\(type), NULL], $2::\(type)[], NULL::\(type)")
        for value in values {
            let row = try #require(try await connection.run(statement(value, values)).first)
            let (scalar, pair, all, null) = try row.decode(
                Value.self, [Value?].self, [Value].self, Value?.self)
            #expect(scalar == value)
            #expect(pair == [value, nil])
            #expect(all == values)
            #expect(null == nil)
        }
    }

    @Test("Every type comes back as it went, alone, in arrays and as NULL")
    func roundTrip() async throws {
        let (_, connection) = try await freshConnection()
        var random = SeededGenerator(seed: 7)
        try await echo([true, false], as: "boolean", connection)
        try await echo([Int16.min, -1, 0, 1, .max], as: "smallint", connection)
        try await echo([Int32.min, -1, 0, 1, .max], as: "integer", connection)
        try await echo([Int64.min, -1, 0, 1, .max], as: "bigint", connection)
        try await echo([Int.min, 0, .max], as: "bigint", connection)
        try await echo([0, -0.5, .infinity, 1e-300, .pi], as: "double precision", connection)
        try await echo(["", "a", "grüße 🐦", "\"{},\\'"], as: "text", connection)
        try await echo(
            [0, 1, 255, 70_000].map { count in
                ByteBuffer(bytes: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
            }, as: "bytea", connection)
        try await echo(
            [0, 1_700_000_000_123_456, -1, 946_684_800_000_000].map(Timestamp.init), as: "timestamptz", connection)
        let uuid = try #require(DatabaseUUID(octets: (0..<16).map { UInt8($0 * 16) }))
        try await echo([uuid, DatabaseUUID(high: 0, low: .max)], as: "uuid", connection)
        #expect(DatabaseUUID(octets: uuid.octets) == uuid)
    }

    @Test("The server understands values as their types, not only as octets")
    func meaning() async throws {
        let (_, connection) = try await freshConnection()
        let statement = Statement(
            """
            SELECT to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), $2::uuid::text,
                length($3::bytea)::bigint, cardinality($4::text[])::bigint
            """)
        let uuid = try #require(DatabaseUUID(octets: [UInt8](repeating: 0xAB, count: 16)))
        let row = try #require(
            try await connection.run(
                statement(Timestamp(microseconds: 1), uuid, ByteBuffer(bytes: [1, 2, 3]), [String]())
            ).first)
        let (time, text, length, count) = try row.decode(String.self, String.self, Int.self, Int.self)
        #expect(time == "1970-01-01 00:00:00.000001")
        #expect(text == "abababab-abab-abab-abab-abababababab")
        #expect(length == 3)
        #expect(count == 0)
    }

    @Test("A column of another type, a NULL or a missing column is an error, not a wrong value")
    func shape() async throws {
        let (_, connection) = try await freshConnection()
        let row = try #require(try await connection.run(Statement("SELECT 1::integer, NULL::text")()).first)
        #expect(throws: DatabaseError.self) { try row.decode(0, as: String.self) }
        #expect(throws: DatabaseError.self) { try row.decode(0, as: Int64.self) }
        #expect(throws: DatabaseError.self) { try row.decode(1, as: String.self) }
        #expect(throws: DatabaseError.self) { try row.decode(2, as: String.self) }
        #expect(throws: DatabaseError.self) { try row.decode(-1, as: String.self) }
        #expect(try row.decode(0, as: Int.self) == 1)
        #expect(row.withOctets(1) { $0 == nil })
        #expect(row.withOctets(0) { $0?.count } == 4)
    }
}
