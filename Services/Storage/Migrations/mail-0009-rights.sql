-- Who besides its owner may do what with a mailbox (RFC 4314). Changed under the lock of the owner's account; they belong
-- to the mailbox, whatever it is called, and end with it.
CREATE TABLE mail.rights (
    account_id  bigint NOT NULL,
    mailbox_id  bigint NOT NULL,
    identifier  bigint NOT NULL,
    is_negative boolean NOT NULL,
    rights      integer NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, identifier, is_negative)
);
-- What a user may see of others is found without knowing whose it is.
CREATE INDEX rights_by_identifier ON mail.rights (identifier);
COMMENT ON TABLE mail.rights IS 'Access control lists, one row an entry. What the owner may do is not in it: everything.';
COMMENT ON COLUMN mail.rights.account_id IS 'Whose mailbox.';
COMMENT ON COLUMN mail.rights.mailbox_id IS 'Which mailbox.';
COMMENT ON COLUMN mail.rights.identifier IS 'The account that the entry is for; 0 for anyone.';
COMMENT ON COLUMN mail.rights.is_negative IS 'The rights are taken away from what other entries give (RFC 4314, 2).';
COMMENT ON COLUMN mail.rights.rights IS
    'Bits: 1 l, 2 r, 4 s, 8 w, 16 i, 32 p, 64 k, 128 x, 256 t, 512 e, 1024 a. A row without rights is removed.';
