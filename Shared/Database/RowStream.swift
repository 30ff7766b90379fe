/// The rows of a large result, a portion at a time: the server makes the next portion when it is asked for.
///
/// Made by `DatabaseConnection.stream` inside a transaction; over when the transaction is.
public struct RowStream: AsyncSequence, Sendable {
    /// Some rows, never none.
    public typealias Element = Rows

    fileprivate let connection: DatabaseConnection
    fileprivate let cursor: Cursor

    /// Asks the server for one portion after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let stream: RowStream
        fileprivate var isAtEnd = false

        /// The next portion; nil at the end.
        public mutating func next() async throws(DatabaseError) -> Rows? {
            guard !isAtEnd else { return nil }
            let rows = try await stream.connection.fetch(stream.cursor)
            isAtEnd = rows.count < stream.cursor.portion
            return rows.isEmpty ? nil : rows
        }
    }

    /// Begins to read.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }
}

/// A statement for `DatabaseConnection.stream`: a SELECT whose rows are read through a server-side cursor.
public struct StreamedStatement: Sendable {
    fileprivate let declare: Statement
    fileprivate let cursor: Cursor

    /// The statement; `portion` is how many rows come at a time.
    public init(_ text: String, portion: Int = 1024) {
        let name = "martlet_cursor"
        declare = Statement("DECLARE \(name) NO SCROLL CURSOR WITHOUT HOLD FOR \(text)")
        cursor = Cursor(
            portion: portion, fetch: Statement("FETCH FORWARD \(portion) FROM \(name)"),
            close: Statement("CLOSE \(name)"))
    }
}

struct Cursor: Sendable {
    let portion: Int
    let fetch: Statement
    let close: Statement
}

extension DatabaseConnection {
    /// Opens a stream; the connection must be in a transaction, and reads one stream at a time.
    public func stream<each Value: DatabaseEncodable>(
        _ statement: StreamedStatement, _ values: repeat each Value
    ) throws(DatabaseError) -> RowStream {
        try run(statement.declare(repeat each values))
        return RowStream(connection: self, cursor: statement.cursor)
    }

    /// Ends a stream before the end of its transaction, so that another can be opened.
    public func close(_ stream: RowStream) throws(DatabaseError) {
        try run(stream.cursor.close())
    }

    fileprivate func fetch(_ cursor: Cursor) throws(DatabaseError) -> Rows {
        try run(cursor.fetch())
    }
}
