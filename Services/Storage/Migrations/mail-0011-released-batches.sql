-- Contents whose messages were removed together, many in a row: a row for each, in two indexes, was the larger part of
-- what a removal wrote. What is read piece by piece, and what is staged, keeps a row of its own in
-- mail.released_contents, where its grace time begins anew; what is here is read at once by whoever reads it.
CREATE TABLE mail.released_batches (
    released_at timestamptz NOT NULL DEFAULT now(),
    batch_id    bigint GENERATED ALWAYS AS IDENTITY,
    content_ids bigint[] NOT NULL,
    PRIMARY KEY (released_at, batch_id)
);
COMMENT ON TABLE mail.released_batches IS
    'Contents that may have no reference any more, as mail.released_contents: small ones, many in a row.';
COMMENT ON COLUMN mail.released_batches.released_at IS 'When these references went.';
COMMENT ON COLUMN mail.released_batches.batch_id IS 'Sets those of one time apart.';
COMMENT ON COLUMN mail.released_batches.content_ids IS 'The contents; one may be in several batches.';
