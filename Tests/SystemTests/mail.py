"""Sending and reading with Python's own clients, and waiting for what must come."""

import contextlib
import email.message
import imaplib
import re
import smtplib
import uuid

from conftest import System, wait_until

imaplib._MAXLINE = 10_000_000


def text_message(sender: str, recipient: str, subject: str | None = None, body: str = "Hello.\n") -> bytes:
    message = email.message.EmailMessage()
    message["From"], message["To"] = sender, recipient
    message["Subject"] = subject or uuid.uuid4().hex
    message["Message-ID"] = f"<{uuid.uuid4().hex}@example.test>"
    message["Date"] = "Mon, 23 Nov 2026 12:00:00 +0000"
    message.set_content(body)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@contextlib.contextmanager
def smtp(system: System, login: dict | None = None, service: str = "smtp"):
    if service == "submissions":
        client = smtplib.SMTP_SSL(system.host(service), system.port(service), context=system.tls, timeout=30)
    else:
        client = smtplib.SMTP(system.host(service), system.port(service), timeout=30)
        if service == "submission":
            client.starttls(context=system.tls)
    with client:
        if login:
            client.login(login["address"], login["password"])
        yield client


@contextlib.contextmanager
def imap(system: System, login: dict, service: str = "imaps"):
    if service == "imaps":
        client = imaplib.IMAP4_SSL(system.host(service), system.port(service), ssl_context=system.tls, timeout=60)
    else:
        client = imaplib.IMAP4(system.host(service), system.port(service), timeout=60)
        client.starttls(ssl_context=system.tls)
    try:
        client.login(login["address"], login["password"])
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.logout()


def ok(answer):
    """The data of an answer that must be OK."""
    assert answer[0] == "OK", answer
    return answer[1]


def uids(client: imaplib.IMAP4, *criteria: str) -> list[int]:
    return [int(uid) for uid in ok(client.uid("SEARCH", *(criteria or ("ALL",))))[0].split()]


def octets(client: imaplib.IMAP4, uid: int, section: str = "") -> bytes:
    data = ok(client.uid("FETCH", str(uid), f"(BODY.PEEK[{section}])"))
    return next(part[1] for part in data if isinstance(part, tuple))


def count(system: System, login: dict, mailbox: str = "INBOX") -> int:
    with imap(system, login) as client:
        answer = ok(client.status(mailbox, "(MESSAGES)"))[0].decode()
        return int(re.search(r"MESSAGES (\d+)", answer)[1])


def wait_for_subject(system: System, login: dict, subject: str, seconds: float = 10) -> bytes:
    """The octets of the only message with that subject."""
    def look():
        with imap(system, login) as client:
            ok(client.select("INBOX", readonly=True))
            found = uids(client, "SUBJECT", f'"{subject}"')
            return octets(client, found[0]) if len(found) == 1 else None
    return wait_until(look, seconds, f"no single message with the subject {subject}")


def below_trace_fields(stored: bytes) -> bytes:
    """What the client sent: the stored octets without the Return-Path and Received that Martlet put before it."""
    rest = stored
    for name in (b"Return-Path:", b"Received:"):
        assert rest.startswith(name), rest[:200]
        end = re.search(rb"\r\n(?![ \t])", rest)
        rest = rest[end.end():]
    return rest
