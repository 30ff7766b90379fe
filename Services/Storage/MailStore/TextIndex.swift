import Contracts
import Database
import Messaging
import NIOCore

/// The index of texts. Searches make it and read it; storage keeps it and knows no more of it than its shape.
extension MailStoreService {
    /// Segments that are in memory for one reader.
    private static let segmentPage = 64

    private static let segments = Statement(
        """
        SELECT count(*), max(first_uid), string_agg(uids, ''::bytea), string_agg(rows, ''::bytea)
        FROM (
            SELECT s.first_uid, s.uids, (
                SELECT string_agg(
                    substring(s.signatures FROM r.number * \(TextSegment.rowOctets) + 1 FOR \(TextSegment.rowOctets)),
                    ''::bytea ORDER BY r.position)
                FROM unnest($4::integer[]) WITH ORDINALITY AS r (number, position)
            ) AS rows
            FROM mail.text_segments s
            WHERE s.account_id = $1 AND s.mailbox_id = $2 AND s.form = $3 AND s.first_uid > $5
            ORDER BY s.first_uid LIMIT \(segmentPage)
        ) AS page
        """)
    /// What is of no use any more: segments of another form, and of messages of which none is left.
    private static let removeStale = Statement(
        """
        DELETE FROM mail.text_segments s
        WHERE s.account_id = $1 AND s.mailbox_id = $2 AND (s.form <> $3 OR NOT EXISTS (
            SELECT FROM mail.messages m
            WHERE m.account_id = $1 AND m.mailbox_id = $2 AND m.uid BETWEEN s.first_uid AND s.last_uid))
        """)
    /// The mailbox's row holds off its removal, which takes the segments along.
    private static let addSegment = Statement(
        """
        WITH mailbox AS (
            SELECT mailbox_id FROM mail.mailboxes WHERE account_id = $1 AND mailbox_id = $2 FOR KEY SHARE
        )
        INSERT INTO mail.text_segments (account_id, mailbox_id, form, first_uid, last_uid, uids, signatures)
        SELECT $1, mailbox_id, $3, $4, $5, $6, $7 FROM mailbox
        ON CONFLICT DO NOTHING
        """)
    static let forgetTexts = Statement("DELETE FROM mail.text_segments WHERE account_id = $1 AND mailbox_id = $2")

    func textIndex(_ request: TextIndexRequest, _ context: CallContext) async throws -> ReplyStream<TextIndexPage> {
        guard request.rows.count <= TextSegment.rowLimit, request.rows.allSatisfy({ $0 < TextSegment.rows }) else {
            throw MessagingError(
                .malformed, "at most \(TextSegment.rowLimit) rows can be read at once, of \(TextSegment.rows)")
        }
        let (pool, rows) = (pool, request.rows.map { Int32(clamping: $0) })
        return ReplyStream(writing: { writer in
            try await answering {
                var last: Int64 = 0
                while true {
                    let page = Self.segments(
                        request.accountID, request.mailboxID, TextSegment.form, rows, last)
                    guard let row = try await pool.run(page, deadline: context.deadline).first else { return }
                    let (count, lastUID, uids, bits) = try row.decode(
                        Int.self, Int64?.self, ByteBuffer?.self, ByteBuffer?.self)
                    guard let lastUID, let uids else { return }
                    last = lastUID
                    var item = TextIndexPage()
                    item.segments = UInt32(clamping: count)
                    try await writer.send(item, payload: [uids, bits ?? ByteBuffer()])
                    if count < Self.segmentPage { return }
                }
            }
        })
    }

    func addTextSegment(
        _ request: AddTextSegmentRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> AddTextSegmentReply {
        guard payload.count == 2, payload[0].readableBytes == TextSegment.uidOctets,
            payload[1].readableBytes == TextSegment.octets,
            let first = payload[0].getInteger(at: payload[0].readerIndex, endianness: .little, as: UInt32.self),
            let last = payload[0].getInteger(
                at: payload[0].readerIndex + TextSegment.uidOctets - 4, endianness: .little, as: UInt32.self),
            first < last
        else { throw MessagingError(.malformed, "a segment has \(TextSegment.messages) messages") }
        let (accountID, mailboxID) = (request.accountID, request.mailboxID)
        let commands = [
            Self.removeStale(accountID, mailboxID, TextSegment.form),
            Self.addSegment(
                accountID, mailboxID, TextSegment.form, Int64(first), Int64(last), payload[0], payload[1]),
        ]
        try await answering {
            try await pool.withConnection(deadline: context.deadline) { connection in
                _ = try await connection.transaction(commands)
            }
        }
        return AddTextSegmentReply()
    }
}
