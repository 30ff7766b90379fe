-- Mailboxes and messages. Every key on a hot path begins with account_id and every hot statement names it, so that the
-- tables distribute by account. Whoever changes messages of a mailbox holds the lock of the mailbox's row; whoever
-- changes more than one mailbox, or what an account uses, holds the lock of the account's row before.
-- There are no foreign keys on the hot path: one statement writes a message and what it refers to, under those locks.

CREATE SEQUENCE mail.content_ids AS bigint INCREMENT BY 1024;
COMMENT ON SEQUENCE mail.content_ids IS 'Each value is the first of 1024 content ids that one process gives out by itself.';

CREATE TABLE mail.contents (
    content_id     bigint PRIMARY KEY,
    prefix_octets  integer NOT NULL DEFAULT 0,
    header_octets  integer NOT NULL DEFAULT 0,
    body_octets    bigint NOT NULL,
    is_chunked     boolean NOT NULL DEFAULT false,
    sent_at        timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    digest         bytea,
    message_id     text,
    mime_index     bytea,
    envelope       bytea,
    body_structure bytea,
    body_summary   bytea,
    header         bytea COMPRESSION lz4,
    body           bytea COMPRESSION lz4
);
COMMENT ON TABLE mail.contents IS
    'What a message says, once however many mailboxes hold it. A message is prefix, header, body; it never changes.';
COMMENT ON COLUMN mail.contents.content_id IS 'Given by the storing process from a block of mail.content_ids.';
COMMENT ON COLUMN mail.contents.prefix_octets IS 'Octets of our own trace fields, which stand before the message as received.';
COMMENT ON COLUMN mail.contents.header_octets IS 'Octets of the header block as received, with the empty line.';
COMMENT ON COLUMN mail.contents.body_octets IS 'Octets after the header block. While staged: octets of all.';
COMMENT ON COLUMN mail.contents.is_chunked IS 'The message as received is in mail.content_chunks, and body is null.';
COMMENT ON COLUMN mail.contents.sent_at IS 'The Date field, for search and sort; null when missing or unreadable.';
COMMENT ON COLUMN mail.contents.created_at IS 'When it was stored.';
COMMENT ON COLUMN mail.contents.digest IS 'SHA-256 of the message as received.';
COMMENT ON COLUMN mail.contents.message_id IS 'The Message-ID field, for threads.';
COMMENT ON COLUMN mail.contents.mime_index IS 'Offsets of every MIME part, in the form of the MailMessage library.';
COMMENT ON COLUMN mail.contents.envelope IS 'ENVELOPE in IMAP''s syntax.';
COMMENT ON COLUMN mail.contents.body_structure IS 'BODYSTRUCTURE in IMAP''s syntax.';
COMMENT ON COLUMN mail.contents.body_summary IS 'BODY, which is BODYSTRUCTURE without extension data, in IMAP''s syntax.';
COMMENT ON COLUMN mail.contents.header IS 'Prefix and header block; null while only staged.';
COMMENT ON COLUMN mail.contents.body IS 'The body when it is not chunked.';

CREATE TABLE mail.content_chunks (
    content_id   bigint NOT NULL,
    start_offset bigint NOT NULL,
    octets       bytea NOT NULL,
    PRIMARY KEY (content_id, start_offset)
);
-- Not compressed: a part of a chunk is read without the rest, and large bodies are base64 of what is compressed.
ALTER TABLE mail.content_chunks ALTER COLUMN octets SET STORAGE EXTERNAL;
COMMENT ON TABLE mail.content_chunks IS 'Large messages as received, header and body without prefix, in pieces.';
COMMENT ON COLUMN mail.content_chunks.content_id IS 'Whose piece it is.';
COMMENT ON COLUMN mail.content_chunks.start_offset IS 'Where in the message it begins.';
COMMENT ON COLUMN mail.content_chunks.octets IS 'The piece.';

CREATE TABLE mail.released_contents (
    content_id  bigint PRIMARY KEY,
    released_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX released_contents_by_time ON mail.released_contents (released_at);
COMMENT ON TABLE mail.released_contents IS
    'Contents that may have no reference any more, or not yet: looked at again after a grace time.';
COMMENT ON COLUMN mail.released_contents.content_id IS 'The content.';
COMMENT ON COLUMN mail.released_contents.released_at IS 'When the last known reference went, or when it was staged.';

CREATE TABLE mail.mailboxes (
    account_id     bigint NOT NULL,
    mailbox_id     bigint GENERATED ALWAYS AS IDENTITY,
    name           text COLLATE "C" NOT NULL,
    uid_validity   bigint NOT NULL CHECK (uid_validity BETWEEN 1 AND 4294967295),
    uid_next       bigint NOT NULL DEFAULT 1 CHECK (uid_next <= 4294967295),
    highest_modseq bigint NOT NULL DEFAULT 1,
    message_count  integer NOT NULL DEFAULT 0,
    unseen_count   integer NOT NULL DEFAULT 0,
    deleted_count  integer NOT NULL DEFAULT 0,
    octets         bigint NOT NULL DEFAULT 0,
    selectable     boolean NOT NULL DEFAULT true,
    special_use    text NOT NULL DEFAULT '',
    keywords       text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, mailbox_id),
    UNIQUE (account_id, name)
    -- As with accounts: the counters change with every delivery.
) WITH (fillfactor = 50);
COMMENT ON TABLE mail.mailboxes IS 'One row a mailbox; its lock is that of the mailbox''s messages.';
COMMENT ON COLUMN mail.mailboxes.account_id IS 'Whose it is.';
COMMENT ON COLUMN mail.mailboxes.mailbox_id IS 'Never reused; stays when the mailbox is renamed.';
COMMENT ON COLUMN mail.mailboxes.name IS 'UTF-8 with "/" between the levels; the inbox is INBOX.';
COMMENT ON COLUMN mail.mailboxes.uid_validity IS 'From the account''s counter, so that no name sees a value twice.';
COMMENT ON COLUMN mail.mailboxes.uid_next IS 'The uid of the next message.';
COMMENT ON COLUMN mail.mailboxes.highest_modseq IS 'The modseq of the last change; each change adds one (RFC 7162).';
COMMENT ON COLUMN mail.mailboxes.message_count IS 'Messages here.';
COMMENT ON COLUMN mail.mailboxes.unseen_count IS 'Messages without \Seen.';
COMMENT ON COLUMN mail.mailboxes.deleted_count IS 'Messages with \Deleted.';
COMMENT ON COLUMN mail.mailboxes.octets IS 'Octets of all messages here.';
COMMENT ON COLUMN mail.mailboxes.selectable IS 'False for a name that only holds children (\Noselect).';
COMMENT ON COLUMN mail.mailboxes.special_use IS 'RFC 6154, for example \Sent; empty for none.';
COMMENT ON COLUMN mail.mailboxes.keywords IS 'Keyword i, counted from 0, is bit 8+i of the flags. Only ever appended to.';
COMMENT ON COLUMN mail.mailboxes.created_at IS 'When it was made.';

CREATE TABLE mail.subscriptions (
    account_id bigint NOT NULL,
    name       text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, name)
);
COMMENT ON TABLE mail.subscriptions IS 'Names that the user subscribed to, whether or not a mailbox has them (RFC 9051, 6.3.9).';
COMMENT ON COLUMN mail.subscriptions.account_id IS 'Whose.';
COMMENT ON COLUMN mail.subscriptions.name IS 'The name as of a mailbox.';

CREATE TABLE mail.messages (
    account_id    bigint NOT NULL,
    mailbox_id    bigint NOT NULL,
    uid           bigint NOT NULL,
    content_id    bigint NOT NULL,
    flags         bigint NOT NULL,
    modseq        bigint NOT NULL,
    internal_date timestamptz NOT NULL,
    size          bigint NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, uid)
);
CREATE INDEX messages_by_modseq ON mail.messages (account_id, mailbox_id, modseq);
CREATE INDEX messages_by_content ON mail.messages (content_id);
COMMENT ON TABLE mail.messages IS 'One row for each message in each mailbox.';
COMMENT ON COLUMN mail.messages.account_id IS 'Whose mailbox.';
COMMENT ON COLUMN mail.messages.mailbox_id IS 'Which mailbox.';
COMMENT ON COLUMN mail.messages.uid IS 'Ascending with each arrival, never reused.';
COMMENT ON COLUMN mail.messages.content_id IS 'What it says.';
COMMENT ON COLUMN mail.messages.flags IS
    'Bits: 1 \Seen, 2 \Answered, 4 \Flagged, 8 \Deleted, 16 \Draft, from 256 on the mailbox''s keywords.';
COMMENT ON COLUMN mail.messages.modseq IS 'The mailbox''s modseq when it arrived or its flags last changed.';
COMMENT ON COLUMN mail.messages.internal_date IS 'IMAP''s INTERNALDATE.';
COMMENT ON COLUMN mail.messages.size IS 'RFC822.SIZE: prefix, header and body.';

CREATE TABLE mail.expunged (
    account_id bigint NOT NULL,
    mailbox_id bigint NOT NULL,
    modseq     bigint NOT NULL,
    first_uid  bigint NOT NULL,
    last_uid   bigint NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, modseq, first_uid)
);
COMMENT ON TABLE mail.expunged IS 'Which uids went with which change, for VANISHED (RFC 7162, 3.2.10).';
COMMENT ON COLUMN mail.expunged.account_id IS 'Whose mailbox.';
COMMENT ON COLUMN mail.expunged.mailbox_id IS 'Which mailbox.';
COMMENT ON COLUMN mail.expunged.modseq IS 'The change.';
COMMENT ON COLUMN mail.expunged.first_uid IS 'First of a run of uids.';
COMMENT ON COLUMN mail.expunged.last_uid IS 'Last of the run.';

CREATE TABLE mail.receipts (
    account_id     bigint NOT NULL,
    transaction_id uuid NOT NULL,
    disposition    smallint NOT NULL,
    outcome        smallint NOT NULL,
    mailbox_id     bigint,
    uid_validity   bigint,
    uid            bigint,
    modseq         bigint,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, transaction_id, disposition)
);
CREATE INDEX receipts_by_time ON mail.receipts USING brin (created_at) WITH (autosummarize = on);
COMMENT ON TABLE mail.receipts IS
    'What became of each disposition of each transaction, so that a repeated commit stores nothing and gets the first answer.';
COMMENT ON COLUMN mail.receipts.account_id IS 'Whose mailbox the disposition named.';
COMMENT ON COLUMN mail.receipts.transaction_id IS 'The transaction.';
COMMENT ON COLUMN mail.receipts.disposition IS 'Its position among the dispositions, from 0.';
COMMENT ON COLUMN mail.receipts.outcome IS 'CommitOutcome of the Delivery contract.';
COMMENT ON COLUMN mail.receipts.mailbox_id IS 'Where it was stored; null when it was refused, as the next three.';
COMMENT ON COLUMN mail.receipts.uid_validity IS 'The mailbox''s.';
COMMENT ON COLUMN mail.receipts.uid IS 'The message''s.';
COMMENT ON COLUMN mail.receipts.modseq IS 'The message''s when it was stored.';
COMMENT ON COLUMN mail.receipts.created_at IS 'For the removal of old ones.';

CREATE TABLE mail.call_receipts (
    account_id      bigint NOT NULL,
    idempotency_key uuid NOT NULL,
    reply           bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, idempotency_key)
);
CREATE INDEX call_receipts_by_time ON mail.call_receipts USING brin (created_at) WITH (autosummarize = on);
COMMENT ON TABLE mail.call_receipts IS
    'Replies to calls that change mailboxes, so that a call that is sent again takes effect once.';
COMMENT ON COLUMN mail.call_receipts.account_id IS 'Whose mailboxes.';
COMMENT ON COLUMN mail.call_receipts.idempotency_key IS 'The call''s key.';
COMMENT ON COLUMN mail.call_receipts.reply IS 'The reply as a protocol buffer.';
COMMENT ON COLUMN mail.call_receipts.created_at IS 'For the removal of old ones.';

CREATE FUNCTION mail.keyword_bits(known text[], wanted text, lenient boolean) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN lenient OR count(*) FILTER (WHERE k.name IS NULL) = 0
        THEN coalesce(bit_or(1::bigint << (7 + k.position)::integer), 0)
    END
    FROM unnest(string_to_array(wanted, ' ')) AS w (name)
    LEFT JOIN unnest(known) WITH ORDINALITY AS k (name, position) ON lower(k.name) = lower(w.name)
$$;
COMMENT ON FUNCTION mail.keyword_bits IS
    'The flag bits of keywords, given with spaces between; null when one is not known, unless lenient.';

CREATE FUNCTION mail.keywords_with(known text[], wanted text[], most integer) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT known || ARRAY(
        SELECT first.name
        FROM (
            SELECT DISTINCT ON (lower(w.name)) w.name, w.position
            FROM unnest(wanted) WITH ORDINALITY AS w (name, position)
            WHERE NOT EXISTS (SELECT FROM unnest(known) AS k (name) WHERE lower(k.name) = lower(w.name))
            ORDER BY lower(w.name), w.position
        ) AS first
        ORDER BY first.position
        LIMIT greatest(most - cardinality(known), 0))
$$;
COMMENT ON FUNCTION mail.keywords_with IS 'The known keywords and those wanted that are not among them, as many as fit.';
