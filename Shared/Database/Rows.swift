import CPostgreSQL

/// Owns one result of libpq. A result does not change once it is there, so any thread may read it.
final class ResultHandle: @unchecked Sendable {
    let owned: OpaquePointer

    init(owning result: OpaquePointer) { owned = result }

    deinit { PQclear(owned) }
}

/// The rows that one command returned; none for a command that returns no rows.
public struct Rows: Sendable, RandomAccessCollection {
    let handle: ResultHandle

    /// Always 0.
    public var startIndex: Int { 0 }
    /// How many rows there are.
    public var endIndex: Int { Int(PQntuples(handle.owned)) }

    /// The row at this position.
    public subscript(position: Int) -> Row { Row(handle: handle, position: Int32(clamping: position)) }

    /// How many rows the command inserted, updated, deleted or returned.
    public var affected: Int { Int(String(cString: PQcmdTuples(handle.owned))) ?? 0 }

    /// The command tag, for example `COMMIT`.
    var tag: String { String(cString: PQcmdStatus(handle.owned)) }

    /// Every row as a tuple of these types.
    public func decode<each Column: DatabaseDecodable>(
        _ types: repeat (each Column).Type
    ) throws(DatabaseError) -> [(repeat each Column)] {
        var tuples: [(repeat each Column)] = []
        tuples.reserveCapacity(count)
        for row in self {
            tuples.append(try row.decode(repeat each types))
        }
        return tuples
    }
}

/// One row of a result.
public struct Row: Sendable {
    let handle: ResultHandle
    let position: Int32

    /// The first columns as a tuple of these types, in order.
    public func decode<each Column: DatabaseDecodable>(
        _ types: repeat (each Column).Type
    ) throws(DatabaseError) -> (repeat each Column) {
        var column = -1
        func next<Value: DatabaseDecodable>(_ type: Value.Type) throws(DatabaseError) -> Value {
            column += 1
            return try decode(column, as: type)
        }
        return (repeat try next(each types))
    }

    /// The column at this position, the first being 0.
    public func decode<Value: DatabaseDecodable>(
        _ column: Int, as type: Value.Type = Value.self
    ) throws(DatabaseError) -> Value {
        guard let column = Int32(exactly: column), column >= 0, column < PQnfields(handle.owned) else {
            throw DatabaseError(.badResult, "the result has no column \(column)")
        }
        if PQgetisnull(handle.owned, position, column) == 1 {
            guard let null = Value.null else { throw failure(column, "is NULL") }
            return null
        }
        let columnType = PostgreSQLType(rawValue: PQftype(handle.owned, column))
        guard Value.reads(columnType) else {
            throw failure(column, "is \(columnType), which is not read as \(Value.self)")
        }
        let octets = UnsafeRawBufferPointer(
            start: PQgetvalue(handle.owned, position, column),
            count: Int(PQgetlength(handle.owned, position, column)))
        guard let value = withExtendedLifetime(handle, { Value.decode(borrowed: octets) }) else {
            throw failure(column, "does not have the format of \(columnType)")
        }
        return value
    }

    /// Gives the octets of a column as they are, without a copy; nil for NULL. They are good only inside `body`.
    public func withOctets<Result, Failure: Error>(
        _ column: Int, _ body: (UnsafeRawBufferPointer?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(handle) {} }
        guard let column = Int32(exactly: column), column >= 0, column < PQnfields(handle.owned),
            PQgetisnull(handle.owned, position, column) == 0
        else { return try body(nil) }
        return try body(
            UnsafeRawBufferPointer(
                start: PQgetvalue(handle.owned, position, column),
                count: Int(PQgetlength(handle.owned, position, column))))
    }

    private func failure(_ column: Int32, _ text: String) -> DatabaseError {
        let name = PQfname(handle.owned, column).map { String(cString: $0) } ?? "?"
        return DatabaseError(.badResult, "column \(column) (\(name)) \(text)")
    }
}
