"""What strangers and broken clients send: each gets a clear NO or BAD (or BYE where the limit says so), the session
goes on, and nobody else feels it (RFC 9051, 11; RFC 7888; RFC 7889)."""

import multiprocessing
import os
import pathlib
import re
import statistics
import time

import pytest

from conftest import wait_until
from faults.imap import IMAPSession
from faults.wire import Connection, Lost, client_tls
from mailbox_contents import Server, log_in

LINES = int(os.environ.get("MARTLET_HOSTILE_LINES", "10000"))
MEBIOCTET = 1 << 20


class Memory:
    """Of the processes of a service: octets that are resident."""

    def __init__(self, system, service: str) -> None:
        self.pids = [pid for name, pid in system.programs().items() if service in name]
        assert self.pids, system.supervisor("status")

    def now(self) -> int:
        return sum(int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10
                   for pid in self.pids)


# ---- Malformed lines

MALFORMED = [
    "", "*", "BOGUS", "NOOP noise", " NOOP", 'SELECT "unfinished', "SELECT", "FETCH 0 FLAGS", "FETCH 1 (FLAGS",
    "FETCH 1 BODY[", "UID", "UID FETCH", "UID NOOP", "STORE 1 FLAGS (\\Seen", "STORE 1 +FLAGS", "SEARCH",
    "SEARCH OR SEEN", "SEARCH NOT",
    "SEARCH BEFORE 32-Foo-2026", "APPEND INBOX", "APPEND INBOX (\\Seen) text", "LIST", 'LIST "" (', "STATUS INBOX",
    "STATUS INBOX (BOGUS)", "COPY 1", "COPY x y", "ID (", "ENABLE", "SORT (BOGUS) UTF-8 ALL", "THREAD BOGUS UTF-8 ALL",
    "FETCH 1:18446744073709551616 FLAGS", "CREATE \"a\\qb\"", "SELECT INBOX (", "SETQUOTA", "RENAME a", "IDLE now",
    "LOGIN \x00 \x01", "\x7f\x80\xff", "FETCH 1 BODY[1.0]", "FETCH 1 BODY[]<1>", "SEARCH CHARSET",
]


# Malformed lines that are sent at once.
BURST = 95


def attack(port: int, account: dict, bursts, index: int, is_over, answers) -> None:
    """Sends malformed lines as fast as they are answered, until it is over; every twentieth line is a good one, since
    twenty bad ones in a row end a session. Counts the bursts that were answered, and tells what was no BAD."""
    session = IMAPSession(port, account, timeout=120, tls=client_tls())
    sent, others = 0, []
    while not is_over.is_set():
        burst = []
        for number in range(BURST):
            sent += 1
            burst.append(f"x{sent} {MALFORMED[sent % len(MALFORMED)]}\r\n".encode("latin-1"))
            if number % 19 == 18:
                burst.append(b"good NOOP\r\n")
        session.send(b"".join(burst))
        for _ in burst:
            line = session.line()
            if line.startswith(b"x") and b" BAD " not in line or not line.startswith((b"x", b"good OK", b"* BAD")):
                others.append(line.decode(errors="replace"))
        bursts[index] += 1
    answers.put(others[:10])


def test_ten_thousand_malformed_lines_are_refused_and_slow_nobody(system, account):
    with Server(system, account) as server:
        server.append("INBOX", [(b"Subject: x\r\n\r\nx\r\n", "")] + [
            (f"Subject: {number}\r\n\r\nx\r\n".encode(), "") for number in range(99)])
    victim = log_in(system, account)
    victim.ok("SELECT INBOX")

    context = multiprocessing.get_context("fork")
    answers, is_over = context.Queue(), context.Event()
    # Each counts its own.
    bursts = context.Array("Q", 2, lock=False)
    attackers = [context.Process(
        target=attack, args=(system.port("imaps"), account, bursts, index, is_over, answers), daemon=True)
        for index in range(2)]
    for attacker in attackers:
        attacker.start()
    # How many bursts of the others were answered during each of its commands.
    passed: list[int] = []
    try:
        wait_until(lambda: all(bursts), 60, "they send nothing")
        while len(passed) < 100 or min(bursts) * BURST < LINES // 2:
            assert all(attacker.is_alive() for attacker in attackers), "one of them has ended before its time"
            before = sum(bursts)
            lines: list[bytes] = []
            status, text = victim.completion(victim.send_command("UID FETCH 1:* (FLAGS)"), lines)
            assert status == "OK" and len(lines) == 100, (text, lines)
            passed.append(sum(bursts) - before)
    finally:
        is_over.set()
        for attacker in attackers:
            attacker.join(150)
    assert [attacker.exitcode for attacker in attackers] == [0, 0]
    assert [line for _ in attackers for line in answers.get(timeout=10)] == []
    assert sum(bursts) * BURST >= LINES
    print(f"{sum(bursts)} bursts; {statistics.median(passed)} were answered during a command of the other session "
          f"({len(passed)} commands), {max(passed)} at most")
    # A burst is as much work as that command: a hundred lines either way. Sessions that share an event loop take turns
    # there, a burst each, so that about one of each attacker passes, and a few more while the machine lets this client
    # wait. How fast all of it is makes no difference. A session that had to wait for the others' lines would see nearly
    # all of them pass, a hundred bursts at least, and then be answered by nobody: they do not stop before it is.
    assert statistics.median(passed) < 20
    assert victim.logout()


# ---- Literals

def test_a_literal_beyond_the_limit_is_refused_before_its_octets(system, account):
    session = log_in(system, account)
    lines: list[bytes] = []
    session.completion(session.send_command("CAPABILITY"), lines)
    limit = int(re.search(rb"APPENDLIMIT=(\d+)", lines[0])[1])
    # Refused instead of asked for: what comes is the tagged response, and no continuation.
    for command in [f"APPEND INBOX {{{limit + 1}}}", f"APPEND INBOX (\\Seen) ~{{{limit + 1}}}"]:
        _, refusal = session.begin_append(command)
        assert refusal is not None and refusal[0] == "NO" and refusal[1].startswith("[TOOBIG]"), (command, refusal)
    for command in ["APPEND INBOX {18446744073709551616}", f"CREATE {{{MEBIOCTET}}}", "SEARCH TEXT {4294967295}",
                    "SELECT {99999999999999999999999999}", f"STATUS {{{MEBIOCTET}}}"]:
        _, refusal = session.begin_append(command)
        assert refusal is not None and refusal[0] in ("NO", "BAD"), (command, refusal)
    # What is announced is asked for.
    tag, refusal = session.begin_append(f"APPEND INBOX {{{limit}}}")
    assert refusal is None
    session.reset()
    session = log_in(system, account)
    tag, refusal = session.begin_append("APPEND INBOX {19}")
    assert refusal is None
    session.send(b"Subject: x\r\n\r\nabcde\r\n")
    assert session.completion(tag)[0] == "OK"
    assert session.logout()


def test_a_stranger_may_send_little(system):
    """Before login a literal may have 4,096 octets."""
    connection = Connection(system.port("imaps"), 30, client_tls())
    connection.line()
    connection.send(b"a LOGIN {4097}\r\n")
    assert connection.line().startswith((b"a BAD", b"a NO"))
    connection.send(b"b LOGIN {5000+}\r\n" + b"x" * 5000 + b" y\r\n")
    assert connection.line().startswith((b"b BAD", b"b NO"))
    connection.send(b"c NOOP\r\n")
    assert connection.line().startswith(b"c OK")
    # More than a stranger's octets are worth skipping: the session ends (RFC 7888, 4).
    connection.send(b"d LOGIN {1000000+}\r\n")
    assert connection.line().startswith(b"* BYE")
    with pytest.raises(Lost):
        connection.line()


def test_octets_that_are_not_wanted_are_dropped_as_they_come(system, account):
    """Non-synchronizing literals beyond a limit: skipped without being kept, and beyond what is worth it BYE."""
    session = log_in(system, account)
    session.ok("SELECT INBOX")
    memory = Memory(system, "imap-access")
    before = memory.now()
    tag = session.send_command(f"SEARCH TEXT {{{48 * MEBIOCTET}+}}")
    chunk = b"x" * MEBIOCTET
    for _ in range(48):
        session.send(chunk)
    session.send(b" SEEN\r\n")
    status, text = session.completion(tag)
    assert status in ("NO", "BAD"), text
    session.ok("NOOP")
    assert memory.now() - before < 16 * MEBIOCTET
    session.send_command(f"SEARCH TEXT {{{1 << 40}+}}")
    with pytest.raises(Lost, match="BYE"):
        session.completion("never")
    session.reset()


# ---- Commands of a size or depth that nobody needs

def refused(session: IMAPSession, command: str | bytes) -> str:
    """A tagged NO or BAD, and the session goes on; returns what it says."""
    octets = command if isinstance(command, bytes) else command.encode()
    tag = session.next_tag()
    session.send(tag.encode() + b" " + octets + b"\r\n")
    began = time.monotonic()
    status, text = session.completion(tag, [])
    assert status in ("NO", "BAD") and text, (octets[:60], status, text)
    assert time.monotonic() - began < 10
    session.ok("NOOP")
    return text


def test_a_search_of_depth_a_thousand_is_refused(system, account):
    session = log_in(system, account)
    session.ok("SELECT INBOX")
    for keys in ["NOT " * 1000 + "SEEN", "(" * 1000 + "SEEN" + ")" * 1000, "OR SEEN " * 1000 + "SEEN", "(" * 50_000,
                 "OR " * 1000 + "SEEN " * 1001]:
        assert "depth" in refused(session, f"SEARCH {keys}").lower()
    # As deep as is allowed is answered.
    session.ok("SEARCH " + "NOT " * 30 + "SEEN")
    assert session.logout()


def test_a_set_of_a_million_ranges_is_refused(system, account):
    with Server(system, account) as server:
        server.append("INBOX", [(b"Subject: x\r\n\r\nx\r\n", "")])
    session = log_in(system, account)
    session.ok("SELECT INBOX")
    million = ",".join(f"{3 * number + 1}:{3 * number + 2}" for number in range(1_000_000))
    for command in ("FETCH {} FLAGS", "UID FETCH {} (FLAGS)", "UID STORE {} +FLAGS.SILENT (\\Seen)",
                    "UID COPY {} Archive", "SEARCH UID {}"):
        refused(session, command.format(million))
    # Within a line, but too many; and as many as are allowed are not slow.
    assert "ranges" in refused(session, "UID FETCH " + ",".join("1" for _ in range(30_000)) + " FLAGS")
    began = time.monotonic()
    session.ok("UID FETCH " + ",".join(f"{number}" for number in range(1, 11_000)) + " FLAGS")
    session.ok("UID SEARCH UID " + ",".join("4294967295:1" for _ in range(4_500)))
    assert time.monotonic() - began < 5
    assert session.logout()


@pytest.mark.parametrize("spelling", ["quoted", "literal", "literal+"])
def test_a_mailbox_name_of_a_megabyte_is_refused(system, account, spelling):
    session = log_in(system, account)
    name = b"n" * MEBIOCTET
    written = {"quoted": b'"' + name + b'"', "literal": f"{{{MEBIOCTET}}}".encode(),
               "literal+": f"{{{MEBIOCTET}+}}\r\n".encode() + name}[spelling]
    for before, after in [(b"SELECT ", b""), (b"CREATE ", b""), (b"DELETE ", b""), (b"RENAME INBOX ", b""),
                          (b"SUBSCRIBE ", b""), (b'LIST "" ', b""), (b"STATUS ", b" (MESSAGES)"), (b"EXAMINE ", b"")]:
        refused(session, before + written + (b"" if spelling == "literal" else after))
    assert session.logout()


def test_names_that_no_mailbox_can_have_are_refused(system, account):
    session = log_in(system, account)
    for name in ["n" * 1001, "/".join("n" * 65), "a//b", "/a", "a\x01b", "&AAA-", "a&b", "&zzz"]:
        assert "[" in refused(session, f'CREATE "{name}"')
    for text in ["SUBSCRIBE", "SELECT", "STATUS"]:
        refused(session, f'{text} "{"n" * 5000}"' + (" (MESSAGES)" if text == "STATUS" else ""))
    assert session.logout()


def test_patterns_that_could_match_in_many_ways_are_answered_at_once(system, account):
    """Each `*` may stand for any number of characters: a matcher that tries them all would never come to an end."""
    session = log_in(system, account)
    name = "/".join("a" * 29 for _ in range(32))
    session.ok(f'CREATE "{name}"')
    began = time.monotonic()
    session.ok('LIST "" "' + "*a" * 400 + '*b"')
    session.ok('LIST "" "' + "%a" * 400 + '%b"')
    session.ok('LIST "" "' + "*" * 5000 + 'b"')
    session.ok('LSUB "" "' + "*%" * 1000 + 'b"')
    session.ok('LIST "" (' + " ".join('"*a*a*a*a*a*a*a*b"' for _ in range(200)) + ")")
    assert time.monotonic() - began < 5
    assert session.logout()


# ---- A reader that does not read

def test_a_reader_that_stops_reading_costs_its_own_buffer_only(system, account):
    """Ten sessions ask for 100 MB each and read nothing: imap-access keeps some hundred KiB for each, and others are
    served meanwhile."""
    with Server(system, account) as server:
        server.append("INBOX", [(f"Subject: {number}\r\n\r\n".encode() + b"text of a line\r\n" * (MEBIOCTET // 16), "")
                                for number in range(10)])
        server.session.ok("SELECT INBOX")
        for _ in range(9):
            server.session.ok("UID COPY 1:10 INBOX")
        assert server.session.examine("INBOX") == 100
    readers = [log_in(system, account) for _ in range(10)]
    for reader in readers:
        reader.ok("SELECT INBOX")
    memory = Memory(system, "imap-access")
    before = memory.now()
    tags = [reader.send_command("FETCH 1:* BODY.PEEK[]") for reader in readers]
    other = log_in(system, account)
    other.ok("SELECT INBOX")
    for reader in readers:
        assert reader.is_answered(60)
    took: list[float] = []
    most, grew_at = before, 0
    # Until it takes no more: who kept whatever storage gives would grow from one command to the next.
    while len(took) < 100 or len(took) - grew_at < 50:
        began = time.monotonic()
        other.ok("FETCH 1:* (FLAGS)")
        took.append(time.monotonic() - began)
        if (now := memory.now()) > most:
            most, grew_at = now, len(took)
        assert most - before < 40 * MEBIOCTET
    # Readers that are stuck and hold others up would do so with nearly every command.
    slow = statistics.quantiles(took, n=10)[-1]
    print(f"{(most - before) / MEBIOCTET:.1f} MiB for ten readers; nine in ten of {len(took)} commands of another "
          f"session took at most {slow * 1000:.0f} ms")
    assert slow < 1
    # Whoever reads again has lost nothing.
    reader, tag = readers[0], tags[0]
    found = 0
    while True:
        line = reader.line()
        if line.startswith(tag.encode() + b" "):
            assert line.startswith(tag.encode() + b" OK"), line
            break
        if literal := re.search(rb"\{(\d+)\}$", line):
            octets = reader.exactly(int(literal[1]))
            assert octets.endswith(b"text of a line\r\n") and len(octets) > MEBIOCTET - 64
            found += 1
    assert found == 100
    for reader in readers:
        reader.reset()
    other.ok("NOOP")
    assert other.logout()
