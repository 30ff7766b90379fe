"""Sessions that get into each other's way, and storage that is restarted under them: what IMAP allows is answered, and
what is stored is as it was before or after a command, never between.

MARTLET_STORM_SECONDS (6 by default, 600 in a full run), MARTLET_STORM_SEED, MARTLET_FETCH_MEGABYTES (100 by default,
1,000 in a full run), MARTLET_COPY_MESSAGES (10,000).
"""

import contextlib
import os
import random
import re
import signal
import threading
import time

import pytest

from conftest import wait_until
from database import broken_invariants, locked, waits_for_a_lock
from faults.imap import IMAPSession
from faults.processes import is_alive
from faults.wire import Lost, client_tls
from mailbox_contents import Server

STORM_SECONDS = float(os.environ.get("MARTLET_STORM_SECONDS", "6"))
SEED = int(os.environ.get("MARTLET_STORM_SEED", random.randrange(1 << 31)))
FETCH_MEGABYTES = int(os.environ.get("MARTLET_FETCH_MEGABYTES", "100"))
COPY_MESSAGES = int(os.environ.get("MARTLET_COPY_MESSAGES", "10000"))
MEBIOCTET = 1 << 20


def log_in(system, account) -> IMAPSession:
    return IMAPSession(system.port("imaps"), account, timeout=120, tls=client_tls())


# ---- Two sessions, one tree

# Codes of RFC 9051, 7.1, for a command whose mailbox is not, or no more, as it was thought; LIMIT where trees that were
# put into one another have become too deep.
EXPECTED_CODES = {"NONEXISTENT", "ALREADYEXISTS", "CANNOT", "HASCHILDREN", "TRYCREATE", "EXPUNGEISSUED", "LIMIT"}
# So many mailboxes, and no more are made.
LARGE_TREE = 80


class Storm(threading.Thread):
    """A session that makes, renames, deletes and selects mailboxes of one tree at random, and moves messages about.

    A mailbox whose last level begins with `box` is renamed but never deleted, so that no message of one may be lost;
    those that begin with `dir` come and go.
    """

    def __init__(self, system, account, seed: int, deadline: float) -> None:
        super().__init__(daemon=True)
        self.system, self.account, self.deadline = system, account, deadline
        self.random = random.Random(seed)
        self.label = f"{seed:x}"
        self.stored: set[str] = set()
        # What a BYE left open: it may be there or not.
        self.doubtful: set[str] = set()
        self.wrong: list[str] = []
        self.counts: dict[str, int] = {}
        self.byes = 0
        # What it selected last, which the other likes to delete.
        self.selected = ""
        self.other: Storm | None = None
        # What the last LIST said, which may be so no more.
        self.listed: list[str] = []

    def run(self) -> None:
        try:
            session = log_in(self.system, self.account)
            number = 0
            while time.monotonic() < self.deadline and not self.wrong:
                number += 1
                try:
                    self.step(session, number)
                except Lost as lost:
                    self.ended(session, lost)
                    session = log_in(self.system, self.account)
            session.logout()
        except Exception as error:  # The test shows it.
            self.wrong.append(repr(error))

    def ended(self, session: IMAPSession, lost: Lost) -> None:
        """Whose selected mailbox is deleted is told so and has to come again; nothing else ends a session."""
        said = str(lost)
        # A command that was on its way meanwhile may have failed before what was said was read.
        with contextlib.suppress(Lost):
            while "BYE" not in said:
                said = session.line().decode()
        session.reset()
        self.byes += 1
        if "BYE" not in said or "deleted" not in said:
            self.wrong.append(f"the session ended: {lost}; {said}")

    def new_name(self, kind: str) -> str:
        parents = [f"dir{self.random.randrange(3)}" for _ in range(self.random.randrange(3))]
        last = f"{kind}{self.random.randrange(4 if kind == 'box' else 3)}"
        return "/".join(["storm", *parents, last])

    def name(self, *kinds: str) -> str:
        """Of a mailbox that may be there."""
        kind = self.random.choice(kinds)
        listed = [name for name in self.listed if name.rpartition("/")[2].startswith(kind)]
        return self.random.choice(listed) if listed and self.random.random() < 0.7 else self.new_name(kind)

    def command(self, session: IMAPSession, text: str) -> str:
        """The status; what is no OK must be one of IMAP's own refusals."""
        status, answer = session.command(text)
        verb = " ".join(text.split()[:2]) if text.startswith("UID") else text.split()[0]
        code = (re.match(r"\[([A-Z]+)", answer) or [None, ""])[1]
        self.counts[f"{verb} {status} {code}".strip()] = self.counts.get(f"{verb} {status} {code}".strip(), 0) + 1
        if status == "BAD" or status == "NO" and code not in EXPECTED_CODES:
            self.wrong.append(f"{text}: {status} {answer}")
        return status

    def step(self, session: IMAPSession, number: int) -> None:
        choice = self.random.randrange(14)
        if choice == 0 and len(self.listed) < LARGE_TREE:
            self.command(session, f'CREATE "{self.new_name(self.random.choice(["box", "dir"]))}"')
        elif choice == 1:
            theirs = self.other.selected if self.other else ""
            is_theirs = theirs.rpartition("/")[2].startswith("dir") and self.random.random() < 0.5
            self.command(session, f'DELETE "{theirs if is_theirs else self.name("dir")}"')
        elif choice in (2, 3):
            self.command(session, f'RENAME "{self.name("box")}" "{self.new_name("box")}"')
        elif choice in (4, 5):
            self.command(session, f'RENAME "{self.name("dir")}" "{self.new_name("dir")}"')
        elif choice == 6:
            self.command(session, f'STATUS "{self.name("box", "dir")}" (MESSAGES UIDNEXT UNSEEN SIZE)')
        elif choice == 7:
            self.list(session)
        elif choice in (8, 9, 10):
            self.append(session, f"{self.label}-{number}")
        else:
            name = self.name("box", "dir")
            if self.command(session, f'SELECT "{name}"') != "OK":
                return
            self.selected = name
            self.command(session, "UID FETCH 1:* (FLAGS)")
            self.command(session, rf"UID STORE {self.random.randrange(1, 20)} +FLAGS (\Seen)")
            # Messages leave any mailbox, but go to those only that are never deleted.
            self.command(session, f'UID MOVE {self.random.randrange(1, 10)}:{self.random.randrange(1, 30)} '
                                  f'"{self.name("box")}"')
            if self.random.random() < 0.5:
                self.command(session, "UNSELECT")

    def list(self, session: IMAPSession) -> None:
        lines: list[bytes] = []
        try:
            status, answer = session.completion(
                session.send_command('LIST "" "storm/*" RETURN (STATUS (MESSAGES))'), lines)
        except Lost as lost:
            raise Lost(b" ".join([str(lost).encode(), *lines[-1:]]).decode()) from lost
        if status != "OK":
            self.wrong.append(f"LIST: {status} {answer}")
        found = [re.match(r'\* LIST \([^)]*\) "/" "?([^"]+)"?$', line.decode()) for line in lines]
        self.listed = [match[1] for match in found if match]
        doubled = [name for name in self.listed if self.listed.count(name) > 1]
        if doubled:
            self.wrong.append(f"LIST has {doubled[0]} twice")

    def append(self, session: IMAPSession, subject: str) -> None:
        octets = f"Subject: {subject}\r\n\r\n{subject}\r\n".encode()
        name = self.name("box")
        self.counts["APPEND"] = self.counts.get("APPEND", 0) + 1
        tag, refusal = session.begin_append(session.append_line(name, "", "24-Nov-2026 12:00:00 +0000", octets, False))
        if refusal:
            status, answer = refusal
        else:
            session.send(octets + b"\r\n")
            self.doubtful.add(subject)
            status, answer = session.completion(tag)
            self.doubtful.discard(subject)
        if status == "OK":
            self.stored.add(subject)
        elif not answer.startswith(("[TRYCREATE]", "[NONEXISTENT]")):
            self.wrong.append(f"APPEND {name}: {status} {answer}")


def test_two_sessions_rename_delete_and_select_the_same_tree(system, account):
    print(f"seed {SEED}, {STORM_SECONDS:.0f} s")
    with Server(system, account) as server:
        for name in ("storm/box0", "storm/box1", "storm/dir0/box2", "storm/dir0/dir1/box3"):
            server.create(name)
    deadline = time.monotonic() + STORM_SECONDS
    storms = [Storm(system, account, SEED + number, deadline) for number in range(2)]
    storms[0].other, storms[1].other = storms[1], storms[0]
    for storm in storms:
        storm.start()
    for storm in storms:
        storm.join(STORM_SECONDS + 180)
        assert not storm.is_alive()
    for storm in storms:
        print(dict(sorted(storm.counts.items())), f"{storm.byes} BYE, {len(storm.stored)} stored")
    assert [wrong for storm in storms for wrong in storm.wrong] == []
    found: dict[str, int] = {}
    with Server(system, account) as server:
        for mailbox in server.mailboxes():
            for _, octets in server.session.messages(server.session.examine(mailbox)):
                subject = re.match(rb"Subject: ([^\r]*)", octets)[1].decode()
                found[subject] = found.get(subject, 0) + 1
    stored = storms[0].stored | storms[1].stored
    doubtful = storms[0].doubtful | storms[1].doubtful
    assert [subject for subject in stored if found.get(subject) != 1] == []
    assert found.keys() - stored - doubtful == set()
    assert broken_invariants(system) == {}


@pytest.mark.parametrize("before", [
    [], ["RENAME dir/one dir/two", "RENAME dir/two dir/one"], ["APPEND dir/one {14+}\r\nSubject: x\r\n\r\n", "NOOP"]],
    ids=["new", "renamed", "filled"])
@pytest.mark.parametrize("idles", [False, True], ids=["asks-for-another", "idles"])
def test_whose_selected_mailbox_is_deleted_is_told_without_asking_for_it(system, account, before, idles):
    session, other = log_in(system, account), log_in(system, account)
    session.ok("CREATE dir/one")
    session.ok("SELECT dir/one")
    for command in before:
        session.ok(command)
    if idles:
        session.send_command("IDLE")
        assert session.line().startswith(b"+")
    other.ok("DELETE dir/one")

    def told() -> str:
        try:
            if idles:
                return session.line().decode()
            session.ok("STATUS INBOX (MESSAGES)")
        except Lost as lost:
            return str(lost)
        return ""
    said = ""
    # So often and not so long: while the machine pauses nobody can be told.
    for _ in range(100):
        if said := told():
            break
        time.sleep(0.05)
    assert "BYE" in said
    assert other.logout()


# ---- Storage restarted under a command

def storage(system) -> dict[str, int]:
    return {name: pid for name, pid in system.programs().items() if "storage" in name}


BLOCK = b"".join(b"%07d text of a line that can be told from others\r\n" % number for number in range(20_000))


def large_message(number: int) -> bytes:
    """A megabyte, of which each line says where it stands."""
    head = f"Subject: large {number}\r\n\r\n".encode()
    return head + BLOCK[:MEBIOCTET - len(head)]


@pytest.fixture(scope="module")
def large_mailbox(system):
    """An account with many megabytes in INBOX: 20 messages, each many times."""
    with system.account() as login:
        with Server(system, login) as server:
            for number in range(20):
                server.append("INBOX", [(large_message(number), "")])
            server.session.ok("SELECT INBOX")
            for _ in range(FETCH_MEGABYTES // 20 - 1):
                server.session.ok("UID COPY 1:20 INBOX")
        yield login


def read_answer(session: IMAPSession, tag: str) -> tuple[int, str]:
    """How many whole messages came, all of them right, and how it ended: OK, NO, BYE, or `within` an answer."""
    expected = [large_message(number) for number in range(20)]
    count = 0
    while True:
        try:
            line = session.line()
        except Lost:
            # Between two responses a server says BYE before it goes.
            return count, "silence"
        if line.startswith(b"* BYE"):
            return count, "BYE"
        if line.startswith(tag.encode() + b" "):
            return count, line.decode().split(" ", 1)[1]
        found = re.match(rb"\* (\d+) FETCH \(UID (\d+) BODY\[\] \{(\d+)\}$", line)
        assert found, line[:200]
        try:
            octets = session.exactly(int(found[3]))
            rest = session.line()
        except Lost:
            return count, "within"
        assert octets == expected[(int(found[2]) - 1) % 20], f"message {found[1]} is altered"
        assert rest == b")"
        count += 1


STRIKES = pytest.mark.parametrize("strike", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])


@STRIKES
def test_storage_goes_away_in_the_middle_of_a_large_fetch(system, large_mailbox, strike):
    system.wait_until_ready()
    with contextlib.closing(log_in(system, large_mailbox)) as session:
        session.ok("EXAMINE INBOX")
        programs = storage(system)
        tag = session.send_command("FETCH 1:* (UID BODY.PEEK[])")
        # The answer has begun, and nobody reads it yet: most of it is still in storage.
        wait_until(lambda: session.is_answered(1), 20, "no answer")
        for pid in programs.values():
            os.kill(pid, strike)
        count, end = read_answer(session, tag)
        print(f"{count} of {FETCH_MEGABYTES // 20 * 20} messages came, then {end}")
        total = FETCH_MEGABYTES // 20 * 20
        # An answer that has begun goes on when storage is back.
        assert end.startswith("OK") and count == total, end
        system.wait_until_ready()
        session.ok("NOOP")
    assert not set(programs.values()) & set(storage(system).values())
    with contextlib.closing(log_in(system, large_mailbox)) as session:
        session.ok("EXAMINE INBOX")
        assert read_answer(session, session.send_command("FETCH 1:* (UID BODY.PEEK[])"))[0] == total
    assert broken_invariants(system) == {}


PAGED_MESSAGES = 400


@pytest.fixture(scope="module")
def paged_mailbox(system):
    """An account with messages in INBOX that come by the page but are not kept near the sessions, and more of them than
    any buffer takes."""
    with system.account() as login:
        with Server(system, login) as server:
            server.append("INBOX", [(f"Subject: {number}\r\n\r\n".encode() + BLOCK[:100_000], "")
                                    for number in range(20)])
            server.session.ok("SELECT INBOX")
            while (have := messages_in(server, "INBOX")) < PAGED_MESSAGES:
                server.session.ok(f"UID COPY 1:{min(have, PAGED_MESSAGES - have)} INBOX")
        yield login


def read_fetched(session: IMAPSession, tag: str, pause: float = 0) -> list[bytes]:
    """All FETCH responses; `pause` seconds are between the first and the second."""
    found: list[bytes] = []
    while True:
        line = session.line()
        if line.startswith(tag.encode() + b" "):
            assert line.startswith(tag.encode() + b" OK"), line
            return found
        while literal := re.search(rb"\{(\d+)\}$", line):
            line += session.exactly(int(literal[1])) + session.line()
        found.append(line)
        if len(found) == 1:
            time.sleep(pause)


@STRIKES
def test_storage_goes_away_in_the_middle_of_a_fetch_of_pages(system, paged_mailbox, strike):
    """None is half given, none twice and none left out."""
    system.wait_until_ready()
    with contextlib.closing(log_in(system, paged_mailbox)) as session:
        session.ok("EXAMINE INBOX")
        programs = storage(system)
        tag = session.send_command("FETCH 1:* (UID BODY.PEEK[])")
        wait_until(lambda: session.is_answered(1), 20, "no answer")
        for pid in programs.values():
            os.kill(pid, strike)
        # Its reader stops for a while: storage is gone before it asks for more.
        struck = read_fetched(session, tag, 1)
        system.wait_until_ready()
        session.ok("NOOP")
        assert not set(programs.values()) & set(storage(system).values())
        assert [int(line.split()[1]) for line in struck] == list(range(1, PAGED_MESSAGES + 1))
        assert struck == read_fetched(session, session.send_command("FETCH 1:* (UID BODY.PEEK[])"))


# drain_limit: how long a service that is told to end may take for what is under way, before that is cut off.
DRAIN_SECONDS = 25


def test_a_client_that_has_stopped_to_read_does_not_hold_up_a_restart_of_storage(system, paged_mailbox):
    system.wait_until_ready()
    with contextlib.closing(log_in(system, paged_mailbox)) as stuck, \
            contextlib.closing(log_in(system, paged_mailbox)) as other:
        stuck.ok("EXAMINE INBOX")
        programs = storage(system)
        tag = stuck.send_command("FETCH 1:* (UID BODY.PEEK[])")
        wait_until(lambda: stuck.is_answered(1), 20, "no answer")
        began = time.monotonic()
        for pid in programs.values():
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not any(map(is_alive, programs.values())), 60, "it does not end")
        took = time.monotonic() - began
        print(f"storage has ended after {took:.1f} s")
        # Held up, it would take all of that time and then be cut off.
        assert took < DRAIN_SECONDS
        wait_until(lambda: other.command("STATUS INBOX (UNSEEN)")[0] == "OK", 60, "it does not come back")
        assert len(read_fetched(stuck, tag)) == PAGED_MESSAGES
    system.wait_until_ready()


def messages_in(server: Server, mailbox: str) -> int:
    line = server.lines(f"STATUS {mailbox} (MESSAGES)")[0]
    return int(re.search(r"MESSAGES (\d+)", line)[1])


@pytest.fixture
def many_messages(system, account):
    """INBOX has COPY_MESSAGES messages."""
    with Server(system, account) as server:
        server.append("INBOX", [(f"Subject: {number}\r\n\r\nx\r\n".encode(), "S") for number in range(100)])
        server.session.ok("SELECT INBOX")
        while (count := messages_in(server, "INBOX")) < COPY_MESSAGES:
            server.session.ok(f"UID COPY 1:{min(count, COPY_MESSAGES - count)} INBOX")
    return account


@pytest.mark.parametrize("verb", ["COPY", "MOVE"])
def test_storage_is_killed_in_the_middle_of_a_copy_of_ten_thousand(system, many_messages, verb):
    system.wait_until_ready()
    times = []
    with Server(system, many_messages) as server:
        server.session.ok("SELECT INBOX")
        for name in ("Whole", "Again"):
            server.create(name)
            began = time.monotonic()
            server.session.ok(f"COPY 1:* {name}")
            times.append(time.monotonic() - began)
    # The smaller one: with what else the machine did meanwhile every part would be too long.
    took = min(times)
    account_row = f"SELECT account_id FROM directory.accounts WHERE address = '{many_messages['address']}' FOR UPDATE"
    ends, unanswered = [], 0
    for part in (0, 0.1, 0.5, 0.9):
        with Server(system, many_messages) as server:
            server.create(f"Part{part}")
            source, whole = "Whole" if verb == "MOVE" else "INBOX", COPY_MESSAGES
        session = log_in(system, many_messages)
        session.ok(f"SELECT {source}")
        pids = list(storage(system).values())
        with contextlib.ExitStack() as stack:
            if part == 0:
                # It cannot get on: one at least is surely under way.
                stack.enter_context(locked(system, account_row))
            tag = session.send_command(f"{verb} 1:* Part{part}")
            if part == 0:
                wait_until(lambda: waits_for_a_lock(system), 20, "it does not wait for its account")
            time.sleep(part * took)
            unanswered += not session.is_answered(0)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        try:
            status, text = session.completion(tag, [])
            assert status == "OK" or text.startswith("[UNAVAILABLE]"), (status, text)
        except Lost:
            status = "BYE"
        session.reset()
        system.wait_until_ready()
        with Server(system, many_messages) as server:
            target, left = messages_in(server, f"Part{part}"), messages_in(server, source)
            assert target in (0, whole), f"{verb} stored {target} of {whole}"
            assert status != "OK" or target == whole
            assert left == (whole - target if verb == "MOVE" else whole)
            ends.append((part, status, target))
            if verb == "MOVE" and target:
                # Back, for the next time.
                server.session.ok(f"SELECT Part{part}")
                server.session.ok("MOVE 1:* Whole")
    print(f"{verb} alone took {took:.2f} s; killed after a part of that: {ends}")
    assert unanswered > 0
    assert broken_invariants(system) == {}
