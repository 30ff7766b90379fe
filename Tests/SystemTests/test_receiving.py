"""What an SMTP client sees, and that the octets it sent are the octets that are read."""

import pathlib
import smtplib
import socket
import uuid

import pytest

from conftest import CHECKOUT
from mail import below_trace_fields, count, imap, octets, ok, smtp, text_message, uids

MESSAGES = sorted((CHECKOUT.parent / "shared" / "conformance" / "mime" / "messages").glob("*.txt"))


def crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


@pytest.fixture(scope="module")
def collector(system):
    """An account that takes one message after another."""
    with system.account() as login:
        yield login


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_conformance_message_comes_back_octet_for_octet(system, collector, path: pathlib.Path):
    message = crlf(path.read_bytes())
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    with smtp(system) as client:
        client.ehlo()
        assert client.mail("sender@elsewhere.test", ["BODY=8BITMIME"])[0] == 250
        assert client.rcpt(collector["address"])[0] == 250
        # smtplib's own data() would alter line ends; the octets go out as they are, with dots stuffed.
        assert client.docmd("DATA")[0] == 354
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        client.send((b"." if message.startswith(b".") else b"") + stuffed + b".\r\n")
        assert client.getreply()[0] == 250
    with imap(system, collector) as client:
        ok(client.select("INBOX"))
        stored = octets(client, uids(client)[-1])
    assert below_trace_fields(stored) == message


def test_unknown_recipient_is_refused_with_550_5_1_1(system):
    with smtp(system) as client:
        client.ehlo()
        client.mail("a@elsewhere.test")
        code, text = client.rcpt(f"nobody{uuid.uuid4().hex}@example.test")
    assert code == 550 and text.startswith(b"5.1.1")


def test_relaying_for_strangers_is_refused(system):
    with smtp(system) as client:
        client.ehlo()
        client.mail("a@elsewhere.test")
        code, text = client.rcpt("someone@elsewhere.test")
    assert code == 550 and text.startswith(b"5.7.1")


def test_one_message_to_two_recipients_is_in_both_mailboxes(system, account):
    before = count(system, system.bob)
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [account["address"], system.bob["address"]],
                        text_message("a@elsewhere.test", account["address"]))
    assert count(system, account) == 1
    assert count(system, system.bob) == before + 1


@pytest.mark.parametrize("ending", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"])
def test_only_crlf_dot_crlf_ends_a_message(system, account, ending):
    """SMTP smuggling: the octets after a false end are message, never a second envelope."""
    with smtp(system) as client:
        client.ehlo()
        client.mail("a@elsewhere.test")
        client.rcpt(account["address"])
        assert client.docmd("DATA")[0] == 354
        smuggled = (b"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<" + account["address"].encode()
                    + b">\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n")
        client.send(b"Subject: carrier\r\n\r\nbody" + ending + smuggled)
        code, _ = client.getreply()
        # One reply for one message: it is refused whole, or kept whole as one message.
        assert code in (250, 554, 550, 500)
    with imap(system, account) as client:
        ok(client.select("INBOX"))
        assert len(uids(client)) <= 1
        assert uids(client, "SUBJECT", "smuggled") == []


def test_large_message_passes_and_too_large_is_refused(system, account):
    body = ("x" * 76 + "\n") * 80_000
    message = text_message("a@elsewhere.test", account["address"], "large", body)
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [account["address"]], message)
        limit = int(client.esmtp_features["size"])
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            client.ehlo()
            code, text = client.mail("a@elsewhere.test", [f"SIZE={limit + 1}"])
            raise smtplib.SMTPResponseException(code, text)
        assert refused.value.smtp_code == 552
    with imap(system, account) as client:
        ok(client.select("INBOX"))
        assert below_trace_fields(octets(client, uids(client)[0])) == message


def test_a_client_that_vanishes_leaves_nothing(system, account):
    """The connection is cut after every octet of a session that would have delivered."""
    dialogue = (b"EHLO c.example\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<" + account["address"].encode()
                + b">\r\nDATA\r\nSubject: half\r\n\r\nhalf a message\r\n.\r")
    for length in range(0, len(dialogue) + 1, 3):
        with socket.create_connection((system.host("smtp"), system.port("smtp")), timeout=10) as connection:
            connection.sendall(dialogue[:length])
    assert count(system, account) == 0
