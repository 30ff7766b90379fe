"""CHECKPOINT (RFC 1845): a client that is cut off goes on where it was, and each message is stored once.

A client names its transaction by TRANSID. Which ingress it comes to is chance when there are several: one that knows
nothing of the transaction takes everything anew, and no message may come twice for that.
"""

import concurrent.futures
import hashlib
import random
import time
import uuid

import pytest

from faults.smtp import SMTPSession, dot_stuffed
from faults.wire import Lost, client_tls
from mail import below_trace_fields, imap, octets, ok, uids

MESSAGES = 24
AT_ONCE = 8
TLS = client_tls()
PATIENCE = 60


def content(number: int, label: str) -> bytes:
    """Some of these fit into memory, some go to the spool; lines that begin with dots are everywhere."""
    source = random.Random(number)
    lines = [f"Subject: {label}-{number}", f"Message-ID: <{label}.{number}@elsewhere.test>", ""]
    size = source.choice([0, 3_000, 200_000, 1_500_000])
    while size >= 0:
        line = source.choice(["", ".", "..", ".x", "text " * source.randrange(190)])
        lines.append(line)
        size -= len(line) + 2
    return "\r\n".join(lines).encode() + b"\r\n"


class Transaction:
    """One message that is sent until its 250 is read, by whatever connections that takes."""

    def __init__(self, system, account, number: int, label: str, security: str) -> None:
        self.system, self.account, self.security = system, account, security
        self.octets = content(number, label)
        self.mail = f"MAIL FROM:<sender@elsewhere.test> TRANSID=<{label}.{number}@client.elsewhere.test>"
        self.source = random.Random(number + 1_000)
        self.resumed = 0
        # Connections that were left as they were: nobody tells the server that nothing comes there any more.
        self.left: list[SMTPSession] = []

    def begin(self) -> tuple[SMTPSession, int]:
        """A session that waits for content, and from where on."""
        starts_tls = self.security == "STARTTLS"
        tls = TLS if starts_tls else None
        session = SMTPSession(self.system.port("smtp"), tls=tls, starts_tls=starts_tls, timeout=30)
        code, text = session.command(self.mail)
        if code == 355:
            self.resumed += 1
            return session, int(text.split()[0])
        session.expect(250, (code, text))
        session.expect(250, session.command(f"RCPT TO:<{self.account['address']}>"))
        return session, 0

    def open(self) -> tuple[SMTPSession, bytes]:
        """A session behind DATA, and what is left to say there."""
        session, offset = self.begin()
        session.expect(354, session.command("DATA"))
        return session, dot_stuffed(self.octets[offset:])

    def cut_within(self) -> None:
        session, rest = self.open()
        session.send(rest[:self.source.randrange(max(1, len(rest) - 3))])
        # What is on its way arrives behind some time, or not at all.
        time.sleep(self.source.choice([0, 0.05]))
        session.reset()

    def cut_within_chunk(self) -> None:
        session, offset = self.begin()
        rest = self.octets[offset:]
        session.send(b"BDAT %d LAST\r\n" % len(rest) + rest[:self.source.randrange(max(1, len(rest)))])
        session.close()

    def leave_within(self) -> None:
        session, rest = self.open()
        session.send(rest[:self.source.randrange(max(1, len(rest) - 3))])
        self.left.append(session)

    def cut_behind_the_end(self, is_answered: bool) -> None:
        session, rest = self.open()
        session.send(rest)
        if is_answered:
            assert session.is_answered(30)
        session.reset()

    def send_until_known(self) -> str:
        """The text of the 250 that was read in the end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                session, rest = self.open()
                session.send(rest)
                code, text = session.reply()
                if code == 250:
                    assert session.quit()
                    return text
            except Lost:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not taken within {PATIENCE} s")


def assert_stored_once(system, account, transactions: list[Transaction]) -> None:
    with imap(system, account) as reader:
        ok(reader.select("INBOX", readonly=True))
        stored = [hashlib.sha256(below_trace_fields(octets(reader, uid))).hexdigest() for uid in uids(reader)]
    wanted = [hashlib.sha256(transaction.octets).hexdigest() for transaction in transactions]
    assert sorted(stored) == sorted(wanted)


def run(system, account, security: str, work) -> list[Transaction]:
    label = uuid.uuid4().hex[:8]
    transactions = [Transaction(system, account, number, label, security) for number in range(MESSAGES)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, transactions))
    assert_stored_once(system, account, transactions)
    return transactions


def ingresses(system) -> int:
    return sum("smtp-ingress" in name for name in system.programs())


@pytest.mark.parametrize("security", ["plain", "STARTTLS"])
def test_a_message_that_is_cut_off_again_and_again_is_stored_once_as_it_was_sent(system, account, security):
    def work(transaction: Transaction) -> None:
        for _ in range(3):
            transaction.source.choice(
                [transaction.cut_within, transaction.cut_within_chunk, transaction.leave_within])()
        transaction.send_until_known()
        for session in transaction.left:
            session.reset()
    transactions = run(system, account, security, work)
    # A client that comes at once may come before the server has read BDAT, and then sends all again.
    if ingresses(system) == 1:
        assert sum(transaction.resumed for transaction in transactions) > 2 * MESSAGES


@pytest.mark.parametrize("security", ["plain", "STARTTLS"])
@pytest.mark.parametrize("is_answered", [False, True], ids=["reset at once", "reset behind the reply"])
def test_a_reply_that_is_lost_again_and_again_is_given_again(system, account, security, is_answered):
    def work(transaction: Transaction) -> None:
        for _ in range(2):
            transaction.cut_behind_the_end(is_answered)
        transaction.send_until_known()
    run(system, account, security, work)


def test_the_reply_that_is_given_again_is_the_first_one_and_no_content_is_sent_for_it(system, account):
    transaction = Transaction(system, account, 0, uuid.uuid4().hex[:8], "plain")
    session, rest = transaction.open()
    session.send(rest)
    first = session.reply()
    session.reset()
    time.sleep(0.5)
    again, offset = transaction.begin()
    if ingresses(system) == 1:
        assert offset == len(transaction.octets)
        assert again.command("BDAT 0 LAST") == first
    else:
        again.reset()
        assert transaction.send_until_known() == first[1]
    assert_stored_once(system, account, [transaction])


def test_the_same_octets_by_two_names_are_two_messages_though_the_first_reply_was_lost(system, account):
    label = uuid.uuid4().hex[:8]
    transactions = [Transaction(system, account, 0, label, "plain") for _ in range(2)]
    transactions[1].mail = transactions[1].mail.replace("TRANSID=<", "TRANSID=<second.")
    transactions[0].cut_behind_the_end(is_answered=True)
    transactions[1].send_until_known()
    transactions[0].send_until_known()
    assert_stored_once(system, account, transactions)


def test_a_client_whose_ingress_has_forgotten_everything_sends_all_again_and_it_is_stored_once(system, account):
    transaction = Transaction(system, account, 3, uuid.uuid4().hex[:8], "plain")
    transaction.cut_behind_the_end(is_answered=True)
    names = [name for name in system.programs() if "smtp-ingress" in name]
    system.supervisor("restart", *names)
    system.wait_until_ready()
    transaction.resumed = 0
    transaction.send_until_known()
    assert transaction.resumed == 0
    assert_stored_once(system, account, [transaction])
