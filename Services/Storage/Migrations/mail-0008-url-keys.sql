-- What URLs are authorized with (RFC 4467, 2.2). No key leaves storage.
CREATE TABLE mail.url_keys (
    account_id bigint NOT NULL,
    mailbox_id bigint NOT NULL,
    key        bytea NOT NULL,
    PRIMARY KEY (account_id, mailbox_id)
);
COMMENT ON TABLE mail.url_keys IS 'With which keys users gave others access to single messages, one row a mailbox.';
COMMENT ON COLUMN mail.url_keys.account_id IS 'Who gave it.';
COMMENT ON COLUMN mail.url_keys.mailbox_id IS 'In which mailbox.';
COMMENT ON COLUMN mail.url_keys.key IS 'Random octets; another key ends all that this one has given.';
