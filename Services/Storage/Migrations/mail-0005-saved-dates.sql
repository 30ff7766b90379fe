-- When each message was saved in the mailbox that it is in (RFC 8514), whoever inserts it. The default comes after the
-- column: the table is not written anew, and messages from before have no date.
ALTER TABLE mail.messages ADD COLUMN saved_at timestamptz;
ALTER TABLE mail.messages ALTER COLUMN saved_at SET DEFAULT now();
COMMENT ON COLUMN mail.messages.saved_at IS
    'When it was saved in this mailbox. Null when that was before this was kept: then the internal date stands for it.';
