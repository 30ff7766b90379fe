import Contracts
import Database
import Messaging
import NIOCore

extension MailStoreService {
    /// Most messages and, beyond the first message, most octets of header that are in memory for one reader.
    private static let pageCount = 256
    private static let rowPageCount = 1024
    private static let pageHeaderOctets = 4 * 1024 * 1024
    /// Octets of one item of a stream of octets.
    private static let octetsPortion = 256 * 1024

    private static let page = Statement(
        """
        SELECT uid, envelope, body_structure, body_summary, mime_index, prefix_octets::bigint, header_octets::bigint, size,
            header, content_id, saved_at
        FROM (
            SELECT m.uid, m.size, m.content_id, m.saved_at, c.prefix_octets, c.header_octets,
                CASE WHEN $5 THEN c.envelope END AS envelope,
                CASE WHEN $6 THEN c.body_structure END AS body_structure,
                CASE WHEN $7 THEN c.body_summary END AS body_summary,
                CASE WHEN $8 THEN c.mime_index END AS mime_index,
                CASE WHEN $9 THEN c.header END AS header,
                sum(CASE WHEN $9 THEN c.prefix_octets + c.header_octets ELSE 0 END) OVER (ORDER BY m.uid) AS running
            FROM (
                SELECT m.uid, m.size, m.content_id, m.saved_at
                FROM unnest($3::bigint[], $4::bigint[]) AS r (first_uid, last_uid)
                CROSS JOIN LATERAL (
                    SELECT uid, size, content_id, saved_at FROM mail.messages
                    WHERE account_id = $1 AND mailbox_id = $2 AND uid BETWEEN r.first_uid AND r.last_uid
                    ORDER BY uid LIMIT \(pageCount)
                ) m
                ORDER BY m.uid LIMIT \(pageCount)
            ) m
            JOIN mail.contents c ON c.content_id = m.content_id
        ) AS page
        WHERE running - CASE WHEN $9 THEN prefix_octets + header_octets ELSE 0 END < \(pageHeaderOctets)
        ORDER BY uid
        """)
    /// What `page` tells, without a look at the contents.
    private static let rowPage = Statement(
        """
        SELECT m.uid, NULL::bytea, NULL::bytea, NULL::bytea, NULL::bytea, 0::bigint, 0::bigint, m.size, NULL::bytea,
            m.content_id, m.saved_at
        FROM unnest($3::bigint[], $4::bigint[]) AS r (first_uid, last_uid)
        CROSS JOIN LATERAL (
            SELECT uid, size, content_id, saved_at FROM mail.messages
            WHERE account_id = $1 AND mailbox_id = $2 AND uid BETWEEN r.first_uid AND r.last_uid
            ORDER BY uid LIMIT \(rowPageCount)
        ) m
        ORDER BY m.uid LIMIT \(rowPageCount)
        """)

    func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchItem> {
        let pool = pool
        return ReplyStream(writing: { writer in
            try await answering {
                var rest = UIDRanges(pairs: request.uids)
                while !rest.isEmpty {
                    let (ranges, others) = rest.split(
                        at: request.rowOnly ? rest.count(within: Int64(Self.rowPageCount)) : Self.pageCount)
                    let page =
                        request.rowOnly
                        ? Self.rowPage(request.accountID, request.mailboxID, ranges.firsts, ranges.lasts)
                        : Self.page(
                            request.accountID, request.mailboxID, ranges.firsts, ranges.lasts, request.envelope,
                            request.bodyStructure, request.body, request.mimeIndex, request.header)
                    let rows = try await pool.run(page, deadline: context.deadline)
                    guard let last = rows.last else {
                        rest = others
                        continue
                    }
                    rest = ranges.after(try last.decode(0, as: Int64.self)).followed(by: others)
                    for row in rows {
                        let (item, header) = try FetchItem.decode(row)
                        try await writer.send(item, payload: request.header && !request.rowOnly ? [header] : [])
                    }
                }
            }
        })
    }

    /// The first piece of a range; the whole range unless the message is chunked.
    private static let firstPiece = Statement(
        """
        SELECT m.content_id, m.size, c.is_chunked, octet_length(c.header)::bigint, c.prefix_octets,
            CASE WHEN $4 < octet_length(c.header)
                THEN substring(c.header FROM $4::integer + 1 FOR $5::integer) END,
            CASE WHEN c.body IS NOT NULL AND $4 + $5 > octet_length(c.header)
                THEN substring(c.body FROM greatest($4 - octet_length(c.header), 0)::integer + 1
                    FOR ($5 - greatest(octet_length(c.header) - $4, 0))::integer) END
        FROM mail.messages m JOIN mail.contents c ON c.content_id = m.content_id
        WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.uid = $3
        """)
    private static let chunk = Statement(
        """
        SELECT substring(octets FROM ($2 - start_offset + 1)::integer FOR $3::integer) FROM mail.content_chunks
        WHERE content_id = $1 AND start_offset <= $2 ORDER BY start_offset DESC LIMIT 1
        """)

    func fetchOctets(
        _ request: FetchOctetsRequest, _ context: CallContext
    ) async throws -> ReplyStream<FetchOctetsItem> {
        let offset = max(request.offset, 0)
        let length = request.length > 0 ? request.length : Int64.max
        let pool = pool
        return ReplyStream(writing: { writer in
            try await answering {
                // An inline message is shorter than this, a chunked one goes on below.
                let wanted = min(length, Int64(DeliveryService.inlineOctets))
                let clamped = min(offset, Int64(Int32.max) - 1)
                let rows = try await pool.run(
                    Self.firstPiece(request.accountID, request.mailboxID, Int64(request.uid), clamped, wanted),
                    deadline: context.deadline)
                guard let row = rows.first else { return try await writer.send(FetchOctetsItem()) }
                let (contentID, total, isChunked, headerOctets, prefixOctets, header, body) = try row.decode(
                    Int64.self, Int64.self, Bool.self, Int64.self, Int.self, ByteBuffer?.self, ByteBuffer?.self)
                var item = FetchOctetsItem()
                item.found = true
                item.totalOctets = total
                let isBeyond = offset >= total
                try await writer.send(
                    item, payload: isBeyond ? [] : [header, body].compactMap { $0 }.filter { $0.readableBytes > 0 })
                guard isChunked, !isBeyond else { return }
                let end = length > total - offset ? total : offset + length
                var position = max(offset, headerOctets)
                while position < end {
                    let octets = try await pool.run(
                        Self.chunk(
                            contentID, position - Int64(prefixOctets), min(end - position, Int64(Self.octetsPortion))),
                        deadline: context.deadline
                    ).first?.decode(0, as: ByteBuffer.self)
                    guard let octets, octets.readableBytes > 0 else {
                        throw MessagingError(.failed, "a part of content \(contentID) is missing")
                    }
                    position += Int64(octets.readableBytes)
                    var item = FetchOctetsItem()
                    item.found = true
                    item.totalOctets = total
                    try await writer.send(item, payload: [octets])
                }
            }
        })
    }
}

extension FetchItem {
    /// The item and the header block of a row of `MailStoreService.page` or `rowPage`.
    static func decode(_ row: Row) throws(DatabaseError) -> (FetchItem, ByteBuffer) {
        let columns = try row.decode(
            Int64.self, ByteBuffer?.self, ByteBuffer?.self, ByteBuffer?.self, ByteBuffer?.self, Int64.self, Int64.self,
            Int64.self, ByteBuffer?.self, Int64.self, Timestamp?.self)
        var item = FetchItem()
        item.uid = UInt32(clamping: columns.0)
        if let octets = columns.1 { item.envelope = .init(octets.readableBytesView) }
        if let octets = columns.2 { item.bodyStructure = .init(octets.readableBytesView) }
        if let octets = columns.3 { item.body = .init(octets.readableBytesView) }
        if let octets = columns.4 { item.mimeIndex = .init(octets.readableBytesView) }
        item.prefixOctets = columns.5
        item.headerOctets = columns.6
        item.octets = columns.7
        item.contentID = columns.9
        item.savedAt = columns.10?.microseconds ?? 0
        return (item, columns.8 ?? ByteBuffer())
    }
}
