-- Whose flags changed with which change. A message's modseq was in an index, so that a change of one flag moved the row
-- and wrote into every index of the table. Now rows change in place, for which half of a page is left free, and whoever
-- asks what changed lately finds it here. What came lately has the highest uids.
--
-- This is a list of places to look at: what has changed is what the rows' modseqs say. It may therefore be cut off
-- anywhere. Each entry names the one before it, and the mailbox the last, so that a reader sees whether one is missing,
-- and then looks at the whole mailbox.
CREATE TABLE mail.flag_changes (
    account_id      bigint NOT NULL,
    mailbox_id      bigint NOT NULL,
    modseq          bigint NOT NULL,
    previous_modseq bigint NOT NULL,
    first_uids      bigint[] NOT NULL,
    last_uids       bigint[] NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, mailbox_id, modseq)
);
CREATE INDEX flag_changes_by_time ON mail.flag_changes (changed_at);
COMMENT ON TABLE mail.flag_changes IS 'Which messages a change of flags concerned, for some time.';
COMMENT ON COLUMN mail.flag_changes.account_id IS 'Whose mailbox.';
COMMENT ON COLUMN mail.flag_changes.mailbox_id IS 'Which mailbox.';
COMMENT ON COLUMN mail.flag_changes.modseq IS 'The change.';
COMMENT ON COLUMN mail.flag_changes.previous_modseq IS 'The change of flags before it, or the last that may be one.';
COMMENT ON COLUMN mail.flag_changes.first_uids IS 'The first of each run of uids that holds changed messages.';
COMMENT ON COLUMN mail.flag_changes.last_uids IS 'The last of each. Not all messages of a run have changed.';
COMMENT ON COLUMN mail.flag_changes.changed_at IS 'For the removal of old ones.';

ALTER TABLE mail.mailboxes ADD COLUMN flags_modseq bigint;
ALTER TABLE mail.mailboxes ALTER COLUMN flags_modseq SET DEFAULT 0;
COMMENT ON COLUMN mail.mailboxes.flags_modseq IS
    'The last change of flags; 0 for none. Null in a mailbox from before this was kept, up to the next.';

-- Storage of the release before changes flags and writes no entry: its change is named here, so that the entry is
-- missed. It is the one that neither brings a message nor takes one away. The release after can do without.
CREATE FUNCTION mail.note_unlisted_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE mail.mailboxes SET flags_modseq = highest_modseq
    WHERE account_id = NEW.account_id AND mailbox_id = NEW.mailbox_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mail.note_unlisted_change IS 'A change of flags that is in no entry of mail.flag_changes.';
CREATE TRIGGER unlisted_change AFTER UPDATE OF highest_modseq ON mail.mailboxes FOR EACH ROW
WHEN (NEW.highest_modseq > OLD.highest_modseq AND NEW.uid_next = OLD.uid_next
    AND NEW.message_count = OLD.message_count AND NEW.flags_modseq IS NOT DISTINCT FROM OLD.flags_modseq)
EXECUTE FUNCTION mail.note_unlisted_change();

DROP INDEX mail.messages_by_modseq;
ALTER TABLE mail.messages SET (fillfactor = 50);
