-- What has yet to go to other servers. The commit writes entries; egress leases, tries and settles them.

CREATE TABLE queue.entries (
    entry_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id  uuid NOT NULL,
    disposition     smallint NOT NULL,
    content_id      bigint NOT NULL,
    reverse_path    text NOT NULL,
    forward_path    text NOT NULL,
    domain          text COLLATE "C" NOT NULL,
    smtputf8        boolean NOT NULL,
    binary_mime     boolean NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    leased_until    timestamptz,
    leased_by       text,
    last_reply      text
);
CREATE INDEX entries_by_attempt ON queue.entries (next_attempt_at);
CREATE INDEX entries_by_content ON queue.entries (content_id);
COMMENT ON TABLE queue.entries IS 'One row for each remote recipient of each message.';
COMMENT ON COLUMN queue.entries.entry_id IS 'Its name.';
COMMENT ON COLUMN queue.entries.transaction_id IS 'The transaction that enqueued it.';
COMMENT ON COLUMN queue.entries.disposition IS 'Its position among that transaction''s dispositions.';
COMMENT ON COLUMN queue.entries.content_id IS 'The message.';
COMMENT ON COLUMN queue.entries.reverse_path IS 'Where failures go; empty for the null reverse-path.';
COMMENT ON COLUMN queue.entries.forward_path IS 'The recipient.';
COMMENT ON COLUMN queue.entries.domain IS 'What follows the last @ of the forward-path, lower case: recipients of one domain go together.';
COMMENT ON COLUMN queue.entries.smtputf8 IS 'The message needs SMTPUTF8 (RFC 6531).';
COMMENT ON COLUMN queue.entries.binary_mime IS 'The message needs BINARYMIME (RFC 3030).';
COMMENT ON COLUMN queue.entries.created_at IS 'When it was enqueued.';
COMMENT ON COLUMN queue.entries.next_attempt_at IS 'When to try next.';
COMMENT ON COLUMN queue.entries.attempts IS 'How often it was tried.';
COMMENT ON COLUMN queue.entries.leased_until IS 'Until when one egress has it for itself; null when none has.';
COMMENT ON COLUMN queue.entries.leased_by IS 'Which egress.';
COMMENT ON COLUMN queue.entries.last_reply IS 'What the other server said last.';

CREATE TABLE queue.receipts (
    transaction_id uuid NOT NULL,
    disposition    smallint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction_id, disposition)
);
CREATE INDEX receipts_by_time ON queue.receipts USING brin (created_at) WITH (autosummarize = on);
COMMENT ON TABLE queue.receipts IS 'What was enqueued, also after it was sent, so that a repeated commit enqueues nothing.';
COMMENT ON COLUMN queue.receipts.transaction_id IS 'The transaction.';
COMMENT ON COLUMN queue.receipts.disposition IS 'Its position among the dispositions, from 0.';
COMMENT ON COLUMN queue.receipts.created_at IS 'For the removal of old ones.';
