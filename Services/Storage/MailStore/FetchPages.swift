import Contracts
import Database
import NIOCore

/// How the pages of a `fetch` are read: one row a page, in which PostgreSQL has put the messages' entries one after the
/// other. Nothing is done for each message by itself on the way from there to the reader.
struct FetchPages: Sendable {
    /// Most messages of a page.
    static let count = 512
    static let rowCount = 1024
    /// Octets of contents in a page; beyond that it has one message.
    static let octets = 512 * 1024

    private let kinds: [FetchColumnKind]
    private let statement: Statement
    private let request: FetchRequest

    init(_ request: FetchRequest) {
        self.request = request
        kinds = request.kinds
        if request.rowOnly {
            statement = Self.rows
        } else {
            statement = Self.statements[kinds.reduce(0) { $0 | 1 << Self.position(of: $1) }]
        }
    }

    /// The first page of these messages, of no more than so many.
    func command(_ ranges: UIDRanges, most: Int) -> Command {
        var parameters = Parameters()
        parameters.append(request.accountID)
        parameters.append(request.mailboxID)
        parameters.append(ranges.firsts)
        parameters.append(ranges.lasts)
        parameters.append(Int64(most))
        if kinds.contains(.whole) { parameters.append(request.wholeOctets) }
        return statement.with(parameters)
    }

    /// The page in the row that the command gives.
    func decode(_ row: Row) throws(DatabaseError) -> (FetchPage, [ByteBuffer]) {
        var page = FetchPage()
        let (uids, sizes, contentIDs, savedAt, prefixes, headers) = try row.decode(
            [Int64]?.self, [Int64]?.self, [Int64]?.self, [Timestamp]?.self, [Int64]?.self, [Int64]?.self)
        page.uids = (uids ?? []).map { UInt32(clamping: $0) }
        page.octets = sizes ?? []
        page.contentIds = contentIDs ?? []
        page.savedAt = (savedAt ?? []).map(\.microseconds)
        page.prefixOctets = prefixes ?? []
        page.headerOctets = headers ?? []
        var payload: [ByteBuffer] = []
        for (index, kind) in kinds.enumerated() {
            var column = FetchColumn()
            column.kind = kind
            column.lengths = (try row.decode(6 + 2 * index, as: [Int32]?.self) ?? []).map { UInt32(clamping: $0) }
            page.columns.append(column)
            payload.append(try row.decode(7 + 2 * index, as: ByteBuffer?.self) ?? ByteBuffer())
        }
        return (page, payload)
    }

    // MARK: Statements

    /// Without a look at the contents.
    private static let rows = Statement(
        """
        SELECT array_agg(uid), array_agg(size), array_agg(content_id), array_agg(saved_at), array_agg(nothing),
            array_agg(nothing)
        FROM (\(messages), 0::bigint AS nothing\(inRanges)) AS page
        """)

    /// By the columns that are asked for, as a set of positions.
    private static let statements = (0..<1 << columns.count).map { wanted in
        statement(columns.indices.filter { wanted & 1 << $0 != 0 }.map { columns[$0] })
    }

    private struct Column {
        let kind: FetchColumnKind
        /// How many octets a message's entry has, without reading them.
        let length: String
        let entry: String
    }

    private static let columns = [
        Column(kind: .envelope, length: "coalesce(octet_length(envelope), 0)", entry: "envelope"),
        Column(kind: .bodyStructure, length: "coalesce(octet_length(body_structure), 0)", entry: "body_structure"),
        Column(kind: .body, length: "coalesce(octet_length(body_summary), 0)", entry: "body_summary"),
        Column(kind: .mimeIndex, length: "coalesce(octet_length(mime_index), 0)", entry: "mime_index"),
        Column(kind: .header, length: "coalesce(octet_length(header), 0)", entry: "header"),
        Column(
            kind: .whole, length: "CASE WHEN is_chunked OR size > $6 THEN 0 ELSE size::integer END",
            entry: "CASE WHEN NOT is_chunked AND size <= $6 THEN header || coalesce(body, '') END"),
    ]

    private static func position(of kind: FetchColumnKind) -> Int { columns.firstIndex { $0.kind == kind } ?? 0 }

    private static let messages = "SELECT m.uid, m.size, m.content_id, coalesce(m.saved_at, 'epoch') AS saved_at"

    /// The first $5 messages in the ranges.
    private static let inRanges = """

        FROM unnest($3::bigint[], $4::bigint[]) AS r (first_uid, last_uid)
        CROSS JOIN LATERAL (
            SELECT uid, size, content_id, saved_at FROM mail.messages
            WHERE account_id = $1 AND mailbox_id = $2 AND uid BETWEEN r.first_uid AND r.last_uid
            ORDER BY uid LIMIT $5
        ) m
        ORDER BY m.uid LIMIT $5
        """

    /// The window's order is that in which the entries are put together. OFFSET 0 keeps the planner at one look into the
    /// index for each message, whatever it knows of the tables.
    private static func statement(_ columns: [Column]) -> Statement {
        let lengths = columns.enumerated().map { index, column in ", \(column.length) AS length_\(index)" }
        let sum = columns.indices.map { "length_\($0)" } + ["0"]
        let entries = columns.enumerated().map { index, column in
            ", array_agg(length_\(index)), string_agg(\(column.entry), ''::bytea)"
        }
        return Statement(
            """
            SELECT array_agg(uid), array_agg(size), array_agg(content_id), array_agg(saved_at),
                array_agg(prefix_octets::bigint), array_agg(header_octets::bigint)\(entries.joined())
            FROM (
                SELECT *, sum(\(sum.joined(separator: " + "))) OVER (ORDER BY uid ROWS UNBOUNDED PRECEDING)
                    - (\(sum.joined(separator: " + "))) AS octets_before
                FROM (
                    SELECT m.*, c.prefix_octets, c.header_octets, c.is_chunked, c.envelope, c.body_structure,
                        c.body_summary, c.mime_index, c.header, c.body\(lengths.joined())
                    FROM (\(messages)\(inRanges)) m
                    CROSS JOIN LATERAL (SELECT * FROM mail.contents WHERE content_id = m.content_id OFFSET 0) c
                ) AS message
            ) AS page
            WHERE octets_before < \(octets)
            """)
    }
}
