-- Annotations of mailboxes and of the account itself (RFC 5464). They are changed under the account's lock.
CREATE TABLE mail.metadata (
    account_id bigint NOT NULL,
    mailbox_id bigint NOT NULL,
    entry      text COLLATE "C" NOT NULL,
    value      bytea NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, entry)
);
COMMENT ON TABLE mail.metadata IS 'What users noted of their mailboxes, one row an entry.';
COMMENT ON COLUMN mail.metadata.account_id IS 'Whose.';
COMMENT ON COLUMN mail.metadata.mailbox_id IS 'Which mailbox; 0 for the account itself.';
COMMENT ON COLUMN mail.metadata.entry IS 'The name in lower case, for example /private/comment.';
COMMENT ON COLUMN mail.metadata.value IS 'Any octets.';
