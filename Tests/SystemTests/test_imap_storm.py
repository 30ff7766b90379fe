"""Sessions that get into each other's way in one tree of mailboxes: what IMAP allows is answered, and nothing is lost.

MARTLET_STORM_SECONDS (6 by default, 600 in a full run), MARTLET_STORM_SEED.
"""

import contextlib
import os
import random
import re
import threading
import time

import pytest

from database import broken_invariants
from faults.imap import IMAPSession
from faults.wire import Lost
from mailbox_contents import Server, log_in

STORM_SECONDS = float(os.environ.get("MARTLET_STORM_SECONDS", "6"))
SEED = int(os.environ.get("MARTLET_STORM_SEED", random.randrange(1 << 31)))
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
