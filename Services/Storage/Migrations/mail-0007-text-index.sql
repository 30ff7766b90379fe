-- What SEARCH knows of texts without reading them. A message's signature has a bit for each string of three octets in its
-- text, by a hash; a segment holds the signatures of some messages of one mailbox as rows: row i is bit i of each
-- of them. A search reads the rows of what it looks for, and only the messages that have all of their bits.
CREATE TABLE mail.text_segments (
    account_id bigint NOT NULL,
    mailbox_id bigint NOT NULL,
    first_uid  bigint NOT NULL,
    last_uid   bigint NOT NULL,
    form       smallint NOT NULL,
    uids       bytea NOT NULL,
    signatures bytea NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, first_uid)
);
ALTER TABLE mail.text_segments ALTER COLUMN uids SET STORAGE PLAIN;
-- Not compressed: a row is read without the rest.
ALTER TABLE mail.text_segments ALTER COLUMN signatures SET STORAGE EXTERNAL;
COMMENT ON TABLE mail.text_segments IS 'An index of texts, made by searches; what is not in it is read.';
COMMENT ON COLUMN mail.text_segments.account_id IS 'Whose.';
COMMENT ON COLUMN mail.text_segments.mailbox_id IS 'Which mailbox.';
COMMENT ON COLUMN mail.text_segments.first_uid IS 'The first of the messages.';
COMMENT ON COLUMN mail.text_segments.last_uid IS 'The last of the messages.';
COMMENT ON COLUMN mail.text_segments.form IS 'How signatures are made; those of another form are of no use.';
COMMENT ON COLUMN mail.text_segments.uids IS 'Of the messages, in ascending order: four octets each, little endian.';
COMMENT ON COLUMN mail.text_segments.signatures IS 'Row by row, a bit for each message, the lowest first.';
