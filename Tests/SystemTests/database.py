"""What the database itself says, when a test must know more than the services tell."""

import contextlib
import os
import pwd
import subprocess


def psql(system) -> list[str]:
    """The words that run psql as the superuser of the private cluster; its rows are lines with tabs."""
    folder = next(
        line.split(":", 1)[1].strip() for line in (system.home / "martlet.yaml").read_text().splitlines()
        if line.strip().startswith("directory:"))
    words = ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-h", folder, "-U", "postgres", "-d", "martlet",
             "-v", "ON_ERROR_STOP=1"]
    if os.geteuid() == 0:
        user = pwd.getpwnam(os.environ.get("MARTLET_USER", "martlet")).pw_name
        words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *words]
    return words


def query(system, statement: str) -> list[list[str]]:
    """The rows of a statement."""
    done = subprocess.run([*psql(system), "-c", statement], text=True, capture_output=True, timeout=300,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@contextlib.contextmanager
def locked(system, statement: str):
    """Nobody else gets what a SELECT ... FOR UPDATE of one row has locked, until this ends."""
    with subprocess.Popen(psql(system), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdin.write(f"BEGIN;\n{statement};\n\\echo\n")
        holder.stdin.flush()
        # A row is a line with something in it: there is one, and it is locked.
        assert holder.stdout.readline().strip(), f"no row: {statement}"
        # psql leaves at the end of what it is told, and the lock goes with its transaction.
        yield


def waits_for_a_lock(system) -> bool:
    """Whether anything in the database does."""
    return query(system, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != [["0"]]


# Each counts rows that must not be there when nobody changes anything; what belongs to nothing is an orphan.
INVARIANTS = {
    "messages without a mailbox": """
        SELECT count(*) FROM mail.messages m LEFT JOIN mail.mailboxes b USING (account_id, mailbox_id)
        WHERE b.mailbox_id IS NULL""",
    "messages in mailboxes that hold none": """
        SELECT count(*) FROM mail.messages m JOIN mail.mailboxes b USING (account_id, mailbox_id)
        WHERE NOT b.selectable""",
    "messages without content": """
        SELECT count(*) FROM mail.messages m LEFT JOIN mail.contents c USING (content_id)
        WHERE c.content_id IS NULL""",
    "contents that nothing has and nobody will look at": """
        SELECT count(*) FROM mail.contents c
        WHERE NOT EXISTS (SELECT FROM mail.messages m WHERE m.content_id = c.content_id)
          AND NOT EXISTS (SELECT FROM queue.entries q WHERE q.content_id = c.content_id)
          AND NOT EXISTS (SELECT FROM mail.released_contents r WHERE r.content_id = c.content_id)
          AND c.content_id NOT IN (SELECT unnest(content_ids) FROM mail.released_batches)""",
    "chunks without content": """
        SELECT count(*) FROM mail.content_chunks k LEFT JOIN mail.contents c USING (content_id)
        WHERE c.content_id IS NULL
          AND NOT EXISTS (SELECT FROM mail.released_contents r WHERE r.content_id = k.content_id)""",
    "remembered removals without a mailbox": """
        SELECT count(*) FROM mail.expunged e LEFT JOIN mail.mailboxes b USING (account_id, mailbox_id)
        WHERE b.mailbox_id IS NULL""",
    "entries of flag changes without a mailbox": """
        SELECT count(*) FROM mail.flag_changes f LEFT JOIN mail.mailboxes b USING (account_id, mailbox_id)
        WHERE b.mailbox_id IS NULL""",
    "changed flags that no entry leads to": """
        SELECT count(*) FROM mail.messages m JOIN mail.flag_changes f USING (account_id, mailbox_id, modseq)
        WHERE NOT EXISTS (
            SELECT FROM unnest(f.first_uids, f.last_uids) AS r (first_uid, last_uid)
            WHERE m.uid BETWEEN r.first_uid AND r.last_uid)""",
    "mailboxes without an account": """
        SELECT count(*) FROM mail.mailboxes b LEFT JOIN directory.accounts a USING (account_id)
        WHERE a.account_id IS NULL""",
    "mailboxes without their parent": """
        SELECT count(*) FROM mail.mailboxes b
        WHERE b.name LIKE '%/%' AND NOT EXISTS (
            SELECT FROM mail.mailboxes p
            WHERE p.account_id = b.account_id AND p.name = regexp_replace(b.name, '/[^/]*$', ''))""",
    "mailboxes that count wrongly": """
        SELECT count(*) FROM mail.mailboxes b LEFT JOIN (
            SELECT account_id, mailbox_id, count(*) AS messages, sum(size) AS octets, max(uid) AS uid,
                count(*) FILTER (WHERE flags & 1 = 0) AS unseen, count(*) FILTER (WHERE flags & 8 <> 0) AS deleted,
                max(modseq) AS modseq
            FROM mail.messages GROUP BY account_id, mailbox_id) m USING (account_id, mailbox_id)
        WHERE b.message_count <> coalesce(m.messages, 0) OR b.octets <> coalesce(m.octets, 0)
           OR b.unseen_count <> coalesce(m.unseen, 0) OR b.deleted_count <> coalesce(m.deleted, 0)
           OR b.uid_next <= coalesce(m.uid, 0) OR b.highest_modseq < coalesce(m.modseq, 0)""",
    "accounts that count wrongly": """
        SELECT count(*) FROM directory.accounts a LEFT JOIN (
            SELECT account_id, count(*) AS messages, sum(size) AS octets FROM mail.messages GROUP BY account_id) m
            USING (account_id)
        WHERE a.used_messages <> coalesce(m.messages, 0) OR a.used_octets <> coalesce(m.octets, 0)""",
}


def broken_invariants(system) -> dict[str, int]:
    """Which of them do not hold, with how many rows."""
    counts = query(system, "\nUNION ALL\n".join(
        f"SELECT {number}, ({statement})" for number, statement in enumerate(INVARIANTS.values())))
    names = list(INVARIANTS)
    return {names[int(number)]: int(count) for number, count in counts if int(count)}
