import Contracts
import Database
import Messaging
import NIOCore

extension MailStoreService {
    /// Octets of one item of a stream of octets.
    private static let octetsPortion = 256 * 1024

    /// Messages of the first page, so that the reader has something to do while the next is read.
    private static let firstPageCount = 64

    func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchPage> {
        let pool = pool
        return ReplyStream(writing: { writer in
            try await answering {
                let pages = FetchPages(request)
                var rest = UIDRanges(pairs: request.uids)
                var most = request.rowOnly ? FetchPages.rowCount : Self.firstPageCount
                while !rest.isEmpty {
                    let (ranges, others) = rest.split(at: rest.count(within: Int64(most)))
                    let rows = try await pool.run(pages.command(ranges, most: most), deadline: context.deadline)
                    guard let row = rows.first else { return }
                    let (page, payload) = try pages.decode(row)
                    guard let last = page.uids.last else {
                        rest = others
                        continue
                    }
                    rest = ranges.after(Int64(last)).followed(by: others)
                    try await writer.send(page, payload: payload)
                    // Where messages are large, rows that would not fit are not looked for.
                    if !request.rowOnly { most = min(max(2 * page.uids.count, 8), FetchPages.count) }
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
