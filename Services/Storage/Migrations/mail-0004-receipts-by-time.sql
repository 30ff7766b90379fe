-- A range of blocks says nothing of when its receipts were made, once the room of old ones is used again: their removal read
-- the whole table for each portion. A tree is read from its oldest entry on.
DROP INDEX mail.receipts_by_time;
CREATE INDEX receipts_by_time ON mail.receipts (created_at);
