"""Replies that are lost in every way a connection can end: each message is stored once, each honest repetition is kept.

MARTLET_LOST_REPLIES says how many messages each way has (20 by default, 500 in a full run). Whoever repeats a message
whose first transaction is not settled waits about half a second for its reply.
"""

import collections
import concurrent.futures
import os
import signal
import time
import uuid

import pytest

from conftest import wait_until
from faults.imap import IMAPSession
from faults.smtp import Attempt, SMTPSession, Style, dot_stuffed
from faults.wire import Lost, client_tls
from mail import imap, ok

MESSAGES = int(os.environ.get("MARTLET_LOST_REPLIES", "20"))
AT_ONCE = 20
TLS = client_tls()
# How long a client keeps trying: a restart of what was killed is far shorter.
PATIENCE = 60


class Client:
    """Sends numbered messages to one account, over plain TCP, STARTTLS or implicit TLS."""

    def __init__(self, system, account, security: str) -> None:
        self.system, self.account, self.security = system, account, security
        self.label = uuid.uuid4().hex[:8]

    def open(self) -> SMTPSession:
        if self.security == "implicit TLS":
            return SMTPSession(self.system.port("submissions"), tls=TLS, login=self.account, timeout=20)
        starts_tls = self.security == "STARTTLS"
        return SMTPSession(self.system.port("smtp"), tls=TLS if starts_tls else None, starts_tls=starts_tls, timeout=20)

    def attempt(self, number: int) -> Attempt:
        sender = self.account["address"] if self.security == "implicit TLS" else "sender@elsewhere.test"
        octets = f"Subject: {self.label}-{number}\r\nMessage-ID: <{self.label}.{number}@elsewhere.test>\r\n\r\nHi.\r\n"
        return Attempt(sender, [self.account["address"]], octets.encode())

    def send_content(self, number: int, behind: bytes = b"") -> SMTPSession:
        """A message up to its final dot, and what is pipelined behind it; its reply is not read."""
        session, attempt = self.open(), self.attempt(number)
        for command in session.envelope(attempt):
            session.expect(250, session.command(command))
        session.expect(354, session.command("DATA"))
        session.send(dot_stuffed(attempt.octets) + behind)
        return session

    def send_until_known(self, number: int) -> None:
        """As an MTA does: the same message on new connections until 250 is read; ends in order."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            attempt = self.attempt(number)
            try:
                session = self.open()
                session.deliver(attempt)
                session.quit()
            except Lost:
                pass
            if [code for code, _ in attempt.replies.values()] == [250]:
                return
            time.sleep(0.1)
        raise AssertionError(f"message {number} was not taken within {PATIENCE} s")

    def copies(self) -> collections.Counter[int]:
        """How often each number is in the mailbox."""
        with imap(self.system, self.account) as reader:
            ok(reader.select("INBOX", readonly=True))
            found = ok(reader.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
        subjects = [part[1].decode().split(":", 1)[1].strip() for part in found if isinstance(part, tuple)]
        return collections.Counter(int(subject.rpartition("-")[2]) for subject in subjects if self.label in subject)


def every_number(work, numbers=None) -> None:
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, range(MESSAGES) if numbers is None else numbers))


def assert_copies(client: Client, wanted: dict[int, int]) -> None:
    found = client.copies()
    wrong = {number: found[number] for number in wanted if found[number] != wanted[number]}
    assert wrong == {}, f"copies by number, where {set(wanted.values())} was wanted: {wrong}"
    assert set(found) == set(wanted)


# ---- The ways: each begins a message of that number and leaves its reply unread.

def reset_at_once(client: Client, number: int) -> None:
    client.send_content(number).reset()


def reset_after_commit(client: Client, number: int) -> None:
    session = client.send_content(number)
    assert session.is_answered(20)
    session.reset()


def quit_pipelined_then_reset(client: Client, number: int) -> None:
    session = client.send_content(number, b"QUIT\r\n")
    assert session.is_answered(20)
    session.reset()


def mail_pipelined_then_reset(client: Client, number: int) -> None:
    attempt = client.attempt(number)
    session = client.send_content(number, f"MAIL FROM:<{attempt.reverse_path}>\r\n".encode())
    assert session.is_answered(20)
    session.reset()


def mail_late_then_reset(client: Client, number: int) -> None:
    # The same, but MAIL leaves when the reply has come to the client's kernel already: it proves nothing either.
    session = client.send_content(number)
    assert session.is_answered(20)
    session.send(f"MAIL FROM:<{client.attempt(number).reverse_path}>\r\n".encode())
    time.sleep(0.02)
    session.reset()


def next_message_pipelined_then_reset(client: Client, number: int) -> None:
    # Whole transactions by BDAT in one stream; the second one is a message of its own, which is repeated too.
    session = client.open()
    attempts = [client.attempt(number), client.attempt(number + MESSAGES)]
    session.send_stream(attempts, Style(is_pipelined=True, chunks=1), has_resets=False)
    assert session.is_answered(20)
    session.reset()


def closed_at_once(client: Client, number: int) -> None:
    # FIN comes before the reply; what the server says then meets a closed socket.
    client.send_content(number).close()


def closed_unread(client: Client, number: int) -> None:
    session = client.send_content(number)
    assert session.is_answered(20)
    session.close()


def silence_then_reset(client: Client, number: int) -> None:
    session = client.send_content(number)
    time.sleep(1.5)
    session.reset()


def no_close_notify(client: Client, number: int) -> None:
    # The kernel has taken all octets and FIN follows, but nobody has read the reply: TLS says so by what is missing.
    session = client.send_content(number)
    assert session.is_answered(20)
    time.sleep(0.02)
    session.drain_unheard()
    session.close()


WAYS = [reset_at_once, reset_after_commit, quit_pipelined_then_reset, mail_pipelined_then_reset, mail_late_then_reset,
        next_message_pipelined_then_reset, closed_at_once, closed_unread, silence_then_reset]
CASES = [(way, security) for way in WAYS for security in ("plain", "STARTTLS")]
CASES += [(no_close_notify, "STARTTLS"), (no_close_notify, "implicit TLS")]


@pytest.mark.parametrize(("way", "security"), CASES, ids=[f"{way.__name__}-{security}" for way, security in CASES])
def test_a_message_whose_reply_was_lost_is_stored_once(system, account, way, security):
    client = Client(system, account, security)

    def work(number: int) -> None:
        way(client, number)
        client.send_until_known(number)
        if way is next_message_pipelined_then_reset:
            client.send_until_known(number + MESSAGES)
    every_number(work)
    count = MESSAGES * (2 if way is next_message_pipelined_then_reset else 1)
    assert_copies(client, dict.fromkeys(range(count), 1))


@pytest.mark.parametrize("security", ["plain", "STARTTLS"])
def test_a_message_whose_ingress_was_killed_before_the_reply_was_read_is_stored_once(system, account, security):
    client = Client(system, account, security)
    # Who dies within a second of its start counts as one that does not start: few kills, many messages each.
    for first in range(0, MESSAGES, 50):
        numbers = range(first, min(first + 50, MESSAGES))
        system.wait_until_ready()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            sessions = list(pool.map(client.send_content, numbers))
        assert all(session.is_answered(20) for session in sessions)
        for name, pid in system.programs().items():
            if "smtp-ingress" in name:
                os.kill(pid, signal.SIGKILL)
        for session in sessions:
            session.reset()
        every_number(client.send_until_known, numbers)
    system.wait_until_ready()
    assert_copies(client, dict.fromkeys(range(MESSAGES), 1))


@pytest.mark.parametrize("security", ["plain", "STARTTLS", "implicit TLS"])
def test_an_honest_second_after_an_end_in_order_is_kept(system, account, security):
    client = Client(system, account, security)

    def work(number: int) -> None:
        for _ in range(2):
            session, attempt = client.open(), client.attempt(number)
            session.deliver(attempt)
            assert [code for code, _ in attempt.replies.values()] == [250], attempt.replies
            assert session.quit()
    every_number(work)
    assert_copies(client, dict.fromkeys(range(MESSAGES), 2))


@pytest.mark.parametrize("security", ["plain", "STARTTLS"])
@pytest.mark.parametrize("style", [Style(), Style(is_pipelined=True), Style(is_pipelined=True, chunks=1)], ids=str)
def test_an_honest_second_on_the_same_connection_is_kept(system, account, security, style):
    client = Client(system, account, security)

    def work(number: int) -> None:
        session = client.open()
        for _ in range(2):
            attempt = client.attempt(number)
            session.deliver(attempt, style)
            assert [code for code, _ in attempt.replies.values()] == [250], attempt.replies
        session.quit()
    every_number(work)
    assert_copies(client, dict.fromkeys(range(MESSAGES), 2))


def test_a_lost_reply_an_honest_second_and_its_lost_reply_make_two(system, account):
    """First: reply lost, repeated, ended in order. Second, on purpose: reply lost, repeated."""
    client = Client(system, account, "plain")

    def work(number: int) -> None:
        for _ in range(2):
            reset_after_commit(client, number)
            client.send_until_known(number)
    every_number(work)
    assert_copies(client, dict.fromkeys(range(MESSAGES), 2))


def test_a_lost_reply_is_answered_by_the_first_transaction(system, account):
    """The repetition's 250 names the transaction that stored the message."""
    client = Client(system, account, "plain")
    session = client.send_content(0)
    first = wait_until(session.reply, 20)
    session.reset()
    again, attempt = client.open(), client.attempt(0)
    again.deliver(attempt)
    assert again.quit()
    assert attempt.replies[account["address"]] == first


# ---- APPENDs that are sent one behind the other (RFC 7888): how they are taken together makes no difference.

def appended(number: int) -> bytes:
    return f"Subject: appended-{number}\r\n\r\n".encode() + b"text\r\n" * (number % 50)


def send_appends(session: IMAPSession, numbers, at_once: int) -> list[str]:
    """Sends them in writes of so many; their answers are not read."""
    tags, lines = [], []
    for number in numbers:
        octets = appended(number)
        tags.append(session.next_tag())
        lines.append(f"{tags[-1]} APPEND INBOX {{{len(octets)}+}}\r\n".encode() + octets + b"\r\n")
    for first in range(0, len(lines), at_once):
        session.send(b"".join(lines[first:first + at_once]))
    return tags


@pytest.mark.parametrize("answers", [0, 1, 30], ids=lambda answers: f"{answers} read")
@pytest.mark.parametrize("at_once", [1, 7, 100], ids=lambda at_once: f"again {at_once} at once")
def test_appends_that_come_again_in_other_groups_are_stored_once(system, account, at_once, answers):
    """A hundred are sent, some answers are read, the connection breaks; all are sent again, and their answers are read."""
    def session() -> IMAPSession:
        return IMAPSession(system.port("imaps"), account, tls=TLS)
    first = session()
    tags = send_appends(first, range(100), 100)
    uids = [first.completion(tag)[1] for tag in tags[:answers]]
    if not answers:
        assert first.is_answered(20)
    first.reset()
    second = session()
    # All hundred at once but for their grouping, of which some are repetitions and some are not.
    found = [second.completion(tag) for tag in send_appends(second, range(100), at_once)]
    assert [status for status, _ in found] == ["OK"] * 100
    assert [text for _, text in found[:answers]] == uids
    assert [int(text.split("]")[0].rpartition(" ")[2]) for _, text in found] == list(range(1, 101))
    second.completion(second.send_command("LOGOUT"), [])
    with imap(system, account) as reader:
        assert ok(reader.select("INBOX", readonly=True)) == [b"100"]
        subjects = [part[1].decode().strip() for part in ok(reader.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
                    if isinstance(part, tuple)]
    assert subjects == [f"Subject: appended-{number}" for number in range(100)]
