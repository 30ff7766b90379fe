-- What the commit of messages is made of. Stated whole: Schema.swift numbers each statement of it. The release before must
-- still be able to call these functions, so that arguments are only added, at the end and with a default.

DROP FUNCTION IF EXISTS mail.open_copy(bigint, bytea, uuid, integer, bytea, bigint, bigint, bigint);

-- The oldest copy of a delivery that stands open to a transaction on this connection, or no row. When a mailbox is named,
-- only of those that were put there.
--
-- Rare: asked only when there are copies of this delivery. However many times somebody sends the same, only so many of
-- the latest rows are looked at; all rows of a copy are later than its first.
CREATE OR REPLACE FUNCTION mail.open_copy(
    account bigint, of_fingerprint bytea, connection uuid, its_ordinal integer, denied bytea,
    its_machine bigint, began_uptime bigint, began_at bigint, in_mailbox bigint DEFAULT NULL
) RETURNS TABLE (copy_id uuid, mailbox_id bigint, uid_validity bigint, uid bigint, modseq bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.copy_id, max(c.mailbox_id), max(c.uid_validity), max(c.uid), max(c.modseq)
    FROM (
        SELECT r.* FROM mail.receipts r
        WHERE r.account_id = account AND r.fingerprint = of_fingerprint
        ORDER BY r.transaction_id DESC LIMIT 256) c
    GROUP BY c.copy_id
    HAVING bool_or(c.transaction_id = c.copy_id AND c.connection_id IS NOT NULL)
        AND (in_mailbox IS NULL OR max(c.mailbox_id) = in_mailbox)
        AND NOT coalesce(bool_or(
            c.connection_id = connection AND c.ordinal < its_ordinal
                AND position(uuid_send(c.transaction_id) IN denied) = 0
            -- Two moments of one machine are compared by the time since its start, which nobody can set.
            OR c.settled_at IS NOT NULL AND CASE
                WHEN c.machine = its_machine AND its_machine <> 0 THEN c.received_uptime <= began_uptime
                ELSE c.received_at <= began_at END), false)
    ORDER BY c.copy_id LIMIT 1
$$;
COMMENT ON FUNCTION mail.open_copy IS 'Which copy a transaction repeats, if any: the rules of Tests/Models.';

-- The dispositions of a batch, one element of each array for each, in the order of accounts and then of mailboxes, so
-- that those of one mailbox stand together and the locks are always taken in the same order.
--
-- What makes it exact: the lock of an account comes first, and every later statement sees what was committed before.
-- Two commits of the same delivery therefore meet there, and the second finds the receipt of the first.
--
-- A copy answers a transaction with the same fingerprint instead of a second copy being stored, when
-- - it has answered that transaction before; or
-- - it *stands open* to it: no earlier transaction of the same connection was answered by that copy with anything but a
--   failure (`denied` names those that were: they may have been committed all the same), and no client is known to have
--   read of it, except of transactions that were whole only after this one began: then this one was overtaken.
-- The rules are those of Tests/Models, which says for each what goes wrong without it.
--
-- What may be a repetition, but does not count as one yet (`absorbs`), is left undone (6), and so are the APPENDs to the
-- same mailbox that their connection sent behind it.
CREATE OR REPLACE FUNCTION mail.commit_dispositions(
    account_ids bigint[], fingerprints bytea[], other_fingerprints bytea[], transactions uuid[], connections uuid[],
    ordinals integer[], began_at bigint[], received_at bigint[], denied bytea[], absorbs boolean[],
    dispositions smallint[], content_ids bigint[], sizes bigint[], mailbox_names text[],
    falls_back boolean[], flag_bits bigint[], keyword_lists text[], internal_dates timestamptz[], domains text[],
    smtputf8 boolean[], binary_mime boolean[], doors smallint[], clients text[], identities text[],
    reverse_paths text[], forward_paths text[], message_ids text[],
    machines bigint[] DEFAULT NULL, began_uptimes bigint[] DEFAULT NULL, received_uptimes bigint[] DEFAULT NULL
) RETURNS TABLE (
    "position" integer, outcome integer, mailbox_id bigint, uid_validity bigint, uid bigint, modseq bigint,
    first_id uuid
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    last CONSTANT integer := cardinality(account_ids);
    i integer := 1;
    k integer;
    octet integer;
    the_fingerprint bytea;
    -- The account, the mailbox and the receipt that were looked up; null when there is none.
    owner_id bigint;
    octets_allowed bigint;
    messages_allowed bigint;
    octets_used bigint;
    messages_used bigint;
    box_id bigint;
    box_validity bigint;
    box_keywords text[];
    known_id uuid;
    known_box bigint;
    known_validity bigint;
    known_uid bigint;
    known_modseq bigint;
    has_copies boolean;
    is_own boolean;
    -- Connections of which an APPEND to this mailbox is in doubt.
    held uuid[];
    -- What is gathered for the mailbox, and for the account.
    new_uid bigint;
    new_modseq bigint;
    bits bigint;
    wanted text[];
    kept integer[];
    kept_bits bigint[];
    kept_octets bigint;
    unseen integer;
    deleted integer;
    account_octets bigint;
    account_messages bigint;
    unused bigint[] := '{}';
    used bigint[] := '{}';
BEGIN
    -- What leaves for other servers has no account to lock. Those of one fingerprint stand for each other.
    IF account_ids[1] = 0 THEN
        PERFORM pg_advisory_xact_lock(h.key) FROM (
            SELECT DISTINCT hashtextextended(encode(f.fingerprint, 'hex'), 0) AS key
            FROM unnest(account_ids, fingerprints) AS f (account_id, fingerprint) WHERE f.account_id = 0 ORDER BY 1) h;
    END IF;

    WHILE i <= last LOOP
        -- An account begins, and is locked. One that is not there (any more) has a null here.
        SELECT a.account_id, a.quota_octets, a.quota_messages, a.used_octets, a.used_messages
        INTO owner_id, octets_allowed, messages_allowed, octets_used, messages_used
        FROM directory.accounts a WHERE a.account_id = account_ids[i] FOR NO KEY UPDATE;
        account_octets := 0;
        account_messages := 0;

        LOOP
            -- A mailbox begins, or what is queued for one domain after the other.
            kept := '{}';
            kept_bits := '{}';
            kept_octets := 0;
            unseen := 0;
            deleted := 0;
            wanted := NULL;
            held := NULL;
            box_id := NULL;
            IF owner_id IS NOT NULL AND mailbox_names[i] IS NOT NULL THEN
                SELECT m.mailbox_id, m.uid_validity, m.keywords INTO box_id, box_validity, box_keywords
                FROM mail.mailboxes m
                WHERE m.account_id = account_ids[i] AND m.name = mailbox_names[i] AND m.selectable;
                IF box_id IS NULL AND falls_back[i] THEN
                    SELECT m.mailbox_id, m.uid_validity, m.keywords INTO box_id, box_validity, box_keywords
                    FROM mail.mailboxes m
                    WHERE m.account_id = account_ids[i] AND m.name = 'INBOX';
                END IF;
            END IF;

            LOOP
                "position" := i;
                mailbox_id := NULL;
                uid_validity := NULL;
                uid := NULL;
                modseq := NULL;
                first_id := NULL;

                -- Has it happened before?
                octet := 1;
                LOOP
                    the_fingerprint := CASE WHEN octet = 1 THEN fingerprints[i]
                        ELSE substring(other_fingerprints[i] FROM octet - 32 FOR 32) END;
                    known_id := NULL;
                    has_copies := EXISTS (
                        SELECT FROM mail.receipts r
                        WHERE r.account_id = account_ids[i] AND r.fingerprint = the_fingerprint);
                    IF has_copies THEN
                        SELECT r.copy_id, r.mailbox_id, r.uid_validity, r.uid, r.modseq
                        INTO known_id, known_box, known_validity, known_uid, known_modseq
                        FROM mail.receipts r
                        WHERE r.account_id = account_ids[i] AND r.fingerprint = the_fingerprint
                            AND r.transaction_id = transactions[i];
                    END IF;
                    is_own := known_id IS NOT NULL;
                    IF has_copies AND NOT is_own AND connections[i] IS NOT NULL THEN
                        SELECT c.copy_id, c.mailbox_id, c.uid_validity, c.uid, c.modseq
                        INTO known_id, known_box, known_validity, known_uid, known_modseq
                        FROM mail.open_copy(
                            account_ids[i], the_fingerprint, connections[i], ordinals[i], denied[i],
                            machines[i], began_uptimes[i], began_at[i],
                            -- An APPEND (4) was asked for in this mailbox, not in a deleted one of its name.
                            CASE WHEN doors[i] = 4 THEN box_id END) c;
                    END IF;
                    EXIT WHEN known_id IS NOT NULL OR octet > length(other_fingerprints[i]);
                    octet := octet + 32;
                END LOOP;

                IF known_id IS NOT NULL THEN
                    outcome := CASE WHEN is_own OR absorbs[i] THEN 1 ELSE 6 END;
                    IF outcome = 1 THEN
                        mailbox_id := known_box;
                        uid_validity := known_validity;
                        uid := known_uid;
                        modseq := known_modseq;
                        first_id := known_id;
                        IF NOT is_own THEN
                            INSERT INTO mail.receipts (
                                account_id, fingerprint, transaction_id, copy_id, connection_id, ordinal, received_at,
                                machine, received_uptime, mailbox_id, uid_validity, uid, modseq)
                            VALUES (
                                account_ids[i], the_fingerprint, transactions[i], known_id, connections[i], ordinals[i],
                                received_at[i], machines[i], received_uptimes[i], known_box, known_validity, known_uid,
                                known_modseq);
                            INSERT INTO mail.ledger (
                                transaction_id, event, disposition, first_id, account_id, octets, door, client,
                                identity, reverse_path, forward_path, message_id)
                            VALUES (
                                transactions[i], 3, dispositions[i], known_id, account_ids[i], sizes[i], doors[i],
                                clients[i], identities[i], reverse_paths[i], forward_paths[i], message_ids[i]);
                        END IF;
                    END IF;
                    IF outcome = 6 AND doors[i] = 4 THEN held := held || connections[i]; END IF;
                    unused := unused || content_ids[i];
                    RETURN NEXT;
                ELSIF connections[i] = ANY (held) THEN
                    -- It was sent behind one that may have to be stored first: uids are in the order of commands.
                    outcome := 6;
                    unused := unused || content_ids[i];
                    RETURN NEXT;
                ELSIF mailbox_names[i] IS NULL THEN
                    INSERT INTO queue.entries (
                        transaction_id, disposition, content_id, reverse_path, forward_path, domain, smtputf8,
                        binary_mime)
                    VALUES (
                        transactions[i], dispositions[i], content_ids[i], reverse_paths[i], forward_paths[i],
                        domains[i], smtputf8[i], binary_mime[i]);
                    INSERT INTO mail.receipts (
                        account_id, fingerprint, transaction_id, copy_id, connection_id, ordinal, received_at,
                        machine, received_uptime)
                    VALUES (
                        account_ids[i], fingerprints[i], transactions[i], transactions[i], connections[i], ordinals[i],
                        received_at[i], machines[i], received_uptimes[i]);
                    INSERT INTO mail.ledger (
                        transaction_id, event, disposition, account_id, octets, door, client, identity, reverse_path,
                        forward_path, message_id)
                    VALUES (
                        transactions[i], 2, dispositions[i], nullif(account_ids[i], 0), sizes[i], doors[i], clients[i],
                        identities[i], reverse_paths[i], forward_paths[i], message_ids[i]);
                    used := used || content_ids[i];
                    outcome := 1;
                    first_id := transactions[i];
                    RETURN NEXT;
                ELSE
                    bits := flag_bits[i];
                    outcome := CASE
                        WHEN owner_id IS NULL THEN 4
                        WHEN box_id IS NULL THEN 2
                        WHEN octets_allowed > 0
                            AND octets_used + account_octets + kept_octets + sizes[i]
                                > octets_allowed THEN 3
                        WHEN messages_allowed > 0
                            AND messages_used + account_messages + cardinality(kept) + 1
                                > messages_allowed THEN 3
                        ELSE 1 END;
                    IF outcome = 1 AND keyword_lists[i] <> '' THEN
                        IF wanted IS NULL THEN
                            -- Whoever sets flags may give keywords their bits meanwhile.
                            SELECT m.keywords INTO box_keywords FROM mail.mailboxes m
                            WHERE m.account_id = account_ids[i] AND m.mailbox_id = box_id
                            FOR NO KEY UPDATE;
                            wanted := box_keywords;
                        END IF;
                        wanted := mail.keywords_with(wanted, string_to_array(keyword_lists[i], ' '), 56);
                        bits := bits | mail.keyword_bits(wanted, keyword_lists[i], false);
                        IF bits IS NULL THEN outcome := 5; END IF;
                    END IF;
                    IF outcome = 1 THEN
                        kept := kept || i;
                        kept_bits := kept_bits || bits;
                        kept_octets := kept_octets + sizes[i];
                        unseen := unseen + CASE WHEN bits & 1 = 0 THEN 1 ELSE 0 END;
                        deleted := deleted + CASE WHEN bits & 8 <> 0 THEN 1 ELSE 0 END;
                    ELSE
                        unused := unused || content_ids[i];
                        INSERT INTO mail.ledger (
                            transaction_id, event, disposition, account_id, outcome, octets, door, client, identity,
                            reverse_path, forward_path, message_id)
                        VALUES (
                            transactions[i], 4, dispositions[i], account_ids[i], outcome, sizes[i], doors[i],
                            clients[i], identities[i], reverse_paths[i], forward_paths[i], message_ids[i]);
                        RETURN NEXT;
                    END IF;
                END IF;
                i := i + 1;
                EXIT WHEN i > last OR account_ids[i] <> account_ids[i - 1]
                    OR mailbox_names[i] IS DISTINCT FROM mailbox_names[i - 1]
                    OR falls_back[i] IS DISTINCT FROM falls_back[i - 1];
            END LOOP;

            -- The mailbox ends: one change for all its messages, one modseq, a run of uids.
            IF cardinality(kept) > 0 THEN
                UPDATE mail.mailboxes m
                SET uid_next = m.uid_next + cardinality(kept), highest_modseq = m.highest_modseq + 1,
                    message_count = m.message_count + cardinality(kept), unseen_count = m.unseen_count + unseen,
                    deleted_count = m.deleted_count + deleted, octets = m.octets + kept_octets,
                    keywords = coalesce(wanted, m.keywords)
                WHERE m.account_id = account_ids[i - 1] AND m.mailbox_id = box_id
                RETURNING m.uid_next - cardinality(kept) - 1, m.highest_modseq INTO new_uid, new_modseq;
                IF new_uid + cardinality(kept) > 4294967295 THEN
                    RAISE numeric_value_out_of_range USING MESSAGE = 'the mailbox has given out its last uid';
                END IF;
                IF cardinality(kept) = 1 THEN
                    -- The same as below, for what is most frequent by far where there is little to do.
                    k := kept[1];
                    INSERT INTO mail.messages (
                        account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
                    VALUES (
                        account_ids[k], box_id, new_uid + 1, content_ids[k], kept_bits[1], new_modseq,
                        internal_dates[k], sizes[k]);
                    INSERT INTO mail.receipts (
                        account_id, fingerprint, transaction_id, copy_id, connection_id, ordinal, received_at,
                        machine, received_uptime, mailbox_id, uid_validity, uid, modseq)
                    VALUES (
                        account_ids[k], fingerprints[k], transactions[k], transactions[k], connections[k], ordinals[k],
                        received_at[k], machines[k], received_uptimes[k], box_id, box_validity, new_uid + 1,
                        new_modseq);
                    INSERT INTO mail.ledger (
                        transaction_id, event, disposition, account_id, mailbox_id, uid, octets, door, client,
                        identity, reverse_path, forward_path, message_id)
                    VALUES (
                        transactions[k], 1, dispositions[k], account_ids[k], box_id, new_uid + 1, sizes[k], doors[k],
                        clients[k], identities[k], reverse_paths[k], forward_paths[k], message_ids[k]);
                ELSE
                    INSERT INTO mail.messages (
                        account_id, mailbox_id, uid, content_id, flags, modseq, internal_date, size)
                    SELECT account_ids[n.i], box_id, new_uid + n.place, content_ids[n.i], kept_bits[n.place],
                        new_modseq, internal_dates[n.i], sizes[n.i]
                    FROM unnest(kept) WITH ORDINALITY AS n (i, place);
                    INSERT INTO mail.receipts (
                        account_id, fingerprint, transaction_id, copy_id, connection_id, ordinal, received_at,
                        machine, received_uptime, mailbox_id, uid_validity, uid, modseq)
                    SELECT account_ids[n.i], fingerprints[n.i], transactions[n.i], transactions[n.i],
                        connections[n.i], ordinals[n.i], received_at[n.i], machines[n.i], received_uptimes[n.i], box_id,
                        box_validity, new_uid + n.place, new_modseq
                    FROM unnest(kept) WITH ORDINALITY AS n (i, place);
                    INSERT INTO mail.ledger (
                        transaction_id, event, disposition, account_id, mailbox_id, uid, octets, door, client,
                        identity, reverse_path, forward_path, message_id)
                    SELECT transactions[n.i], 1, dispositions[n.i], account_ids[n.i], box_id, new_uid + n.place,
                        sizes[n.i], doors[n.i], clients[n.i], identities[n.i], reverse_paths[n.i], forward_paths[n.i],
                        message_ids[n.i]
                    FROM unnest(kept) WITH ORDINALITY AS n (i, place);
                END IF;
                outcome := 1;
                mailbox_id := box_id;
                uid_validity := box_validity;
                modseq := new_modseq;
                FOR k IN 1..cardinality(kept) LOOP
                    "position" := kept[k];
                    uid := new_uid + k;
                    first_id := transactions[kept[k]];
                    used := used || content_ids[kept[k]];
                    RETURN NEXT;
                END LOOP;
                account_octets := account_octets + kept_octets;
                account_messages := account_messages + cardinality(kept);
            END IF;
            EXIT WHEN i > last OR account_ids[i] <> account_ids[i - 1];
        END LOOP;

        IF account_messages > 0 THEN
            UPDATE directory.accounts a
            SET used_octets = a.used_octets + account_octets, used_messages = a.used_messages + account_messages
            WHERE a.account_id = account_ids[i - 1];
        END IF;
    END LOOP;

    -- A copy that several recipients lead to is found again, and settled, by each of them.
    FOR k IN 1..last LOOP
        CONTINUE WHEN length(other_fingerprints[k]) = 0;
        the_fingerprint := fingerprints[k] || other_fingerprints[k];
        INSERT INTO mail.receipts (
            account_id, fingerprint, transaction_id, copy_id, connection_id, ordinal, received_at, machine,
            received_uptime, mailbox_id, uid_validity, uid, modseq)
        SELECT r.account_id, substring(the_fingerprint FROM n FOR 32), r.transaction_id, r.copy_id, r.connection_id,
            r.ordinal, r.received_at, r.machine, r.received_uptime, r.mailbox_id, r.uid_validity, r.uid, r.modseq
        FROM (
            SELECT * FROM mail.receipts
            WHERE account_id = account_ids[k] AND transaction_id = transactions[k] AND fingerprint = ANY (ARRAY(
                SELECT substring(the_fingerprint FROM m FOR 32)
                FROM generate_series(1, length(the_fingerprint), 32) AS m))
            LIMIT 1) r, generate_series(1, length(the_fingerprint), 32) AS n
        ON CONFLICT DO NOTHING;
    END LOOP;

    IF cardinality(unused) > 0 THEN
        INSERT INTO mail.released_contents (content_id)
        SELECT DISTINCT c.content_id FROM unnest(unused) AS c (content_id) WHERE c.content_id <> ALL (used)
        ON CONFLICT DO NOTHING;
    END IF;
END
$$;
