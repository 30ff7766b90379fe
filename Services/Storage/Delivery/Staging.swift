import Database
import Messaging
import NIOCore

/// Large contents: they are written before their commit, in pieces, and completed by it.
struct Staging: Sendable {
    let pool: ConnectionPool
    /// Octets of one piece.
    static let chunkOctets = 256 * 1024

    private static let begin = Statement(
        """
        WITH content AS (
            INSERT INTO mail.contents (content_id, body_octets, is_chunked) VALUES ($1, 0, true) RETURNING content_id)
        INSERT INTO mail.released_contents (content_id) SELECT content_id FROM content
        """)
    private static let addChunk = Statement(
        "INSERT INTO mail.content_chunks (content_id, start_offset, octets) VALUES ($1, $2, $3)")
    private static let end = Statement(
        """
        WITH content AS (UPDATE mail.contents SET body_octets = $2 WHERE content_id = $1 RETURNING content_id)
        UPDATE mail.released_contents r SET released_at = now() FROM content c WHERE r.content_id = c.content_id
        """)
    /// Fills in what only the commit knows, and starts the grace time anew. Done again it changes nothing: a commit
    /// that is repeated has the same prefix, since it is the same transaction.
    private static let complete = Statement(
        """
        WITH content AS (
            UPDATE mail.contents c SET
                prefix_octets = $2::integer, header_octets = $3::integer, body_octets = $4,
                sent_at = $5, digest = $6, message_id = $7, mime_index = $8, envelope = $9, body_structure = $10,
                body_summary = $11,
                header = $12 || substring((
                    SELECT string_agg(k.octets, ''::bytea ORDER BY k.start_offset) FROM mail.content_chunks k
                    WHERE k.content_id = $1 AND k.start_offset < $3) FROM 1 FOR $3::integer)
            WHERE c.content_id = $1 AND c.is_chunked
                AND (c.header IS NOT NULL OR c.body_octets = $3 + $4)
            RETURNING c.content_id
        ), renewed AS (
            INSERT INTO mail.released_contents (content_id) SELECT content_id FROM content
            ON CONFLICT (content_id) DO UPDATE SET released_at = now()
        )
        SELECT content_id FROM content
        """)

    /// Writes the octets as they come; no more than a few pieces are in memory.
    func stage(_ octets: Payload, deadline: ContinuousClock.Instant) async throws -> (contentID: Int64, octets: Int64) {
        let contentID = try await pool.withConnection(deadline: deadline) { connection in
            try await Self.begin(on: connection)
        }
        var offset: Int64 = 0
        var piece = ByteBuffer()
        for try await chunk in octets {
            var chunk = chunk
            piece.writeBuffer(&chunk)
            if piece.readableBytes >= Self.chunkOctets {
                offset += try await write(&piece, contentID, offset, deadline)
            }
        }
        if piece.readableBytes > 0 { offset += try await write(&piece, contentID, offset, deadline) }
        try await pool.run(Self.end(contentID, offset), deadline: deadline)
        return (contentID, offset)
    }

    private static func begin(on connection: isolated DatabaseConnection) throws -> Int64 {
        var identifiers = ContentIdentifiers()
        let taken = try identifiers.take(1, on: connection)
        guard let contentID = taken.first else { throw DatabaseError(.badResult, "no content id") }
        try connection.run(begin(contentID))
        return contentID
    }

    private func write(
        _ piece: inout ByteBuffer, _ contentID: Int64, _ offset: Int64, _ deadline: ContinuousClock.Instant
    ) async throws -> Int64 {
        let octets = Int64(piece.readableBytes)
        try await pool.run(Self.addChunk(contentID, offset, piece), deadline: deadline)
        piece.clear()
        return octets
    }

    /// Completes a staged content; false when it is not there (any more) or has another length.
    func complete(
        _ contentID: Int64, prefix: ByteBuffer, headerOctets: Int64, bodyOctets: Int64, _ metadata: ContentMetadata,
        deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        let rows = try await pool.run(
            Self.complete(
                contentID, Int64(prefix.readableBytes), headerOctets, bodyOctets, metadata.sentAt, metadata.digest,
                metadata.messageID, metadata.mimeIndex, metadata.envelope, metadata.bodyStructure,
                metadata.bodySummary, prefix),
            deadline: deadline)
        return !rows.isEmpty
    }
}
