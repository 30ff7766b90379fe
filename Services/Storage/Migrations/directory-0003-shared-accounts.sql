-- Accounts that are nobody's, whose mailboxes are there to be shared (RFC 2342).
ALTER TABLE directory.accounts ADD COLUMN is_shared boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN directory.accounts.is_shared IS 'Nobody logs in; its mailboxes are seen by those who were given rights.';
