import Database

/// The statements of a group commit, in the order in which one pipeline runs them. Each works on all messages of the
/// batch at once; nothing is read by this process in between.
enum CommitStatements {
    /// Before any lock, since it is the largest part of the work. A batch that is run again after its connection died
    /// in the commit may find its contents there.
    static let insertContents = Statement(
        """
        INSERT INTO mail.contents (
            content_id, prefix_octets, header_octets, body_octets, sent_at, digest, message_id, mime_index, envelope,
            body_structure, body_summary, header, body)
        SELECT * FROM unnest(
            $1::bigint[], $2::integer[], $3::integer[], $4::bigint[], $5::timestamptz[], $6::bytea[], $7::text[],
            $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[])
        ON CONFLICT (content_id) DO NOTHING
        """)

    /// One content whose octets are many: they are handed to libpq where they lie, while an array would first have to be
    /// put together here and taken apart there.
    static let insertLargeContent = Statement(
        """
        INSERT INTO mail.contents (
            content_id, prefix_octets, header_octets, body_octets, sent_at, digest, message_id, mime_index, envelope,
            body_structure, body_summary, header, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (content_id) DO NOTHING
        """)

    /// The dispositions of the batch: what makes it exact is the function's, in `Migrations`.
    static let commit = Statement(
        """
        SELECT * FROM mail.commit_dispositions(
            $1::bigint[], $2::bytea[], $3::bytea[], $4::uuid[], $5::uuid[], $6::integer[], $7::bigint[],
            $8::bigint[], $9::bytea[], $10::boolean[], $11::smallint[], $12::bigint[], $13::bigint[], $14::text[],
            $15::boolean[], $16::bigint[], $17::text[], $18::timestamptz[], $19::text[], $20::boolean[],
            $21::boolean[], $22::smallint[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[],
            $28::bigint[], $29::bigint[], $30::bigint[])
        """)
}
