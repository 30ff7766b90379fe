"""Storage that goes away under a command: what IMAP allows is answered, and what is stored is as it was before or after,
never between.

MARTLET_FETCH_MEGABYTES (100 by default, 1,000 in a full run), MARTLET_COPY_MESSAGES (10,000).
"""

import contextlib
import os
import re
import signal
import time

import pytest

from conftest import wait_until
from database import broken_invariants, locked, waits_for_a_lock
from faults.imap import IMAPSession
from faults.processes import is_alive
from faults.wire import Lost
from mailbox_contents import Server, log_in

FETCH_MEGABYTES = int(os.environ.get("MARTLET_FETCH_MEGABYTES", "100"))
COPY_MESSAGES = int(os.environ.get("MARTLET_COPY_MESSAGES", "10000"))
MEBIOCTET = 1 << 20


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
